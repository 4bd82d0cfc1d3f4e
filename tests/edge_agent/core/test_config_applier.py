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
async def agent(tmp_path: Path) -> AsyncIterator[FakeAgent]:
    async with asyncio.TaskGroup() as group:
        running = FakeAgent(group, tmp_path / "config")
        yield running
        await running.end()


async def test_the_first_configuration_is_in_force_at_once(agent: FakeAgent) -> None:
    await agent.take(configured(1, "left", "right"))
    assert agent.started == ["left", "right"]
    assert agent.store.reported().status is ConfigStatus.APPLIED


async def test_a_new_retention_restarts_no_camera(agent: FakeAgent) -> None:
    await agent.take(configured(1, "left", "right"))
    await agent.take(configured(2, "left", "right", spool=SpoolPolicy(keep_committed_s=5)))
    assert agent.spools[-1] == SpoolPolicy(keep_committed_s=5)
    assert agent.started == ["left", "right"]
    assert agent.ended == []


async def test_a_press_of_record_waits_for_no_probation(agent: FakeAgent) -> None:
    await agent.take(configured(1, "left", "right"))
    order = ordered()
    await agent.take(configured(2, "left", "right", recordings=(order,)))
    assert agent.store.reported().status is ConfigStatus.APPLIED
    assert set(agent.recordings[order.class_session_id].cameras) == {CAMERAS["left"].id, CAMERAS["right"].id}


async def test_only_what_changed_is_touched(agent: FakeAgent) -> None:
    await agent.take(configured(1, "left", "right"))
    changed = msgspec.structs.replace(CAMERAS["right"], source=FileSource(name="other.mp4"))
    body = msgspec.structs.replace(EMPTY, cameras=(CAMERAS["left"], changed, CAMERAS["centre"]))
    await agent.take(config_document(AGENT, 2, body))
    assert agent.started == ["left", "right", "right", "centre"]
    assert agent.ended == ["right"]


async def test_a_running_recording_gets_the_cameras_as_they_come_and_go(agent: FakeAgent) -> None:
    order = ordered()
    await agent.take(configured(1, "left", recordings=(order,)))
    await agent.take(configured(2, "left", "right", recordings=(order,)))
    recording = agent.recordings[order.class_session_id]
    assert set(recording.cameras) == {CAMERAS["left"].id, CAMERAS["right"].id}
    await agent.take(configured(3, "right", recordings=(order,)))
    assert set(recording.cameras) == {CAMERAS["right"].id}


async def test_a_camera_that_moves_to_another_room_leaves_the_recording(agent: FakeAgent) -> None:
    order = ordered()
    await agent.take(configured(1, "left", "right", recordings=(order,)))
    moved = msgspec.structs.replace(CAMERAS["right"], room_id=RoomId(new_id()))
    body = msgspec.structs.replace(EMPTY, cameras=(CAMERAS["left"], moved), recordings=(order,))
    await agent.take(config_document(AGENT, 2, body))
    assert set(agent.recordings[order.class_session_id].cameras) == {CAMERAS["left"].id}
    assert agent.ended == []


async def test_a_stop_and_a_withdrawal_reach_the_recording(agent: FakeAgent) -> None:
    order = ordered()
    await agent.take(configured(1, "left", recordings=(order,)))
    stopped = msgspec.structs.replace(order, stop_at=agent.clock.now())
    await agent.take(configured(2, "left", recordings=(stopped,)))
    assert agent.recordings[order.class_session_id].order == stopped
    await agent.take(configured(3, "left"))
    assert agent.orders.statuses() == ()


async def test_a_candidate_that_changes_a_camera_is_applied_at_once_and_proven_later(
    agent: FakeAgent,
) -> None:
    await agent.take(configured(1, "left"))
    await agent.take(configured(2, "left", "right"))
    assert agent.started == ["left", "right"]
    assert agent.store.reported().status is ConfigStatus.APPLYING
    await agent.wait(GRACE_S)
    assert agent.store.reported().status is ConfigStatus.APPLIED
    assert agent.store.applied == configured(2, "left", "right")


async def test_a_candidate_that_silences_the_cameras_it_left_alone_is_rolled_back(agent: FakeAgent) -> None:
    await agent.take(configured(1, "left"))
    await agent.take(configured(2, "left", "right"))
    agent.board.update_camera(CAMERAS["left"].id, state=CameraState.RETRYING)
    await agent.wait(TRIAL_S - 1)
    assert agent.store.reported().status is ConfigStatus.APPLYING
    await agent.wait(1)
    reported = agent.store.reported()
    assert (reported.version, reported.status, reported.failed_version) == (1, ConfigStatus.FAILED, 2)
    assert agent.ended == ["right"]
    assert set(agent.cameras.configs) == {CAMERAS["left"].id}


async def test_a_roll_back_stops_no_class_and_revives_none(agent: FakeAgent) -> None:
    going, stopped = ordered(), ordered()
    await agent.take(configured(1, "left", recordings=(stopped,)))
    ended = msgspec.structs.replace(stopped, stop_at=agent.clock.now())
    await agent.take(configured(2, "left", "right", recordings=(ended, going)))
    agent.board.update_camera(CAMERAS["left"].id, state=CameraState.RETRYING)
    await agent.wait(TRIAL_S)
    assert agent.store.reported().status is ConfigStatus.FAILED
    orders = {i: recording.order for i, recording in agent.recordings.items()}
    assert orders == {going.class_session_id: going, stopped.class_session_id: ended}


async def test_an_order_during_a_probation_neither_ends_nor_prolongs_it(agent: FakeAgent) -> None:
    await agent.take(configured(1, "left"))
    await agent.take(configured(2, "left", "right"))
    agent.board.update_camera(CAMERAS["left"].id, state=CameraState.RETRYING)
    await agent.wait(TRIAL_S - 1)
    await agent.take(configured(3, "left", "right", recordings=(ordered(),)))
    assert agent.store.reported().status is ConfigStatus.APPLYING
    await agent.wait(1)
    assert agent.store.reported().failed_version == 3
    assert len(agent.orders.statuses()) == 1


async def test_a_full_disk_does_not_keep_away_the_configuration_that_frees_it(
    agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await agent.take(configured(1, "left"))

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(FILES, "write", no_room)
    await agent.take(configured(2, "left", spool=SpoolPolicy(max_bytes=1)))
    assert agent.spools[-1] == SpoolPolicy(max_bytes=1)
    assert agent.store.reported().version == 2
    await agent.take(configured(3, "right"))
    assert set(agent.cameras.configs) == {CAMERAS["right"].id}
    await agent.wait(GRACE_S)
    assert agent.store.reported().version == 3


async def test_a_step_that_fails_keeps_back_no_other_and_is_taken_again(agent: FakeAgent) -> None:
    await agent.take(configured(1, "left"))
    order = ordered()
    agent.broken = {"centre"}
    await agent.take(configured(2, "left", "centre", "right", recordings=(order,)))
    assert agent.store.reported().status is ConfigStatus.APPLYING
    assert set(agent.recordings[order.class_session_id].cameras) == {CAMERAS["left"].id, CAMERAS["right"].id}
    agent.broken = set()
    await agent.wait(1)
    await agent.wait(GRACE_S)
    assert agent.store.reported().status is ConfigStatus.APPLIED
    assert agent.started == ["left", "right", "centre"]


async def test_a_configuration_that_cannot_be_applied_is_rolled_back_and_a_class_in_it_is_not(
    agent: FakeAgent,
) -> None:
    await agent.take(configured(1, "left"))
    agent.broken = {"centre"}
    await agent.take(configured(2, "left", "centre", "right", recordings=(ordered(),)))
    await agent.wait(TRIAL_S)
    reported = agent.store.reported()
    assert (reported.version, reported.status, reported.failed_version) == (1, ConfigStatus.FAILED, 2)
    assert set(agent.cameras.configs) == {CAMERAS["left"].id}
    assert len(agent.orders.statuses()) == 1


async def test_a_first_configuration_that_cannot_be_applied_is_tried_for_as_long_as_it_takes(
    agent: FakeAgent,
) -> None:
    agent.broken = {"left"}
    await agent.take(configured(1, "left"))
    await agent.wait(2 * TRIAL_S)
    assert agent.store.reported().status is ConfigStatus.APPLYING
    agent.broken = set()
    await agent.wait(1)
    assert agent.store.reported().status is ConfigStatus.APPLIED


async def test_a_step_that_failed_is_forgotten_where_a_newer_configuration_wants_it_no_more(
    agent: FakeAgent,
) -> None:
    await agent.take(configured(1, "left"))
    agent.broken = {"centre"}
    await agent.take(configured(2, "left", "centre"))
    await agent.take(configured(3, "left"))
    assert agent.store.reported() == Reported(
        version=3, hash=configured(3, "left").hash, status=ConfigStatus.APPLIED
    )
    assert agent.started == ["left"]


async def test_a_refused_configuration_is_reported_and_changes_nothing(agent: FakeAgent) -> None:
    await agent.take(configured(1, "left"))
    agent.desired.refuse(2, "nonsense")
    await agent.reported()
    assert (agent.store.reported().version, agent.store.reported().status) == (1, ConfigStatus.FAILED)
    assert agent.ended == []


async def test_a_start_without_any_control_plane_does_what_the_disk_says(tmp_path: Path) -> None:
    order = ordered()
    for expected in (["left"], ["left"]):
        async with asyncio.TaskGroup() as group:
            agent = FakeAgent(group, tmp_path / "config")
            if agent.store.applied is None:
                await agent.take(configured(1, "left", recordings=(order,)))
            await settle()
            assert agent.started == expected
            assert list(agent.recordings) == [order.class_session_id]
            await agent.end()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sets(st.sampled_from(sorted(CAMERAS))), min_size=1, max_size=6))
async def test_after_any_sequence_the_cameras_are_those_of_the_newest(
    tmp_path_factory: pytest.TempPathFactory, steps: list[set[str]]
) -> None:
    async with asyncio.TaskGroup() as group:
        agent = FakeAgent(group, tmp_path_factory.mktemp("config"))
        for version, names in enumerate(steps, 1):
            await agent.take(configured(version, *sorted(names)))
        assert set(agent.cameras.configs) == {CAMERAS[name].id for name in steps[-1]}
        alive = list(agent.started)
        for name in agent.ended:
            alive.remove(name)
        assert sorted(alive) == sorted(steps[-1])
        await agent.end()


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
