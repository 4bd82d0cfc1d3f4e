"""How fast recordings fill the disk, by what was recorded lately: for "hours left" and for a budget in hours."""

import threading
from datetime import datetime, timedelta

from shared.kernel.timebase import TICKS_PER_S
from shared.protocol.ids import CameraId
from shared.protocol.manifest import SegmentManifest

KNOWN_FOR = timedelta(days=7)
"""A camera that recorded nothing for so long is not counted on."""
WEIGHT = 0.1
"""Of the newest segment, in the average of a camera: some 10 segments, a minute."""


class Pace:
    """The bytes per second of each camera while it records. Any thread may call any method."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._cameras: dict[CameraId, tuple[float, datetime]] = {}

    def closed(self, manifest: SegmentManifest) -> None:
        """Takes a closed segment into account."""
        seconds = sum(fragment.duration_90k for fragment in manifest.fragments) / TICKS_PER_S
        newest = manifest.size_bytes / seconds
        with self._guard:
            before, _ = self._cameras.get(manifest.camera_id, (newest, None))
            after = before + WEIGHT * (newest - before)
            self._cameras[manifest.camera_id] = (after, manifest.closed_at)

    def bytes_per_s(self, now_at: datetime) -> float:
        """Returns what all cameras that recorded lately make together; 0 where nothing is known yet."""
        with self._guard:
            return sum(pace for pace, at in self._cameras.values() if now_at - at < KNOWN_FOR)
