"""Time, waits, redaction and logs."""

import io
import json
import logging
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel import backoff, logs, redact, timebase
from shared.kernel.secret_tail import split_tail

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
        ("opening rtsp://admin:pa/s?s#hunter2@10.0.0.9/main", "hunter2"),
        ("opening rtsp://admin:p@hunter2@10.0.0.9/main, again", "hunter2"),
        ("http://10.0.0.9/flv?port=1935&user=admin&password=hunter2", "hunter2"),
        ("to rtsp://10.0.0.9:554/user=admin&password=hunter2&channel=1", "hunter2"),
        ("rtsp://10.0.0.9/user=admin_password=hunter2_channel=1.sdp", "hunter2"),
        ("http://10.0.0.9?hunter2", "hunter2"),
    ],
)
def test_no_secret_is_left_in_a_redacted_text(text: str, secret: str) -> None:
    assert secret not in redact.redact(text)
    assert redact.MASK in redact.redact(text)


@pytest.mark.parametrize(
    "unit", ["a", "a.", "/", "://", "/s/", "?", "x?", "a@", "&token", "bearer ", "DETAIL: ", "rtsp://"]
)
def test_a_long_text_of_a_stranger_is_redacted_in_linear_time(unit: str) -> None:
    text = unit * (30_000 // len(unit))
    began_s = time.thread_time()
    redact.redact_log(text)
    # Linear is 20 ms of processor time; what tries each run from each of its characters takes seconds.
    assert time.thread_time() - began_s < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "x" * (redact.LONGEST_IN_LOG - 20) + " rtsp://admin:hunter2@10.0.0.9/main",
        "https://studio.example/s/" + "x" * 300 + "#hunter2",
        "Bearer" + " " * 100 + "hunter2.abc",
    ],
    ids=["cut within a password", "long path", "many spaces"],
)
def test_no_length_of_a_text_keeps_a_secret_in_a_log(text: str) -> None:
    assert "hunter" not in redact.redact_log(text)


def test_a_text_too_long_for_a_log_is_cut_at_its_end() -> None:
    line = redact.redact_log("token " + "x" * 100_000 + " hunter2")
    assert len(line) < redact.LONGEST_IN_LOG + 40
    assert line.endswith("(67246 more characters)")


def test_what_is_no_secret_stays_in_a_redacted_text() -> None:
    for text in (
        "rtsp://192.168.1.20:554/cam/realmonitor?channel=1&subtype=0 is read",
        "see https://studio.example/agents/ for more",
        "GET /api/v1/classes/?page=2",
    ):
        assert redact.redact(text) == text


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        ("rtsp://10.0.0.9/cam/realmonitor?channel=1&subtype=0", ""),
        ("rtsp://10.0.0.9/Streaming/Channels/101?transportmode=unicast&profile=Profile_1", ""),
        ("http://10.0.0.9/axis-media/media.amp?videocodec=h264&resolution=640x480", ""),
        ("rtsp://10.0.0.9/trackID=1", ""),
        ("rtsp://10.0.0.9", ""),
        ("rtsp://10.0.0.9/a?", ""),
        (
            "http://10.0.0.9/flv?port=1935&app=bcs&stream=channel0_main.bcs&user=u&password=p",
            "http://10.0.0.9/flv?",
        ),
        ("rtsp://10.0.0.9:554/user=u&password=p&channel=1&stream=0.sdp?real_stream", "rtsp://10.0.0.9:554/"),
        ("rtsp://10.0.0.9/user=u_password=p_channel=1_stream=0.sdp", "rtsp://10.0.0.9/"),
        ("rtsp://10.0.0.9/live/s;token=abc/x", "rtsp://10.0.0.9/live/"),
        ("http://10.0.0.9?token=1", "http://10.0.0.9?"),
        ("http://10.0.0.9/a?channel=1&channel=averyveryverylongchannelthatmaybeatoken", "http://10.0.0.9/a?"),
        ("http://10.0.0.9/a?channel=1?x", "http://10.0.0.9/a?"),
        ("http://10.0.0.9/a?1234567890", "http://10.0.0.9/a?"),
    ],
)
def test_an_address_is_split_where_its_secrets_may_begin(url: str, clear: str) -> None:
    clear = clear or url
    assert split_tail(url) == (clear, url.removeprefix(clear))


@given(st.text(alphabet="abz01/?&;=._-:%~#@ ", max_size=60))
def test_the_two_parts_of_an_address_are_the_whole(path: str) -> None:
    url = f"http://10.0.0.9{path}"
    clear, tail = split_tail(url)
    assert clear + tail == url
    assert clear.startswith("http://10.0.0.9")
    assert split_tail(clear) == (clear, "")


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
