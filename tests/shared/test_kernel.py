"""Time, waits, redaction and logs."""

import io
import json
import logging
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel import backoff, logs, redact, timebase

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
TICKS = st.integers(min_value=-(2**50), max_value=2**50)


@given(TICKS)
def test_ticks_survive_the_way_through_nanoseconds(ticks: int) -> None:
    assert timebase.ns_to_ticks(timebase.ticks_to_ns(ticks)) == ticks


@given(TICKS, st.integers(1, 10**9), st.integers(1, 10**9))
def test_rescale_rounds_to_nearest(value: int, numerator: int, denominator: int) -> None:
    exact = Fraction(value * numerator, denominator)
    assert abs(timebase.rescale(value, numerator, denominator) - exact) <= Fraction(1, 2)


@given(st.integers(0, 90_000 * 86_400), st.integers(-200_000, 200_000))
def test_a_media_time_comes_back_from_utc_within_a_microsecond(pts_90k: int, rate_ppb: int) -> None:
    moment_at = timebase.utc_at(pts_90k, anchor_pts_90k=5_000, anchor_at=AT, rate_ppb=rate_ppb)
    back = timebase.pts_at(moment_at, anchor_pts_90k=5_000, anchor_at=AT, rate_ppb=rate_ppb)
    assert abs(back - pts_90k) <= 1


def test_a_camera_clock_that_runs_fast_by_100_ppm_gains_360_ms_in_an_hour() -> None:
    hour = 90_000 * 3600
    moment_at = timebase.utc_at(hour, anchor_pts_90k=0, anchor_at=AT, rate_ppb=100_000)
    assert moment_at == AT + timedelta(hours=1, milliseconds=360)


def test_waits_grow_to_their_ceiling_and_start_over_after_a_success() -> None:
    waits = backoff.Backoff(1, 30, rng=random.Random(4))
    drawn = [waits.next_wait_s() for _ in range(200)]
    assert all(0.5 <= wait <= 30 for wait in drawn)
    assert max(drawn[:3]) <= 4
    assert max(drawn) > 20
    waits.reset()
    assert waits.next_wait_s() <= 1


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("opening rtsp://admin:hunter2@10.0.0.9/main", "hunter2"),
        ("GET /x?token=hunter2&b=1", "hunter2"),
        ("PUT https://s/b?X-Amz-Signature=hunter2", "hunter2"),
        ("Authorization: Bearer hunter2.abc", "hunter2"),
        ("opened https://studio.example/s/ab12#hunter2", "hunter2"),
    ],
)
def test_no_secret_is_left_in_a_redacted_text(text: str, secret: str) -> None:
    assert secret not in redact.redact(text)
    assert redact.MASK in redact.redact(text)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    text = io.StringIO()
    logs.configure_logs(json_lines=True, stream=text)
    yield text
    root.handlers[:], root.level = handlers, level


def test_a_log_line_is_one_json_object_with_its_values_redacted(stream: io.StringIO) -> None:
    logging.getLogger("edge").info("camera connected", extra={"url": "rtsp://u:hunter2@h/1", "fps": 30})
    line = json.loads(stream.getvalue())
    assert line["message"] == "camera connected"
    assert line["fps"] == 30
    assert "hunter2" not in stream.getvalue()


def test_a_failing_loop_says_it_once_and_then_that_it_recovered(stream: io.StringIO) -> None:
    failures = logs.FailureLog(logging.getLogger("edge"), "camera unreachable")
    for _ in range(100):
        failures.failed(camera="left")
    failures.recovered()
    failures.recovered()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["message"] for line in lines] == ["camera unreachable", "recovered"]
    assert lines[1]["failures"] == 100
