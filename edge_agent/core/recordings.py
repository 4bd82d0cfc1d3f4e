"""The classes to record: one task for each order, from when it is met until the control plane takes it back."""

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
"""How long a recording that ends may take to cut and seal what is open."""

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
        """Returns how far each order is."""
        return tuple(recording.status() for recording in self._recordings.values())

    def running(self) -> frozenset[ClassSessionId]:
        """Returns the classes that are being recorded now. Quick: uploads ask before each segment."""
        return frozenset(
            class_id
            for class_id, recording in self._recordings.items()
            if recording.state is RecordingState.RECORDING
        )

    def rooms(self) -> frozenset[RoomId]:
        """Returns the rooms that are being recorded now."""
        return frozenset(self._orders[class_id].room_id for class_id in self.running())

    def set_recipient(self, recipient: RecipientKey) -> None:
        """Seals content keys from the next segments on to another key."""
        self._recipient = recipient
        for recording in self._recordings.values():
            recording.set_recipient(recipient)

    def cameras_changed(self) -> None:
        """Tells every recording the cameras of its room as they are now."""
        for class_id, recording in self._recordings.items():
            recording.set_cameras(self._cameras_of(self._orders[class_id].room_id))

    def set_order(self, order: RecordingOrder) -> None:
        """Takes a new order, or new times of one that is known."""
        known = self._recordings.get(order.class_session_id)
        self._orders[order.class_session_id] = order
        if known is not None:
            known.set_order(order)
            known.set_cameras(self._cameras_of(order.room_id))
            return
        if self._recipient is None:
            raise RuntimeError("an order before a recipient: reconcile names the recipient first")
        recording = self._make(order, self._recipient, self._cameras_of(order.room_id))
        self._recordings[order.class_session_id] = recording
        name = f"recording-{str(order.class_session_id)[-8:]}"
        self._tasks[order.class_session_id] = self._group.create_task(
            keep_running(name, recording.run), name=name
        )

    async def drop(self, class_id: ClassSessionId) -> None:
        """Ends an order that is not wanted any more; what is recorded of it stays in the spool."""
        self._orders.pop(class_id, None)
        self._recordings.pop(class_id, None)
        task = self._tasks.pop(class_id, None)
        if task is not None:
            await _end([task])

    async def stop_all(self) -> None:
        """Closes the open segments of all classes; a later start goes on with them."""
        if self._tasks:
            await _end(list(self._tasks.values()))


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancels tasks and gives them time to close their files. A disk that hangs must not hold up the next order, nor the
    end of the agent: what is left open is sealed by the next start."""
    for task in tasks:
        task.cancel()
    _, hanging = await asyncio.wait(tasks, timeout=CLOSE_S)
    for task in hanging:
        log.error("a recording does not end: its disk hangs", extra={"task": task.get_name()})
        task.cancel()  # the wait for its threads; they are left behind
