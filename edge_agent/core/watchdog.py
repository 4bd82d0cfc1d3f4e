"""Finds cameras that deliver pictures while none of their segments close: pure.

Watching frames is not enough: a recorder can fail silently while its camera works.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from shared.protocol.ids import CameraId
from shared.protocol.status import CameraState, CameraStatus

SILENCE = timedelta(seconds=60)
"""Ten segments long, because cameras with long GOPs close theirs late."""


class Watchdog:
    """Tracks since when each camera should have produced segments. Used by one task."""

    def __init__(self) -> None:
        self._since_at: dict[CameraId, datetime] = {}

    def stalled(
        self, now_at: datetime, recorded: Iterable[CameraId], cameras: Mapping[CameraId, CameraStatus]
    ) -> tuple[CameraId, ...]:
        """Returns the cameras of running recordings that are connected and have closed no segment for `SILENCE`.

        A camera is reported again only after another `SILENCE`, so that a restart can take effect.
        """
        watched = {i for i in recorded if i in cameras and cameras[i].state is CameraState.CONNECTED}
        self._since_at = {i: self._since_at.get(i, now_at) for i in watched}
        stalled = []
        for camera_id in sorted(watched):
            last_at = cameras[camera_id].last_segment_at
            since_at = max(self._since_at[camera_id], last_at) if last_at else self._since_at[camera_id]
            if now_at - since_at >= SILENCE:
                self._since_at[camera_id] = now_at
                stalled.append(camera_id)
        return tuple(stalled)
