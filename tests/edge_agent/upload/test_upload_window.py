"""The upload window: what waits for it, what does not, and what is never lost for its sake."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import UNSET, UnsetType

from edge_agent.upload.upload_window import LOOK_S, OBEY_BELOW, OVERRULE_AT, WindowGate
from shared.kernel.clock import FakeClock, ServerClock
from shared.protocol.config import UploadWindow
from shared.protocol.manifest import SegmentManifest
from shared.protocol.status import UploadStatus, WindowState
from shared.protocol.upload import PutTarget
from tests.edge_agent.upload.rig import DirectClient
from tests.edge_agent.upload.uploads import OLD, RUNNING, Uploads

NIGHT = UploadWindow(opens="22:00", closes="06:00", time_zone="Europe/Berlin")
OPENS, CLOSES = datetime(2026, 1, 2, 21, tzinfo=UTC), datetime(2026, 1, 2, 5, tzinfo=UTC)
MINUTE_S = 60.0


def at_minute(folder: Path, at: datetime, window: UploadWindow | UnsetType = NIGHT) -> Uploads:
    uploads = Uploads(folder, at=at)
    uploads.gate.set_window(window)
    return uploads


def minutes_asked(client: DirectClient, *steps: str) -> list[str]:
    return sorted({f"{at:%H:%M}" for step, at in client.asked if step in steps})


async def test_outside_the_window_only_the_small_things_go_and_it_is_said_until_when(tmp_path: Path) -> None:
    uploads = at_minute(tmp_path, OPENS - timedelta(minutes=10))
    uploads.spool.add(OLD)
    gap = uploads.spool.add_gap(OLD)
    async with uploads.at_work():
        await uploads.until(lambda: gap.gap_id in uploads.spool.settled)
        await uploads.pacer.advance(9 * MINUTE_S)
        assert not minutes_asked(uploads.client, "intent", "PUT")
        status = uploads.replicator.status()
        assert (status.window, status.problem) == (WindowState.WAITS, "")
        assert status.opens_at is not None
        assert status.opens_at.isoformat() == "2026-01-02T22:00:00+01:00"
        uploads.spool.add(RUNNING)
        uploads.running = {RUNNING}
        uploads.replicator.wake()
        await uploads.until_home()
    first_at = uploads.client.asked[1][1]
    assert OPENS <= first_at <= OPENS + timedelta(seconds=1)
    assert uploads.replicator.status().window is WindowState.OPEN
    assert uploads.replicator.status().opens_at is None


@pytest.mark.parametrize("fault", ["unavailable", "store_unavailable", "plain_401"])
async def test_when_it_opens_no_wait_after_a_failure_is_sat_out(tmp_path: Path, fault: str) -> None:
    """It is closed for one minute, at the end of an outage whose waits have grown to as much."""
    window = UploadWindow(opens="22:00", closes="21:59", time_zone="Europe/Berlin")
    uploads = at_minute(tmp_path, OPENS - timedelta(minutes=6), window)
    for _ in range(5):
        uploads.spool.add(OLD)
    uploads.spool.add_gap(OLD)
    setattr(uploads.plane.faults, fault, True)
    async with uploads.at_work():
        await uploads.pacer.advance(6 * MINUTE_S - 0.1)
        setattr(uploads.plane.faults, fault, False)
        await uploads.pacer.advance(0.5)
        assert uploads.spool.is_empty()
    closed_at = OPENS - timedelta(minutes=1)
    late = [
        step for step, at in uploads.client.asked if step in ("intent", "PUT") and closed_at <= at < OPENS
    ]
    assert not late, "a question that waited for the end of an outage is not asked when it is too late for it"


async def test_a_put_that_runs_when_it_closes_is_finished_and_gets_its_receipt(tmp_path: Path) -> None:
    uploads = at_minute(tmp_path, CLOSES - timedelta(minutes=1))
    goes_on = asyncio.Event()

    class SlowStore(DirectClient):
        async def put(self, target: PutTarget, path: Path, manifest: SegmentManifest) -> None:
            await goes_on.wait()
            await super().put(target, path, manifest)

    uploads.replicator._client = SlowStore(uploads.plane)
    segments = [uploads.spool.add(OLD) for _ in range(9)]
    async with uploads.at_work():
        await uploads.pacer.advance(2 * MINUTE_S)
        assert uploads.replicator.status().window is WindowState.WAITS
        goes_on.set()
        await uploads.pacer.advance(MINUTE_S)
    assert list(uploads.spool.committed) == [s.segment_id for s in segments[:3]], "three were being sent"


async def test_a_class_that_is_recorded_while_the_clock_is_set_back_goes_when_the_wall_says(
    tmp_path: Path,
) -> None:
    """In the night of 25 October the wall in Berlin shows 02:00 to 03:00 twice, and 02:30 closes the window twice."""
    window = UploadWindow(opens="22:00", closes="02:30", time_zone="Europe/Berlin")
    uploads = at_minute(tmp_path, datetime(2026, 10, 25, 0, 0, 30, tzinfo=UTC), window)
    uploads.running = {RUNNING}
    async with uploads.at_work():
        for _ in range(120):
            uploads.spool.add(RUNNING)
            uploads.replicator.wake()
            await uploads.pacer.advance(MINUTE_S)
    sent = minutes_asked(uploads.client, "intent", "PUT")
    first = [f"00:{minute:02}" for minute in range(30)]
    again = [f"01:{minute:02}" for minute in range(30)]
    assert sent == first + again
    assert len(uploads.spool.committed) == 90, "what was kept back from 00:30 to 01:00 went at 01:00"


async def test_a_class_that_is_recorded_while_an_hour_is_skipped_goes_from_the_skip_on(
    tmp_path: Path,
) -> None:
    window = UploadWindow(opens="02:30", closes="06:00", time_zone="Europe/Berlin")
    uploads = at_minute(tmp_path, datetime(2026, 3, 29, 0, 30, 30, tzinfo=UTC), window)
    uploads.running = {RUNNING}
    async with uploads.at_work():
        for _ in range(40):
            uploads.spool.add(RUNNING)
            uploads.replicator.wake()
            await uploads.pacer.advance(MINUTE_S)
    assert minutes_asked(uploads.client, "intent", "PUT")[0] == "01:00", "03:00 on the wall, just after 01:59"
    assert len(uploads.spool.committed) == 40


async def test_a_buffer_that_is_nearly_full_overrules_it_until_there_is_room(tmp_path: Path) -> None:
    uploads = at_minute(tmp_path, CLOSES)
    first = uploads.spool.add(OLD)
    uploads.filled = OVERRULE_AT - 0.01
    async with uploads.at_work():
        await uploads.pacer.advance(600)
        assert not uploads.spool.committed
        uploads.filled = OVERRULE_AT
        await uploads.pacer.advance(LOOK_S)
        assert first.segment_id in uploads.spool.committed
        status = uploads.replicator.status()
        assert status.window is WindowState.OVERRULED
        assert status.opens_at is not None
        # Not at each segment anew: it goes on until there is some room again.
        uploads.filled = OBEY_BELOW
        second = uploads.spool.add(OLD)
        await uploads.pacer.advance(LOOK_S)
        assert second.segment_id in uploads.spool.committed
        uploads.filled = OBEY_BELOW - 0.01
        third = uploads.spool.add(OLD)
        await uploads.pacer.advance(600)
        assert third.segment_id not in uploads.spool.committed
        assert uploads.replicator.status().window is WindowState.WAITS


async def test_another_window_holds_at_once_and_none_lets_everything_go(tmp_path: Path) -> None:
    uploads = at_minute(tmp_path, CLOSES, UNSET)
    async with uploads.at_work():
        uploads.spool.add(OLD)
        await uploads.until_home()
        uploads.gate.set_window(NIGHT)
        for _ in range(5):
            uploads.spool.add(OLD)
        uploads.replicator.wake()
        await uploads.pacer.advance(MINUTE_S)
        assert len(uploads.spool.committed) == 1
        uploads.gate.set_window(UploadWindow(opens="05:00", closes="08:00", time_zone="Europe/Berlin"))
        await uploads.pacer.advance(1)
        assert len(uploads.spool.committed) == 6
        uploads.gate.set_window(NIGHT)
        uploads.spool.add(OLD)
        await uploads.pacer.advance(MINUTE_S)
        uploads.gate.set_window(UNSET)
        await uploads.pacer.advance(1)
        assert uploads.spool.is_empty()


async def test_an_agent_that_is_switched_off_does_not_wait_for_the_window(tmp_path: Path) -> None:
    uploads = at_minute(tmp_path, CLOSES)
    uploads.spool.add(OLD)
    gap = uploads.spool.add_gap(OLD)
    async with uploads.at_work():
        drained = asyncio.ensure_future(uploads.replicator.drained())
        await uploads.pacer.advance(2)
        assert drained.done()
    assert gap.gap_id in uploads.spool.settled
    assert not uploads.spool.committed


def gate_of(clock: ServerClock, window: UploadWindow = NIGHT) -> WindowGate:
    gate = WindowGate(lambda: clock.now() if clock.has_time else None, lambda: 0.0, sleep=asyncio.sleep)
    gate.set_window(window)
    return gate


def tell(clock: ServerClock, server_time_at: datetime) -> None:
    for _ in range(2):
        clock.take(server_time_at, clock.mark())


def test_the_time_is_the_servers_and_without_it_everything_goes() -> None:
    here = FakeClock(datetime(2001, 1, 1, 12, tzinfo=UTC))
    clock = ServerClock(here)
    gate = gate_of(clock)
    told = gate.with_window(UploadStatus())
    assert (told.window, told.opens_at) == (WindowState.UNUSABLE, None)
    assert gate.is_open
    tell(clock, OPENS - timedelta(seconds=10))
    assert gate.state() is WindowState.WAITS
    here.advance(10)
    assert gate.state() is WindowState.OPEN


def test_a_zone_that_the_agent_does_not_know_keeps_nothing_back() -> None:
    clock = ServerClock(FakeClock())
    tell(clock, CLOSES)
    gate = gate_of(clock, UploadWindow(opens="22:00", closes="06:00", time_zone="Mars/Olympus"))
    assert gate.state() is WindowState.UNUSABLE
    assert gate.is_open


def test_only_one_state_keeps_segments_back() -> None:
    """A new state has to declare here whether it does."""
    keep_back: Sequence[WindowState] = [WindowState.WAITS]
    assert {*WindowState} - {*keep_back} == {
        WindowState.ANY_TIME,
        WindowState.OPEN,
        WindowState.OVERRULED,
        WindowState.UNUSABLE,
    }
