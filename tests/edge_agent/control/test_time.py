"""Where the agent takes the server's time from, and when it asks: never from a `Date`, never from another's answer."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec
import pytest

from edge_agent.api import ControlPlaneApi, TimeExchange
from edge_agent.control.enrolment import pair
from edge_agent.control.identity import IdentityFolder
from edge_agent.errors import NotThreeDance, RequestRefused, ServerError, ServerUnreachable
from edge_agent.http import HttpClient
from edge_agent.sync.server_time import ASK_EVERY_S, FEW, QUICK_MOST, SLOW_S, VAGUE_US, ServerTimePoller
from shared.kernel.clock import FakeClock, ServerClock, SystemClock
from shared.kernel.readings import READINGS_KEPT
from shared.protocol.codec import encode
from shared.protocol.errors import PROBLEM_CONTENT_TYPE, Code, problem
from shared.protocol.timing import NONCE_HEADER, TIME_HEADER, TIME_PATH, stated_time
from tests.edge_agent.control.test_link import _line
from tests.edge_agent.control.test_networks import _link
from tests.rigs.control_plane import ControlPlane
from tests.rigs.pacer import Pacer, settle

US = "https://studio.example"
OLD_DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Answer = Callable[[httpx.Request], httpx.Response]


def stamped(request: httpx.Request, now_at: datetime, **more: str) -> dict[str, str]:
    """Returns the headers of an answer of the control plane at `now_at`."""
    stated = stated_time((now_at - EPOCH) // timedelta(microseconds=1) * 1000, request.headers[NONCE_HEADER])
    assert stated is not None
    return {TIME_HEADER: stated, "content-type": "application/json", **more}


@asynccontextmanager
async def _api(clock: ServerClock, answer: Answer) -> AsyncIterator[ControlPlaneApi]:
    async with HttpClient(transport=httpx.MockTransport(answer)) as http:
        yield ControlPlaneApi(http, US, clock, lambda: "token")


async def test_a_date_of_any_age_moves_nothing() -> None:
    """uvicorn writes `Date` once a second, and not while it is paused: after 21 s it answers with one of 21 s ago."""
    machine = FakeClock()
    clock = ServerClock(machine)
    for age_s in (21, 0, 2, 3600, -60):
        dated = (machine.now() - timedelta(seconds=age_s)).strftime("%a, %d %b %Y %H:%M:%S GMT")

        def answer(_: httpx.Request, dated: str = dated) -> httpx.Response:
            return httpx.Response(200, headers={"date": dated, "content-type": "application/json"}, json={})

        async with _api(clock, answer) as api:
            for _ in range(4):
                await api.post("/agent/v1/intent", {}, msgspec.Raw)
    assert not clock.has_time
    assert clock.now() == clock.newest.now() == machine.now()


async def test_a_good_reading_counts_beside_whatever_date() -> None:
    machine = FakeClock()
    clock = ServerClock(machine)

    def answer(request: httpx.Request) -> httpx.Response:
        headers = stamped(request, machine.now() + timedelta(hours=1), date=OLD_DATE)
        return httpx.Response(204, headers=headers)

    async with _api(clock, answer) as api:
        for _ in range(3):
            await api.post_for_nothing("/agent/v1/report", {})
    assert clock.offset_s() == pytest.approx(3600, abs=0.001)


@pytest.mark.parametrize(
    "kept",
    [
        lambda request: stamped(
            httpx.Request("GET", US, headers={NONCE_HEADER: "of-another-request"}), FakeClock().now()
        ),
        lambda request: {TIME_HEADER: "1767225600000000"},
        lambda request: {TIME_HEADER: f"yesterday {request.headers[NONCE_HEADER]}"},
        lambda request: {TIME_HEADER: f"{10**17} {request.headers[NONCE_HEADER]}"},
        lambda request: {TIME_HEADER: f"{10**40} {request.headers[NONCE_HEADER]}"},
    ],
    ids=["kept by a cache", "without a nonce", "no number", "another millennium", "endless"],
)
async def test_an_answer_to_another_request_or_of_nonsense_is_not_taken(
    kept: Callable[[httpx.Request], dict[str, str]],
) -> None:
    clock = ServerClock(FakeClock())

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "application/json"} | kept(request), json={})

    async with _api(clock, answer) as api:
        for _ in range(5):
            await api.post("/agent/v1/intent", {}, msgspec.Raw)
    assert not clock.has_time
    assert clock.newest.now() == FakeClock().now()


async def test_every_request_asks_with_a_nonce_of_its_own() -> None:
    nonces = []

    def answer(request: httpx.Request) -> httpx.Response:
        nonces.append(request.headers[NONCE_HEADER])
        return httpx.Response(204)

    async with _api(ServerClock(FakeClock()), answer) as api:
        for _ in range(10):
            await api.post_for_nothing("/agent/v1/report", {})
    assert len(set(nonces)) == 10
    assert all(stated_time(0, nonce) for nonce in nonces)


async def test_a_server_that_does_not_state_its_time_is_named() -> None:
    async with _api(ServerClock(FakeClock()), lambda _: httpx.Response(204)) as api:
        with pytest.raises(NotThreeDance, match="does not state the time"):
            await api.ask_time()
    said = problem(Code.NOT_FOUND)
    older = httpx.Response(404, headers={"content-type": PROBLEM_CONTENT_TYPE}, content=encode(said))
    async with _api(ServerClock(FakeClock()), lambda _: older) as api:
        with pytest.raises(RequestRefused):
            await api.ask_time()


async def test_the_time_of_a_refusal_is_taken_and_the_next_token_is_of_it() -> None:
    machine = FakeClock()
    clock = ServerClock(machine)
    ahead = timedelta(days=9 * 365)
    signed_at: list[datetime] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if len(signed_at) == 1:
            said = problem(Code.AGENT_CLOCK_OFF)
            headers = stamped(request, machine.now() + ahead) | {"content-type": PROBLEM_CONTENT_TYPE}
            return httpx.Response(said.status, headers=headers, content=encode(said))
        return httpx.Response(204, headers=stamped(request, machine.now() + ahead))

    def sign() -> str:
        signed_at.append(clock.newest.now())
        return "token"

    async with HttpClient(transport=httpx.MockTransport(answer)) as http:
        await ControlPlaneApi(http, US, clock, sign).post_for_nothing("/agent/v1/report", {})
    before_at, after_at = signed_at
    assert before_at == machine.now()
    assert after_at - machine.now() == pytest.approx(ahead, abs=timedelta(seconds=1))


@pytest.mark.parametrize("years", [9, -20])
async def test_an_agent_whose_clock_is_years_off_pairs_and_links(tmp_path: Path, years: int) -> None:
    ahead = timedelta(days=365 * years)
    with ControlPlane(ahead=ahead).running() as plane:
        async with HttpClient() as http:
            folder = IdentityFolder(tmp_path)
            paired = await pair(plane.url, "BCDFGHJK", folder, replace=False, http=http, clock=SystemClock())
        async with _line(plane, paired.identity) as line:
            await line.up()
            # While it connects, seconds of the test's time pass in milliseconds, so the readings are vague.
            by = line.clock.newest.now() - line.pacer.clock.now()
            assert abs(by - ahead) < timedelta(seconds=30)
    # The first upgrade is refused for its token's time and states the time; the next one is let in.
    assert plane.calls["link"] <= 3


async def test_an_upgrade_tells_the_time_whether_it_is_refused_or_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    take = ServerClock.take

    def noted(clock: ServerClock, server_time_at: datetime, asked_ns: int) -> None:
        taken.append(asked_ns)
        take(clock, server_time_at, asked_ns)

    with ControlPlane(ahead=timedelta(hours=1)).running() as plane:
        async with HttpClient() as http:
            folder = IdentityFolder(tmp_path)
            paired = await pair(plane.url, "BCDFGHJK", folder, replace=False, http=http, clock=SystemClock())
            monkeypatch.setattr(ServerClock, "take", noted)
            clock = ServerClock(SystemClock())
            link = _link(paired.identity, http, clock)
            # Refused for the time of its token, and not to be stayed away from.
            assert not await link._run_once()
            assert len(taken) == 1
            conversation = asyncio.create_task(link._run_once())
            await asyncio.wait_for(link.wait_up(), 10)
            assert len(taken) == 3, "the upgrade and the greeting"
            conversation.cancel()
            await asyncio.gather(conversation, return_exceptions=True)
            assert clock.offset_s() == pytest.approx(3600, abs=1)


class Plane:
    """Answers questions for the time, as told."""

    def __init__(self, clock: ServerClock, pacer: Pacer) -> None:
        self.clock, self.pacer = clock, pacer
        self.ahead = timedelta(hours=1)
        self.differs = timedelta(0)
        self.asked_s: list[float] = []
        self.fails = False
        self.takes_s = 0.02

    async def ask_time(self) -> None:
        self.asked_s.append(self.pacer.clock.monotonic_ns() / 1e9)
        if self.fails:
            raise ServerUnreachable("studio.example", "as told")
        asked_ns = self.clock.mark()
        self.pacer.clock.advance(self.takes_s)
        other = self.differs if len(self.asked_s) % 2 else timedelta(0)
        self.clock.take(self.pacer.clock.now() + self.ahead + other, asked_ns)


@pytest.fixture
async def kept() -> AsyncIterator[Plane]:
    pacer = Pacer()
    clock = ServerClock(pacer.clock)
    plane = Plane(clock, pacer)
    task = asyncio.create_task(ServerTimePoller(plane, clock, sleep=pacer.sleep, rng=random.Random(1)).run())
    try:
        yield plane
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_asks_until_the_readings_suffice_and_then_once_a_minute(kept: Plane) -> None:
    await kept.pacer.advance(10)
    assert len(kept.asked_s) == 5
    assert kept.clock.is_sure
    await kept.pacer.advance(600)
    assert 10 <= len(kept.asked_s) - 5 <= 14
    assert kept.clock.error_bound_us() < 45_000


async def test_it_asks_nothing_while_other_calls_bring_the_time(kept: Plane) -> None:
    await kept.pacer.advance(10)
    for _ in range(60):
        kept.clock.take(kept.pacer.clock.now() + kept.ahead, kept.clock.mark())
        await kept.pacer.advance(10)
    assert len(kept.asked_s) == 5


async def test_slow_readings_of_other_calls_have_a_few_quick_ones_asked_for_each_minute(kept: Plane) -> None:
    await kept.pacer.advance(3 * ASK_EVERY_S)
    before = len(kept.asked_s)
    for _ in range(READINGS_KEPT):
        asked_ns = kept.clock.mark()
        kept.pacer.clock.advance(0.4)
        kept.clock.take(kept.pacer.clock.now() + kept.ahead, asked_ns)
    assert kept.clock.error_bound_us() > VAGUE_US
    await kept.pacer.advance(ASK_EVERY_S)
    assert len(kept.asked_s) - before == FEW
    assert kept.clock.error_bound_us() < VAGUE_US


async def test_a_line_that_is_always_slow_is_asked_no_more_often_for_that(kept: Plane) -> None:
    kept.takes_s = 0.4
    await kept.pacer.advance(10)
    before = len(kept.asked_s)
    await kept.pacer.advance(600)
    assert len(kept.asked_s) - before <= 14 * FEW


async def test_a_reading_that_does_not_fit_has_others_asked_for_soon(kept: Plane) -> None:
    await kept.pacer.advance(10)
    kept.clock.take(kept.pacer.clock.now() - timedelta(minutes=1), kept.clock.mark())
    await kept.pacer.advance(6)
    assert len(kept.asked_s) == 6
    assert kept.clock.is_sure


async def test_a_server_that_is_set_anew_is_followed_within_half_a_minute(kept: Plane) -> None:
    await kept.pacer.advance(10)
    kept.ahead = timedelta(0)
    await kept.pacer.advance(ASK_EVERY_S + 2 * READINGS_KEPT)
    assert abs(kept.clock.offset_s()) < 0.05
    assert kept.clock.is_sure


async def test_servers_that_disagree_for_good_are_not_asked_every_second_for_ever(kept: Plane) -> None:
    await kept.pacer.advance(10)
    kept.differs = timedelta(seconds=5)
    await kept.pacer.advance(ASK_EVERY_S + 900)
    assert len(kept.asked_s) <= 5 + 2 * QUICK_MOST + 900 / SLOW_S
    assert not kept.clock.is_sure


async def test_a_server_that_is_away_is_asked_ever_more_slowly(kept: Plane) -> None:
    kept.fails = True
    await kept.pacer.advance(600)
    assert len(kept.asked_s) <= 40
    kept.fails = False
    await kept.pacer.advance(ASK_EVERY_S + 10)
    await settle()
    assert kept.clock.is_sure


async def test_the_time_that_a_connection_takes_is_not_counted_as_the_questions(plane: ControlPlane) -> None:
    """A new connection takes two or three round trips before the request leaves, and idle ones are closed after seconds."""
    machine = FakeClock(plane.now())
    plane.clock = machine
    clock = ServerClock(machine)
    async with HttpClient() as http:
        open_connection: Any = anyio.connect_tcp

        async def slowly(*args: object, **kwargs: object) -> object:
            machine.advance(3)
            return await open_connection(*args, **kwargs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(anyio, "connect_tcp", slowly)
            await ControlPlaneApi(http, plane.url, clock, None).ask_time()
    assert machine.monotonic_ns() == 4_000_000_000, "the connection was made, slowly"
    assert clock.error_bound_us() < 1_000


def test_a_question_is_not_answered_by_nothing() -> None:
    question = TimeExchange(ServerClock(FakeClock()))
    assert not question.accept({})
    assert question.headers[NONCE_HEADER]


async def test_the_path_that_tells_the_time_needs_no_token(tmp_path: Path) -> None:
    with ControlPlane().running() as plane:
        async with HttpClient() as http:
            answer = await http.request(
                "GET", plane.url + TIME_PATH, headers={NONCE_HEADER: "a-nonce-of-a-test"}
            )
            assert answer.status == 204
            assert answer.headers[TIME_HEADER].endswith(" a-nonce-of-a-test")
            with pytest.raises(ServerError):
                await ControlPlaneApi(http, plane.url + "/nowhere", ServerClock(FakeClock()), None).ask_time()
