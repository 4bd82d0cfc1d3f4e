"""Configurations applied, proven and rolled back, with cameras and recordings that only remember what was done."""

import asyncio
import errno
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.capture.camera import Camera
from edge_agent.control.config_store import ConfigStore
from edge_agent.core.cameras import Cameras
from edge_agent.core.desired import DesiredState
from edge_agent.core.probation import GRACE_S, PROBATION_S
from edge_agent.core.recordings import Recordings
from edge_agent.files import FILES
from edge_agent.spool.recording import Recording
from edge_agent.spool.spool import Spool
from edge_agent.status import StatusBoard
from shared.kernel.clock import FakeClock
from shared.protocol.config import (
    AgentBody,
    AgentConfig,
    CameraConfig,
    FileSource,
    Position,
    RecipientKey,
    RecordingOrder,
    SpoolPolicy,
    UploadPolicy,
    config_document,
)
from shared.protocol.ids import AgentId, CameraId, ClassSessionId, RecipientKeyId, RoomId, StudioId, new_id
from shared.protocol.status import CameraState, ConfigStatus, RecordingState, RecordingStatus
from shared.protocol.upload import TrackTally
from tests.rigs.pacer import settle

AGENT, STUDIO, ROOM = AgentId(new_id()), StudioId(new_id()), RoomId(new_id())
RECIPIENT = RecipientKey(id=RecipientKeyId(new_id()), public_key=bytes(32))
CAMERAS = {
    name: CameraConfig(
        id=CameraId(new_id()),
        room_id=ROOM,
        name=name,
        position=position,
        source=FileSource(name=f"{name}.mp4"),
    )
    for name, position in zip(("left", "centre", "right"), Position, strict=True)
}
EMPTY = AgentBody(studio_id=STUDIO, recipient=RECIPIENT)


class FakeCamera:
    """Connects at once and stays so."""

    def __init__(self, config: CameraConfig, box: "Box") -> None:
        self.config, self._box = config, box

    async def run(self) -> None:
        self._box.started.append(self.config.name)
        self._box.board.update_camera(self.config.id, state=CameraState.CONNECTED)
        try:
            await asyncio.Event().wait()
        finally:
            self._box.ended.append(self.config.name)
            self._box.board.remove_camera(self.config.id)


class FakeRecording:
    """Remembers what it was told."""

    def __init__(self, order: RecordingOrder, cameras: Mapping[CameraId, Any]) -> None:
        self.order, self.cameras = order, dict(cameras)

    def set_order(self, order: RecordingOrder) -> None:
        self.order = order

    def set_recipient(self, recipient: RecipientKey) -> None:
        self.recipient = recipient

    def set_cameras(self, cameras: Mapping[CameraId, Any]) -> None:
        self.cameras = dict(cameras)

    async def run(self) -> None:
        await asyncio.Event().wait()

    def status(self) -> RecordingStatus:
        class_id = self.order.class_session_id
        tally = TrackTally(class_session_id=class_id, segments_made=0, segments_pending=0, gaps_pending=0)
        return RecordingStatus(
            class_session_id=class_id,
            state=RecordingState.RECORDING,
            cameras_recording=len(self.cameras),
            first_picture_at=None,
            tally=tally,
        )


class Box:
    """An agent without pictures, sockets or time of its own."""

    def __init__(self, group: asyncio.TaskGroup, folder: Path) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []
        self.uploads: list[UploadPolicy] = []
        self.spools: list[SpoolPolicy] = []
        self._told = asyncio.Event()
        self.recordings: dict[ClassSessionId, FakeRecording] = {}
        self.clock = FakeClock()
        self.board = StatusBoard()
        self.store = ConfigStore(folder, AGENT)
        self.store.load()
        self.cameras = Cameras(group, lambda config: cast(Camera, FakeCamera(config, self)))
        self.orders = Recordings(group, self._recording, self.cameras.in_room)
        self.desired = DesiredState(
            store=self.store,
            cameras=self.cameras,
            recordings=self.orders,
            board=self.board,
            clock=self.clock,
            set_upload=self.uploads.append,
            set_spool=self.spools.append,
            reported=self._reported,
        )
        self.task = group.create_task(self._run())

    async def _run(self) -> None:
        await self.desired.begin()
        await self.desired.run()

    def _recording(
        self, order: RecordingOrder, recipient: RecipientKey, cameras: Mapping[CameraId, Camera]
    ) -> Recording:
        recording = self.recordings[order.class_session_id] = FakeRecording(order, cameras)
        return cast(Recording, recording)

    def _reported(self) -> None:
        self._told.set()

    async def take(self, config: AgentConfig) -> None:
        """Has the box take a configuration, and returns once it has acted on it."""
        self.desired.desire(config)
        await self.reported()

    async def reported(self) -> None:
        """Returns once the box has reported."""
        async with asyncio.timeout(10):
            await self._told.wait()
        self._told.clear()
        await settle()

    async def wait(self, seconds: float) -> None:
        """Lets time pass and has the box look at what it is trying."""
        self.clock.advance(seconds)
        await self.desired.judge()
        self._told.clear()
        await settle()

    async def end(self) -> None:
        self.task.cancel()
        await self.orders.stop_all()
        await self.cameras.stop_all()


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    async with asyncio.TaskGroup() as group:
        running = Box(group, tmp_path / "config")
        yield running
        await running.end()


def _config(version: int, *names: str, **changes: Any) -> AgentConfig:
    body = msgspec.structs.replace(EMPTY, cameras=tuple(CAMERAS[name] for name in names), **changes)
    return config_document(AGENT, version, body)


def _order() -> RecordingOrder:
    return RecordingOrder(class_session_id=ClassSessionId(new_id()), room_id=ROOM, start_at=FakeClock().now())


async def test_the_first_configuration_is_in_force_at_once(box: Box) -> None:
    await box.take(_config(1, "left", "right"))
    assert box.started == ["left", "right"]
    assert box.store.reported().status is ConfigStatus.APPLIED


async def test_a_new_retention_restarts_no_camera(box: Box) -> None:
    await box.take(_config(1, "left", "right"))
    await box.take(_config(2, "left", "right", spool=SpoolPolicy(keep_committed_s=5)))
    assert box.spools[-1] == SpoolPolicy(keep_committed_s=5)
    assert box.started == ["left", "right"]
    assert box.ended == []


async def test_a_press_of_record_waits_for_no_probation(box: Box) -> None:
    await box.take(_config(1, "left", "right"))
    order = _order()
    await box.take(_config(2, "left", "right", recordings=(order,)))
    assert box.store.reported().status is ConfigStatus.APPLIED
    assert set(box.recordings[order.class_session_id].cameras) == {CAMERAS["left"].id, CAMERAS["right"].id}


async def test_only_what_changed_is_touched(box: Box) -> None:
    await box.take(_config(1, "left", "right"))
    changed = msgspec.structs.replace(CAMERAS["right"], source=FileSource(name="other.mp4"))
    body = msgspec.structs.replace(EMPTY, cameras=(CAMERAS["left"], changed, CAMERAS["centre"]))
    await box.take(config_document(AGENT, 2, body))
    assert box.started == ["left", "right", "right", "centre"]
    assert box.ended == ["right"]


async def test_a_running_recording_gets_the_cameras_as_they_come_and_go(box: Box) -> None:
    order = _order()
    await box.take(_config(1, "left", recordings=(order,)))
    await box.take(_config(2, "left", "right", recordings=(order,)))
    recording = box.recordings[order.class_session_id]
    assert set(recording.cameras) == {CAMERAS["left"].id, CAMERAS["right"].id}
    await box.take(_config(3, "right", recordings=(order,)))
    assert set(recording.cameras) == {CAMERAS["right"].id}


async def test_a_camera_that_moves_to_another_room_leaves_the_recording(box: Box) -> None:
    order = _order()
    await box.take(_config(1, "left", "right", recordings=(order,)))
    moved = msgspec.structs.replace(CAMERAS["right"], room_id=RoomId(new_id()))
    body = msgspec.structs.replace(EMPTY, cameras=(CAMERAS["left"], moved), recordings=(order,))
    await box.take(config_document(AGENT, 2, body))
    assert set(box.recordings[order.class_session_id].cameras) == {CAMERAS["left"].id}
    assert box.ended == []


async def test_a_stop_and_a_withdrawal_reach_the_recording(box: Box) -> None:
    order = _order()
    await box.take(_config(1, "left", recordings=(order,)))
    stopped = msgspec.structs.replace(order, stop_at=box.clock.now())
    await box.take(_config(2, "left", recordings=(stopped,)))
    assert box.recordings[order.class_session_id].order == stopped
    await box.take(_config(3, "left"))
    assert box.orders.statuses() == ()


async def test_a_candidate_that_changes_a_camera_is_applied_at_once_and_proven_later(box: Box) -> None:
    await box.take(_config(1, "left"))
    await box.take(_config(2, "left", "right"))
    assert box.started == ["left", "right"]
    assert box.store.reported().status is ConfigStatus.APPLYING
    await box.wait(GRACE_S)
    assert box.store.reported().status is ConfigStatus.APPLIED
    assert box.store.applied == _config(2, "left", "right")


async def test_a_candidate_that_silences_the_cameras_it_left_alone_is_rolled_back(box: Box) -> None:
    await box.take(_config(1, "left"))
    await box.take(_config(2, "left", "right"))
    box.board.update_camera(CAMERAS["left"].id, state=CameraState.RETRYING)
    await box.wait(PROBATION_S - 1)
    assert box.store.reported().status is ConfigStatus.APPLYING
    await box.wait(1)
    reported = box.store.reported()
    assert (reported.version, reported.status, reported.failed_version) == (1, ConfigStatus.FAILED, 2)
    assert box.ended == ["right"]
    assert set(box.cameras.configs) == {CAMERAS["left"].id}


async def test_a_roll_back_stops_no_class_and_revives_none(box: Box) -> None:
    going, stopped = _order(), _order()
    await box.take(_config(1, "left", recordings=(stopped,)))
    ended = msgspec.structs.replace(stopped, stop_at=box.clock.now())
    await box.take(_config(2, "left", "right", recordings=(ended, going)))
    box.board.update_camera(CAMERAS["left"].id, state=CameraState.RETRYING)
    await box.wait(PROBATION_S)
    assert box.store.reported().status is ConfigStatus.FAILED
    orders = {i: recording.order for i, recording in box.recordings.items()}
    assert orders == {going.class_session_id: going, stopped.class_session_id: ended}


async def test_an_order_during_a_probation_neither_ends_nor_prolongs_it(box: Box) -> None:
    await box.take(_config(1, "left"))
    await box.take(_config(2, "left", "right"))
    box.board.update_camera(CAMERAS["left"].id, state=CameraState.RETRYING)
    await box.wait(PROBATION_S - 1)
    await box.take(_config(3, "left", "right", recordings=(_order(),)))
    assert box.store.reported().status is ConfigStatus.APPLYING
    await box.wait(1)
    assert box.store.reported().failed_version == 3
    assert len(box.orders.statuses()) == 1


async def test_a_full_disk_does_not_keep_away_the_configuration_that_frees_it(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    await box.take(_config(1, "left"))

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(FILES, "write", no_room)
    await box.take(_config(2, "left", spool=SpoolPolicy(max_bytes=1)))
    assert box.spools[-1] == SpoolPolicy(max_bytes=1)
    assert box.store.reported().version == 2
    await box.take(_config(3, "right"))
    assert set(box.cameras.configs) == {CAMERAS["right"].id}
    await box.wait(GRACE_S)
    assert box.store.reported().version == 3


async def test_a_refused_configuration_is_reported_and_changes_nothing(box: Box) -> None:
    await box.take(_config(1, "left"))
    box.desired.refuse(2, "nonsense")
    await box.reported()
    assert (box.store.reported().version, box.store.reported().status) == (1, ConfigStatus.FAILED)
    assert box.ended == []


async def test_a_start_without_any_control_plane_does_what_the_disk_says(tmp_path: Path) -> None:
    order = _order()
    for expected in (["left"], ["left"]):
        async with asyncio.TaskGroup() as group:
            box = Box(group, tmp_path / "config")
            if box.store.applied is None:
                await box.take(_config(1, "left", recordings=(order,)))
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
        box = Box(group, tmp_path_factory.mktemp("config"))
        for version, names in enumerate(steps, 1):
            await box.take(_config(version, *sorted(names)))
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
    order = _order()
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
