"""The recording tasks: one for each order, from its arrival until the control plane withdraws it."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from edge_agent.capture.camera import Camera
from edge_agent.core.supervision import keep_running
from edge_agent.recording.recording import Recording
from shared.protocol.config import RecipientKey, RecordingOrder
from shared.protocol.ids import CameraId, ClassSessionId, RoomId
from shared.protocol.status import RecordingState, RecordingStatus

log = logging.getLogger(__name__)

CLOSE_S = 20.0
"""How long a stopping recording may take to close its open segments."""

MakeRecording = Callable[[RecordingOrder, RecipientKey, Mapping[CameraId, Camera]], Recording]
CamerasOf = Callable[[RoomId], Mapping[CameraId, Camera]]


class Recordings:
    """Owns the tasks of all orders, inside a group of `core`. Used from the event loop."""

    def __init__(self, group: asyncio.TaskGroup, make: MakeRecording, cameras_of: CamerasOf) -> None:
        self._group = group
        self._make = make
        self._cameras_of = cameras_of
        self._recipient: RecipientKey | None = None
        self._orders: dict[ClassSessionId, RecordingOrder] = {}
        self._recordings: dict[ClassSessionId, Recording] = {}
        self._tasks: dict[ClassSessionId, asyncio.Task[None]] = {}

    def statuses(self) -> tuple[RecordingStatus, ...]:
        """Returns the status of each order."""
        return tuple(recording.status() for recording in self._recordings.values())

    def running(self) -> frozenset[ClassSessionId]:
        """Returns the classes being recorded now. Must be quick: uploads call it before each segment."""
        return frozenset(
            class_id
            for class_id, recording in self._recordings.items()
            if recording.state is RecordingState.RECORDING
        )

    def rooms(self) -> frozenset[RoomId]:
        """Returns the rooms that are being recorded now."""
        return frozenset(self._orders[class_id].room_id for class_id in self.running())

    def set_recipient(self, recipient: RecipientKey) -> None:
        """Seals content keys to another key, from the next segments on."""
        self._recipient = recipient
        for recording in self._recordings.values():
            recording.set_recipient(recipient)

    def cameras_changed(self) -> None:
        """Hands every recording the current cameras of its room."""
        for class_id, recording in self._recordings.items():
            recording.set_cameras(self._cameras_of(self._orders[class_id].room_id))

    def set_order(self, order: RecordingOrder) -> None:
        """Adds an order, or changes the times of a known one."""
        known = self._recordings.get(order.class_session_id)
        self._orders[order.class_session_id] = order
        if known is not None:
            known.set_order(order)
            known.set_cameras(self._cameras_of(order.room_id))
            return
        if self._recipient is None:
            raise RuntimeError("an order before a recipient: `reconcile` sets the recipient first")
        recording = self._make(order, self._recipient, self._cameras_of(order.room_id))
        self._recordings[order.class_session_id] = recording
        name = f"recording-{str(order.class_session_id)[-8:]}"
        self._tasks[order.class_session_id] = self._group.create_task(
            keep_running(name, recording.run), name=name
        )

    async def drop(self, class_id: ClassSessionId) -> None:
        """Ends a withdrawn order; its segments stay in the spool."""
        self._orders.pop(class_id, None)
        self._recordings.pop(class_id, None)
        task = self._tasks.pop(class_id, None)
        if task is not None:
            await _end([task])

    async def stop_all(self) -> None:
        """Closes the open segments of all classes; the next start resumes the classes."""
        if self._tasks:
            await _end(list(self._tasks.values()))


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancels tasks and waits up to `CLOSE_S` for them to close their files.

    A hanging disk must delay neither the next order nor the end of the agent; recovery closes what stays open.
    """
    for task in tasks:
        task.cancel()
    _, hanging = await asyncio.wait(tasks, timeout=CLOSE_S)
    for task in hanging:
        log.error("a recording does not end: its disk hangs", extra={"task": task.get_name()})
        task.cancel()  # a second time: ends its wait for its threads, which are abandoned
