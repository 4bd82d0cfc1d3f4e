"""The status board: cameras and recordings write their status, reports read it."""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from shared.protocol.ids import CameraId
from shared.protocol.status import CameraState, CameraStatus


class StatusBoard:
    """The newest `CameraStatus` of each camera.

    Any thread may write and read. A write is one `structs.replace` under a lock. Afterwards the listeners, which trigger a
    heartbeat, are called in the writer's thread, but only if state, error or format changed, not counters. A listener must
    not block (`loop.call_soon_threadsafe(event.set)`).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cameras: dict[CameraId, CameraStatus] = {}
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, listener: Callable[[], None]) -> None:
        """Calls `listener` after each change of state."""
        with self._lock:
            self._listeners.append(listener)

    def cameras(self) -> tuple[CameraStatus, ...]:
        """Returns all cameras as they are now, in the order they were added."""
        with self._lock:
            return tuple(self._cameras.values())

    def camera(self, camera_id: CameraId) -> CameraStatus:
        """Returns one camera; an unknown one is connecting."""
        with self._lock:
            return self._cameras.get(camera_id) or _fresh(camera_id)

    def update_camera(self, camera_id: CameraId, **changes: Any) -> None:
        """Replaces fields of one camera's status."""
        with self._lock:
            before = self._cameras.get(camera_id)
            after = msgspec.structs.replace(before or _fresh(camera_id), **changes)
            self._cameras[camera_id] = after
            listeners = tuple(self._listeners) if before is None or _differ(before, after) else ()
        for listener in listeners:
            listener()

    def count_dropped(self, camera_id: CameraId, packets: int) -> None:
        """Counts packets that a camera's subscribers lost. A camera that is gone stays gone."""
        with self._lock:
            if (before := self._cameras.get(camera_id)) is not None:
                total = before.packets_dropped + packets
                self._cameras[camera_id] = msgspec.structs.replace(before, packets_dropped=total)

    def count_segment(self, camera_id: CameraId, closed_at: datetime) -> None:
        """Counts a closed segment of a camera. A camera that is gone stays gone."""
        with self._lock:
            if (before := self._cameras.get(camera_id)) is not None:
                self._cameras[camera_id] = msgspec.structs.replace(
                    before, segments_closed=before.segments_closed + 1, last_segment_at=closed_at
                )

    def notify(self) -> None:
        """Notifies the listeners of a change elsewhere, such as in a recording."""
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def remove_camera(self, camera_id: CameraId) -> None:
        """Forgets a camera that is no longer configured."""
        with self._lock:
            known = self._cameras.pop(camera_id, None)
            listeners = tuple(self._listeners) if known else ()
        for listener in listeners:
            listener()


def _fresh(camera_id: CameraId) -> CameraStatus:
    return CameraStatus(camera_id=camera_id, state=CameraState.CONNECTING)


def _differ(a: CameraStatus, b: CameraStatus) -> bool:
    return (a.state, a.error, a.video, a.audio) != (b.state, b.error, b.video, b.audio)
