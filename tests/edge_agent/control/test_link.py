"""The link against a real websocket and HTTP server on localhost, with the waits in the test's hands."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_agent.api import ControlPlaneApi
from edge_agent.control.enrolment import pair
from edge_agent.control.identity import Identity, IdentityFolder
from edge_agent.control.link import LONGEST_WAIT_S, QUIET_S, STEADY_S, Link
from edge_agent.control.polling import POLL_S
from edge_agent.control.session import ConfigFilter, Event, Opened, Session
from edge_agent.http import HttpClient
from shared.kernel.clock import FakeClock, ServerClock, SystemClock
from shared.protocol.config import AgentConfig, SpoolPolicy
from shared.protocol.ids import SegmentId, new_id
from shared.protocol.messages import CLOSE_STOPPED, Desired, SendAgain, SendingAgain
from shared.protocol.status import HEARTBEAT_S, AgentStatus, ConfigStatus, Reported, SpoolStatus
from tests.rigs.control_plane import ControlPlane
from tests.rigs.pacer import Pacer

QUIET = SpoolStatus(bytes_used=0, bytes_free=0, segments_pending=0, behind_s=0.0)


class FakePort:
    """Applies what it is told at once, and remembers it."""

    def __init__(self) -> None:
        self.desired: list[AgentConfig] = []
        self.refused: list[tuple[int | None, str]] = []
        self.revoked: list[str] = []
        self.wanted_again: list[Sequence[SegmentId]] = []
        self.disk_is_well = True
        self.changed: Callable[[], None] = lambda: None

    def reported(self) -> Reported:
        if not self.desired:
            return Reported(version=0, hash=None, status=ConfigStatus.APPLIED)
        return Reported(
            version=self.desired[-1].version, hash=self.desired[-1].hash, status=ConfigStatus.APPLIED
        )

    def status(self) -> AgentStatus:
        now_at = SystemClock().now()
        return AgentStatus(
            now_at=now_at, uptime_s=1, clock_offset_ms=0, cameras=(), recordings=(), spool=QUIET
        )

    def submit_config(self, config: AgentConfig) -> None:
        self.desired.append(config)
        self.changed()

    def refuse_config(self, version: int | None, error: str) -> None:
        self.refused.append((version, error))

    async def requeue_segments(self, segment_ids: Sequence[SegmentId]) -> SendingAgain | None:
        self.wanted_again.append(segment_ids)
        return SendingAgain(coming=tuple(segment_ids)) if self.disk_is_well else None

    def revoke(self, jwt: str) -> None:
        self.revoked.append(jwt)


class Line:
    """A link at work, with all that a test looks at."""

    def __init__(
        self,
        plane: ControlPlane,
        link: Link,
        port: FakePort,
        pacer: Pacer,
        clock: ServerClock,
        task: asyncio.Task[None],
    ) -> None:
        self.plane, self.link, self.port, self.pacer, self.clock = plane, link, port, pacer, clock
        self.task = task

    async def heard(self, condition: Callable[[], Any]) -> Any:
        """Returns the condition's value once the control plane has seen it come true."""
        return await asyncio.to_thread(self.plane.wait, condition)

    async def up(self) -> None:
        await self.pacer.advance_until(lambda: self.link.is_up, step_s=1)

    async def down(self) -> None:
        await asyncio.wait_for(self.link.wait_down(), 10)


@pytest.fixture
async def line(plane: ControlPlane, identity: Identity) -> AsyncIterator[Line]:
    async with _line(plane, identity) as running:
        yield running


@asynccontextmanager
async def _line(plane: ControlPlane, identity: Identity) -> AsyncIterator[Line]:
    port, pacer = FakePort(), Pacer(FakeClock(SystemClock().now()))
    clock = ServerClock(pacer.clock)
    plane.clock = pacer.clock
    answer = identity.pairing.answer
    async with HttpClient() as http:
        api = ControlPlaneApi(http, identity.address, clock, lambda: identity.token(clock.newest))
        link = Link(
            identity=identity,
            api=api,
            clock=clock,
            agent=port,
            config_filter=ConfigFilter(answer.agent_id, answer.studio_id, None),
            sleep=pacer.sleep,
            rng=random.Random(1),
        )
        port.changed = link.report_config
        task = asyncio.create_task(link.run())
        try:
            yield Line(plane, link, port, pacer, clock, task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_the_first_answer_by_http_after_an_outage_brings_the_socket_back(
    plane: ControlPlane, identity: Identity
) -> None:
    plane.faults.unavailable = True
    async with _line(plane, identity) as line:
        await line.pacer.advance_until(lambda: plane.calls["link"] >= 8)
        plane.faults.unavailable = False
        polls = plane.calls["GET /agent/v1/config"]
        await line.up()
        # One may be on its way when we count, and one is the first that is answered.
        assert plane.calls["GET /agent/v1/config"] <= polls + 2


async def test_both_sides_say_what_they_have_and_the_configuration_arrives(line: Line) -> None:
    await line.up()
    await line.heard(lambda: line.plane.reports and line.plane.reports[-1].version == 1)
    assert line.plane.hellos[0].reported.version == 0
    assert line.port.desired == [line.plane.config]


async def test_a_push_is_applied_and_reported(line: Line) -> None:
    await line.up()
    await asyncio.to_thread(line.plane.desire, spool=SpoolPolicy(keep_committed_s=5))
    await line.heard(lambda: line.plane.reports and line.plane.reports[-1].version == 2)
    assert line.port.desired[-1].body.spool.keep_committed_s == 5


async def test_a_doubled_push_is_acknowledged_again_and_applied_once(line: Line) -> None:
    await line.up()
    await line.heard(lambda: line.plane.reports and line.plane.reports[-1].version == 1)
    before = len(line.plane.reports)
    await asyncio.to_thread(line.plane.push, Desired(config=line.plane.config))
    await line.heard(lambda: len(line.plane.reports) > before)
    assert len(line.port.desired) == 1


async def test_what_is_wanted_again_is_looked_for_and_answered_each_time(line: Line) -> None:
    await line.up()
    ask = SendAgain(segment_ids=(SegmentId(new_id()), SegmentId(new_id())))
    for times in (1, 2):
        await asyncio.to_thread(line.plane.push, ask)
        await line.heard(partial(_is_long, line.plane.sending_again, times))
    assert line.port.wanted_again == [ask.segment_ids] * 2
    assert line.plane.sending_again == [SendingAgain(coming=ask.segment_ids)] * 2


def _is_long(found: Sequence[object], length: int) -> bool:
    return len(found) == length


async def test_a_disk_that_cannot_tell_now_gives_no_answer_and_ends_no_link(line: Line) -> None:
    await line.up()
    line.port.disk_is_well = False
    await asyncio.to_thread(line.plane.push, SendAgain(segment_ids=(SegmentId(new_id()),)))
    await asyncio.to_thread(line.plane.desire, spool=SpoolPolicy(keep_committed_s=5))
    await line.heard(lambda: line.plane.reports and line.plane.reports[-1].version == 2)
    assert (len(line.port.wanted_again), line.plane.sending_again, line.plane.links) == (1, [], 1)


async def test_a_frame_of_garbage_does_not_end_the_link(line: Line) -> None:
    await line.up()
    await asyncio.to_thread(line.plane.push, "garbage")
    await asyncio.to_thread(line.plane.desire, spool=SpoolPolicy(keep_committed_s=5))
    await line.heard(lambda: line.plane.reports and line.plane.reports[-1].version == 2)
    assert line.plane.links == 1


async def test_a_configuration_with_an_unknown_key_is_refused(line: Line) -> None:
    await line.up()
    text = '{"type":"desired","config":{"version":5,"run":"rm"}}'
    await asyncio.to_thread(line.plane.push, text)
    await line.heard(lambda: line.plane.reports and line.port.refused)
    assert line.port.refused[0][0] == 5


async def test_a_heartbeat_goes_out_on_connecting_at_news_and_every_thirty_seconds(line: Line) -> None:
    await line.heard(lambda: len(line.plane.statuses) == 1)
    line.link.report_status()
    await line.pacer.advance(1)
    await line.heard(lambda: len(line.plane.statuses) == 2)
    await line.pacer.advance(1)
    await line.pacer.advance(HEARTBEAT_S - 2)
    assert len(line.plane.statuses) == 2
    await line.pacer.advance(3)
    await line.heard(lambda: len(line.plane.statuses) == 3)


async def test_the_link_comes_back_at_once_and_then_with_growing_waits(line: Line) -> None:
    await line.up()
    await line.pacer.advance(STEADY_S)
    line.plane.faults.link_closed = True
    waits = len(line.pacer.asked)
    await asyncio.to_thread(line.plane.cut_links)
    await line.heard(lambda: line.plane.calls["link"] == 2)
    assert not [wait_s for wait_s in line.pacer.asked[waits:] if wait_s > QUIET_S and wait_s != POLL_S]
    await line.pacer.advance_until(lambda: line.plane.calls["link"] >= 7)
    line.plane.faults.link_closed = False
    await line.up()
    assert max(line.pacer.asked) <= LONGEST_WAIT_S


async def test_a_server_that_greets_and_hangs_up_is_not_called_without_end(line: Line) -> None:
    for _ in range(4):
        await line.up()
        await asyncio.to_thread(line.plane.cut_links)
        await line.down()
    assert line.plane.calls["link"] <= 5
    assert line.link.last_error


async def test_while_the_socket_is_down_the_same_documents_travel_by_http(line: Line) -> None:
    await line.up()
    line.plane.faults.link_closed = True
    await asyncio.to_thread(line.plane.cut_links)
    await line.pacer.advance_until(lambda: line.plane.calls["POST /agent/v1/report"] >= 2)
    await asyncio.to_thread(line.plane.desire, spool=SpoolPolicy(keep_committed_s=9))
    await line.pacer.advance_until(lambda: line.plane.reports[-1].version == 2)
    assert line.port.desired[-1].version == 2
    gets = line.plane.calls["GET /agent/v1/config"]
    await line.pacer.advance_until(lambda: line.plane.calls["GET /agent/v1/config"] > gets)
    assert [config.version for config in line.port.desired] == [1, 2]


async def test_once_the_socket_stands_nothing_is_polled_any_more(line: Line) -> None:
    line.plane.faults.link_closed = True
    await line.pacer.advance_until(lambda: line.plane.calls["POST /agent/v1/report"] >= 2)
    line.plane.faults.link_closed = False
    await line.up()
    gets = line.plane.calls["GET /agent/v1/config"]
    await line.pacer.advance(10 * POLL_S)
    assert line.plane.calls["GET /agent/v1/config"] <= gets + 1


@pytest.fixture
def plane_an_hour_ahead() -> Iterator[ControlPlane]:
    with ControlPlane(ahead=timedelta(hours=1)).running() as running:
        yield running


async def test_an_agent_whose_clock_is_an_hour_off_gets_through(
    plane_an_hour_ahead: ControlPlane, tmp_path: Path, http: HttpClient
) -> None:
    plane = plane_an_hour_ahead
    paired = await pair(
        plane.url, "BCDFGHJK", IdentityFolder(tmp_path), replace=False, http=http, clock=SystemClock()
    )
    async with _line(plane, paired.identity) as line:
        await line.up()
        # While it connects, seconds of the test's time pass in milliseconds, so the readings are vague.
        ahead_s = (line.clock.newest.now() - line.pacer.clock.now()).total_seconds()
        assert 3570 < ahead_s < 3630


async def test_a_welcome_that_was_long_on_its_way_moves_no_clock(
    plane: ControlPlane, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = Session.receive

    def late(session: Session, data: bytes) -> Event:
        event = receive(session, data)
        if isinstance(event, Opened):
            here.pacer.clock.advance(2)  # since the server has stamped it
        return event

    monkeypatch.setattr(Session, "receive", late)
    async with _line(plane, identity) as here:
        await here.up()
        assert abs(here.clock.offset_s()) < 0.001
        assert here.clock.error_bound_us() < 10_000_000


async def test_a_signed_revocation_arrives_over_the_socket(line: Line) -> None:
    await line.up()
    revocation = line.plane.sign_revocation()
    await asyncio.to_thread(line.plane.revoke, revocation)
    await line.down()
    assert revocation in line.port.revoked


async def test_a_signed_revocation_arrives_with_a_refused_upgrade(
    plane: ControlPlane, identity: Identity
) -> None:
    plane.revocation = plane.sign_revocation()
    async with _line(plane, identity) as line:
        await line.down()
        assert line.port.revoked[0] == plane.revocation


async def test_a_plain_401_makes_the_link_slow_and_revokes_nothing(
    plane: ControlPlane, identity: Identity
) -> None:
    plane.faults.plain_401 = True
    async with _line(plane, identity) as line:
        await line.down()
        await line.heard(lambda: line.plane.calls["GET /agent/v1/config"] >= 1)
        await line.pacer.advance(LONGEST_WAIT_S - 1)
        assert line.plane.calls["link"] == 1
        await line.pacer.advance_until(lambda: line.plane.calls["link"] == 2)
        assert not line.port.revoked
        plane.faults.plain_401 = False
        await line.up()


async def test_a_mistake_in_a_heartbeat_is_not_swallowed(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    await line.up()

    def broken() -> AgentStatus:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(line.port, "status", broken)
    line.link.report_status()
    await line.pacer.advance_until(line.task.done, step_s=1)
    error = line.task.exception()
    assert isinstance(error, ExceptionGroup)
    assert error.subgroup(RuntimeError) is not None


async def test_a_goodbye_closes_the_link_as_stopped_and_nothing_is_said_after_it(line: Line) -> None:
    await line.up()
    await line.heard(lambda: line.plane.statuses)
    await line.link.close_stopped()
    await line.heard(lambda: line.plane.link_closes)
    assert line.plane.link_closes == [CLOSE_STOPPED]
    calls = dict(line.plane.calls)
    line.link.report_status()
    await line.pacer.advance(300)
    assert dict(line.plane.calls) == calls
    assert line.plane.links == 1


async def test_a_goodbye_without_a_link_is_none_and_does_not_wait(
    plane: ControlPlane, identity: Identity
) -> None:
    plane.faults.unavailable = True
    async with _line(plane, identity) as line:
        await line.down()
        await asyncio.wait_for(line.link.close_stopped(), 1)
        assert plane.link_closes == []


async def test_a_server_that_is_gone_is_waited_for(plane: ControlPlane, identity: Identity) -> None:
    plane.faults.unavailable = True
    async with _line(plane, identity) as line:
        await line.down()
        await line.pacer.advance(600)
        plane.faults.unavailable = False
        await line.up()
        assert line.link.last_error == ""
