"""Configurations applied, proven and rolled back, with cameras and recordings that only remember what was done."""

import asyncio
import errno
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.capture.status_board import StatusBoard
from edge_agent.core import recordings
from edge_agent.core.config_applier import GRACE_S, TRIAL_S
from edge_agent.core.recordings import Recordings
from edge_agent.files import FILES
from edge_agent.recording.recording import Recording
from edge_agent.spool.spool import Spool
from shared.kernel.clock import FakeClock
from shared.protocol.config import (
    FileSource,
    RecipientKey,
    RecordingOrder,
    SpoolPolicy,
    config_document,
)
from shared.protocol.ids import RoomId, new_id
from shared.protocol.status import CameraState, ConfigStatus, Reported
from tests.edge_agent.core.fake_agent import AGENT, CAMERAS, EMPTY, FakeAgent, configured, ordered
from tests.rigs.pacer import settle


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[FakeAgent]:
    async with asyncio.TaskGroup() as group:
        running = FakeAgent(group, tmp_path / "config")
        yield running
        await running.end()


async def test_the_first_configuration_is_in_force_at_once(box: FakeAgent) -> None:
    await box.take(configured(1, "left", "right"))
    assert box.started == ["left", "right"]
    assert box.store.reported().status is ConfigStatus.APPLIED


async def test_a_new_retention_restarts_no_camera(box: FakeAgent) -> None:
    await box.take(configured(1, "left", "right"))
    await box.take(configured(2, "left", "right", spool=SpoolPolicy(keep_committed_s=5)))
    assert box.spools[-1] == SpoolPolicy(keep_committed_s=5)
    assert box.started == ["left", "right"]
    assert box.ended == []


async def test_a_press_of_record_waits_for_no_probation(box: FakeAgent) -> None:
    await box.take(configured(1, "left", "right"))
    order = ordered()
    await box.take(configured(2, "left", "right", recordings=(order,)))
    assert box.store.reported().status is ConfigStatus.APPLIED
    assert set(box.recordings[order.class_session_id].cameras) == {CAMERAS["left"].id, CAMERAS["right"].id}


async def test_only_what_changed_is_touched(box: FakeAgent) -> None:
    await box.take(configured(1, "left", "right"))
    changed = msgspec.structs.replace(CAMERAS["right"], source=FileSource(name="other.mp4"))
    body = msgspec.structs.replace(EMPTY, cameras=(CAMERAS["left"], changed, CAMERAS["centre"]))
    await box.take(config_document(AGENT, 2, body))
    assert box.started == ["left", "right", "right", "centre"]
    assert box.ended == ["right"]


async def test_a_running_recording_gets_the_cameras_as_they_come_and_go(box: FakeAgent) -> None:
    order = ordered()
    await box.take(configured(1, "left", recordings=(order,)))
    await box.take(configured(2, "left", "right", recordings=(order,)))
    recording = box.recordings[order.class_session_id]
    assert set(recording.cameras) == {CAMERAS["left"].id, CAMERAS["right"].id}
    await box.take(configured(3, "right", recordings=(order,)))
    assert set(recording.cameras) == {CAMERAS["right"].id}


async def test_a_camera_that_moves_to_another_room_leaves_the_recording(box: FakeAgent) -> None:
    order = ordered()
    await box.take(configured(1, "left", "right", recordings=(order,)))
    moved = msgspec.structs.replace(CAMERAS["right"], room_id=RoomId(new_id()))
    body = msgspec.structs.replace(EMPTY, cameras=(CAMERAS["left"], moved), recordings=(order,))
    await box.take(config_document(AGENT, 2, body))
    assert set(box.recordings[order.class_session_id].cameras) == {CAMERAS["left"].id}
    assert box.ended == []


async def test_a_stop_and_a_withdrawal_reach_the_recording(box: FakeAgent) -> None:
    order = ordered()
    await box.take(configured(1, "left", recordings=(order,)))
    stopped = msgspec.structs.replace(order, stop_at=box.clock.now())
    await box.take(configured(2, "left", recordings=(stopped,)))
    assert box.recordings[order.class_session_id].order == stopped
    await box.take(configured(3, "left"))
    assert box.orders.statuses() == ()


async def test_a_candidate_that_changes_a_camera_is_applied_at_once_and_proven_later(box: FakeAgent) -> None:
    await box.take(configured(1, "left"))
    await box.take(configured(2, "left", "right"))
    assert box.started == ["left", "right"]
    assert box.store.reported().status is ConfigStatus.APPLYING
    await box.wait(GRACE_S)
    assert box.store.reported().status is ConfigStatus.APPLIED
    assert box.store.applied == configured(2, "left", "right")


async def test_a_candidate_that_silences_the_cameras_it_left_alone_is_rolled_back(box: FakeAgent) -> None:
    await box.take(configured(1, "left"))
    await box.take(configured(2, "left", "right"))
    box.board.update_camera(CAMERAS["left"].id, state=CameraState.RETRYING)
    await box.wait(TRIAL_S - 1)
    assert box.store.reported().status is ConfigStatus.APPLYING
    await box.wait(1)
    reported = box.store.reported()
    assert (reported.version, reported.status, reported.failed_version) == (1, ConfigStatus.FAILED, 2)
    assert box.ended == ["right"]
    assert set(box.cameras.configs) == {CAMERAS["left"].id}


async def test_a_roll_back_stops_no_class_and_revives_none(box: FakeAgent) -> None:
    going, stopped = ordered(), ordered()
    await box.take(configured(1, "left", recordings=(stopped,)))
    ended = msgspec.structs.replace(stopped, stop_at=box.clock.now())
    await box.take(configured(2, "left", "right", recordings=(ended, going)))
    box.board.update_camera(CAMERAS["left"].id, state=CameraState.RETRYING)
    await box.wait(TRIAL_S)
    assert box.store.reported().status is ConfigStatus.FAILED
    orders = {i: recording.order for i, recording in box.recordings.items()}
    assert orders == {going.class_session_id: going, stopped.class_session_id: ended}


async def test_an_order_during_a_probation_neither_ends_nor_prolongs_it(box: FakeAgent) -> None:
    await box.take(configured(1, "left"))
    await box.take(configured(2, "left", "right"))
    box.board.update_camera(CAMERAS["left"].id, state=CameraState.RETRYING)
    await box.wait(TRIAL_S - 1)
    await box.take(configured(3, "left", "right", recordings=(ordered(),)))
    assert box.store.reported().status is ConfigStatus.APPLYING
    await box.wait(1)
    assert box.store.reported().failed_version == 3
    assert len(box.orders.statuses()) == 1


async def test_a_full_disk_does_not_keep_away_the_configuration_that_frees_it(
    box: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await box.take(configured(1, "left"))

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(FILES, "write", no_room)
    await box.take(configured(2, "left", spool=SpoolPolicy(max_bytes=1)))
    assert box.spools[-1] == SpoolPolicy(max_bytes=1)
    assert box.store.reported().version == 2
    await box.take(configured(3, "right"))
    assert set(box.cameras.configs) == {CAMERAS["right"].id}
    await box.wait(GRACE_S)
    assert box.store.reported().version == 3


async def test_a_step_that_fails_keeps_back_no_other_and_is_taken_again(box: FakeAgent) -> None:
    await box.take(configured(1, "left"))
    order = ordered()
    box.broken = {"centre"}
    await box.take(configured(2, "left", "centre", "right", recordings=(order,)))
    assert box.store.reported().status is ConfigStatus.APPLYING
    assert set(box.recordings[order.class_session_id].cameras) == {CAMERAS["left"].id, CAMERAS["right"].id}
    box.broken = set()
    await box.wait(1)
    await box.wait(GRACE_S)
    assert box.store.reported().status is ConfigStatus.APPLIED
    assert box.started == ["left", "right", "centre"]


async def test_a_configuration_that_cannot_be_applied_is_rolled_back_and_a_class_in_it_is_not(
    box: FakeAgent,
) -> None:
    await box.take(configured(1, "left"))
    box.broken = {"centre"}
    await box.take(configured(2, "left", "centre", "right", recordings=(ordered(),)))
    await box.wait(TRIAL_S)
    reported = box.store.reported()
    assert (reported.version, reported.status, reported.failed_version) == (1, ConfigStatus.FAILED, 2)
    assert set(box.cameras.configs) == {CAMERAS["left"].id}
    assert len(box.orders.statuses()) == 1


async def test_a_first_configuration_that_cannot_be_applied_is_tried_for_as_long_as_it_takes(
    box: FakeAgent,
) -> None:
    box.broken = {"left"}
    await box.take(configured(1, "left"))
    await box.wait(2 * TRIAL_S)
    assert box.store.reported().status is ConfigStatus.APPLYING
    box.broken = set()
    await box.wait(1)
    assert box.store.reported().status is ConfigStatus.APPLIED


async def test_a_step_that_failed_is_forgotten_where_a_newer_configuration_wants_it_no_more(
    box: FakeAgent,
) -> None:
    await box.take(configured(1, "left"))
    box.broken = {"centre"}
    await box.take(configured(2, "left", "centre"))
    await box.take(configured(3, "left"))
    assert box.store.reported() == Reported(
        version=3, hash=configured(3, "left").hash, status=ConfigStatus.APPLIED
    )
    assert box.started == ["left"]


async def test_a_refused_configuration_is_reported_and_changes_nothing(box: FakeAgent) -> None:
    await box.take(configured(1, "left"))
    box.desired.refuse(2, "nonsense")
    await box.reported()
    assert (box.store.reported().version, box.store.reported().status) == (1, ConfigStatus.FAILED)
    assert box.ended == []


async def test_a_start_without_any_control_plane_does_what_the_disk_says(tmp_path: Path) -> None:
    order = ordered()
    for expected in (["left"], ["left"]):
        async with asyncio.TaskGroup() as group:
            box = FakeAgent(group, tmp_path / "config")
            if box.store.applied is None:
                await box.take(configured(1, "left", recordings=(order,)))
            await settle()
            assert box.started == expected
            assert list(box.recordings) == [order.class_session_id]
            await box.end()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sets(st.sampled_from(sorted(CAMERAS))), min_size=1, max_size=6))
async def test_after_any_sequence_the_cameras_are_those_of_the_newest(
    tmp_path_factory: pytest.TempPathFactory, steps: list[set[str]]
) -> None:
    async with asyncio.TaskGroup() as group:
        box = FakeAgent(group, tmp_path_factory.mktemp("config"))
        for version, names in enumerate(steps, 1):
            await box.take(configured(version, *sorted(names)))
        assert set(box.cameras.configs) == {CAMERAS[name].id for name in steps[-1]}
        alive = list(box.started)
        for name in box.ended:
            alive.remove(name)
        assert sorted(alive) == sorted(steps[-1])
        await box.end()


async def test_which_classes_run_is_known_without_asking_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool.open(tmp_path, clock=FakeClock())
    order = ordered()
    body = msgspec.structs.replace(EMPTY, recordings=(order,))

    def asked(_: object) -> None:
        raise AssertionError("the index was asked")

    def make(order: RecordingOrder, recipient: RecipientKey, cameras: object) -> Recording:
        return Recording(order, spool=spool, recipient=recipient, board=StatusBoard(), cameras={})

    monkeypatch.setattr(spool, "tally", asked)
    async with asyncio.TaskGroup() as group:
        orders = Recordings(group, make, lambda _: {})
        orders.set_recipient(body.recipient)
        orders.set_order(order)
        assert orders.running() == frozenset()
        await orders.stop_all()
    spool.close()


async def test_a_recording_whose_disk_hangs_holds_up_neither_the_next_order_nor_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recordings, "CLOSE_S", 0.05)
    spool = Spool.open(tmp_path, clock=FakeClock())
    never = asyncio.Event()

    class Hanging(Recording):
        async def run(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await never.wait()

    def make(order: RecordingOrder, recipient: RecipientKey, cameras: object) -> Recording:
        return Hanging(order, spool=spool, recipient=recipient, board=StatusBoard(), cameras={})

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        orders = Recordings(group, make, lambda _: {})
        orders.set_recipient(EMPTY.recipient)
        first, second = ordered(), ordered()
        orders.set_order(first)
        orders.set_order(second)
        await asyncio.sleep(0)
        await orders.drop(first.class_session_id)
        assert [s.class_session_id for s in orders.statuses()] == [second.class_session_id]
        await orders.stop_all()
    assert sum("does not end" in record.message for record in caplog.records) == 2
    spool.close()
