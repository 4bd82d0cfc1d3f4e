"""An agent without pictures, sockets or time of its own: what configurations do to it is remembered, not done."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from edge_agent.capture.camera import Camera
from edge_agent.capture.status_board import StatusBoard
from edge_agent.control.config_store import ConfigStore
from edge_agent.core.cameras import Cameras
from edge_agent.core.config_applier import ConfigApplier
from edge_agent.core.recordings import Recordings
from edge_agent.files import FILES, Files
from edge_agent.recording.recording import Recording
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
from shared.protocol.status import CameraState, RecordingState, RecordingStatus
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

    def __init__(self, config: CameraConfig, agent: "FakeAgent") -> None:
        self.config, self._agent = config, agent

    async def run(self) -> None:
        self._agent.started.append(self.config.name)
        self._agent.board.update_camera(self.config.id, state=CameraState.CONNECTED)
        try:
            await asyncio.Event().wait()
        finally:
            self._agent.ended.append(self.config.name)
            self._agent.board.remove_camera(self.config.id)


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


class FakeAgent:
    """The agent of this module. `started` and `ended` name the cameras whose connection was made and ended, in order."""

    def __init__(self, group: asyncio.TaskGroup, folder: Path, *, files: Files = FILES) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []
        self.uploads: list[UploadPolicy] = []
        self.spools: list[SpoolPolicy] = []
        self._told = asyncio.Event()
        self.begun = asyncio.Event()
        """Set once it does what the disk said."""
        self.recordings: dict[ClassSessionId, FakeRecording] = {}
        self.broken: set[str] = set()
        """Names of cameras that cannot be started."""
        self.clock = FakeClock()
        self.board = StatusBoard()
        self.store = ConfigStore(folder, AGENT, files=files)
        self.store.load()
        self.cameras = Cameras(group, self._camera)
        self.orders = Recordings(group, self._recording, self.cameras.in_room)
        self.desired = ConfigApplier(
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
        # Earlier reports do not answer the next configuration.
        self._told.clear()
        self.begun.set()
        await self.desired.run()

    def _camera(self, config: CameraConfig) -> Camera:
        if config.name in self.broken:
            raise RuntimeError(f"{config.name} cannot be started")
        return cast(Camera, FakeCamera(config, self))

    def _recording(
        self, order: RecordingOrder, recipient: RecipientKey, cameras: Mapping[CameraId, Camera]
    ) -> Recording:
        recording = self.recordings[order.class_session_id] = FakeRecording(order, cameras)
        return cast(Recording, recording)

    def _reported(self) -> None:
        self._told.set()

    async def take(self, config: AgentConfig) -> None:
        """Has the agent take a configuration, and returns once it has acted on it."""
        self.desired.submit(config)
        await self.reported()

    async def reported(self) -> None:
        """Returns once the agent has reported."""
        async with asyncio.timeout(10):
            await self._told.wait()
        self._told.clear()
        await settle()

    async def wait(self, seconds: float) -> None:
        """Lets time pass and has the agent look at what it is trying."""
        self.clock.advance(seconds)
        await self.desired.evaluate()
        self._told.clear()
        await settle()

    async def end(self) -> None:
        self.task.cancel()
        await self.orders.stop_all()
        await self.cameras.stop_all()


def configured(version: int, *names: str, **changes: Any) -> AgentConfig:
    """Returns the document of `version` with the cameras of these names."""
    body = msgspec.structs.replace(EMPTY, cameras=tuple(CAMERAS[name] for name in names), **changes)
    return config_document(AGENT, version, body)


def ordered() -> RecordingOrder:
    """Returns an order to record, from now."""
    return RecordingOrder(class_session_id=ClassSessionId(new_id()), room_id=ROOM, start_at=FakeClock().now())
