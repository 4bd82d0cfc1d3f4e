"""When an update may begin, and what it must not cost an agent: a class, its line, or memory for an endless answer."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest

from edge_agent import http
from edge_agent.api import ControlPlaneApi
from edge_agent.errors import AnswerTooLarge
from edge_agent.http import HttpClient
from edge_agent.update.download import RangeFetcher
from edge_agent.update.updater import is_maintenance_time
from shared.kernel.clock import ServerClock, SystemClock
from shared.protocol.config import AgentBody, RecordingOrder
from shared.protocol.ids import ClassSessionId, RoomId, new_id
from shared.protocol.status import RecordingState
from tests.shared.examples import BODY, STATUS

NOW_AT = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)


def orders(*spans: tuple[int, int | None]) -> AgentBody:
    """Returns a configuration with classes from so many minutes from now until so many, None: until told."""
    made = (
        RecordingOrder(
            class_session_id=ClassSessionId(new_id()),
            room_id=RoomId(new_id()),
            start_at=NOW_AT + timedelta(minutes=start),
            stop_at=None if stop is None else NOW_AT + timedelta(minutes=stop),
        )
        for start, stop in spans
    )
    return msgspec.structs.replace(BODY, recordings=tuple(made))


@pytest.mark.parametrize(
    ("spans", "quiet"),
    [
        ((), True),
        (((-60, -1),), True),
        (((-60, 0),), True),
        (((16, 60),), True),
        (((15, 60),), False),
        (((-10, 50),), False),
        (((-600, None),), False),
        (((-60, -1), (20, 80), (5, 10)), False),
    ],
)
def test_a_class_that_runs_or_is_near_keeps_an_update_away(
    spans: tuple[tuple[int, int | None], ...], quiet: bool
) -> None:
    assert is_maintenance_time(orders(*spans), (), NOW_AT) is quiet


def test_what_is_still_being_recorded_keeps_it_away_whatever_the_orders_say() -> None:
    for state in RecordingState:
        recording = msgspec.structs.replace(STATUS.recordings[0], state=state)
        assert is_maintenance_time(None, (recording,), NOW_AT) is (state is not RecordingState.RECORDING)


async def test_an_answer_that_does_not_end_is_not_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_LIMIT_BYTES", 1000)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 100
            yield b"x" * 100

    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=endless()))
    async with HttpClient(transport=transport) as client:
        with pytest.raises(AnswerTooLarge, match=r"studio\.example"):
            await client.request("GET", "https://studio.example/")
    assert sent < 5000


async def test_a_download_shares_the_line_in_small_pieces() -> None:
    package, passed = bytes(range(256)) * 5000, list[int]()

    def part(request: httpx.Request) -> httpx.Response:
        first, last = (int(number) for number in request.headers["range"].removeprefix("bytes=").split("-"))
        data = package[first : last + 1]
        said = f"bytes {first}-{first + len(data) - 1}/{len(package)}"
        kind = "application/octet-stream"
        return httpx.Response(206, content=data, headers={"content-range": said, "content-type": kind})

    async def throttle(size_bytes: int) -> None:
        passed.append(size_bytes)

    async with HttpClient(transport=httpx.MockTransport(part)) as client:
        api = ControlPlaneApi(client, "https://studio.example", ServerClock(SystemClock()), lambda: "token")
        fetcher = RangeFetcher(api, asyncio.get_running_loop(), throttle=throttle)
        fetched = await asyncio.to_thread(lambda: b"".join(fetcher.fetch("targets/package")))
    assert fetched == package
    assert sum(passed) == len(package)
    assert max(passed) <= 20_000, "a second's worth of a slow line, not a minute's"
