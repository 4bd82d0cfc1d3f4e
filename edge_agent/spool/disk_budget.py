"""How much the spool holds and how much more it may hold: its budget in bytes and hours, and the free disk space."""

import threading
from datetime import datetime, timedelta
from pathlib import Path

from edge_agent.files import Files
from edge_agent.settings import SpoolSettings
from shared.kernel.timebase import TICKS_PER_S
from shared.protocol.config import SpoolPolicy
from shared.protocol.ids import CameraId, SegmentId
from shared.protocol.manifest import SegmentManifest

KNOWN_FOR = timedelta(days=7)
"""A camera that recorded nothing for this long does not count."""
WEIGHT = 0.1
"""Weight of the newest segment in the moving average of a camera: about 10 segments, or a minute."""


class DiskBudget:
    """The byte counts of one spool. Any thread may call any method; `policy` and `settings` are replaced as a whole.

    Args:
        files: what knows how much is free.
        folder: where the segments lie.
        closed_bytes: the size of all closed objects there.
        committed_bytes: of those among them that are committed: they may go.
    """

    def __init__(self, files: Files, folder: Path, closed_bytes: int, committed_bytes: int) -> None:
        self.policy = SpoolPolicy()
        self.settings = SpoolSettings()
        self._files = files
        self._folder = folder
        self._lock = threading.Lock()
        self._closed_bytes = closed_bytes
        self._committed_bytes = committed_bytes
        self._open: dict[SegmentId, int] = {}
        self._write_rate = WriteRate()

    def set_open_size(self, segment_id: SegmentId, size_bytes: int) -> None:
        """Updates the durable size of an open segment."""
        with self._lock:
            self._open[segment_id] = size_bytes

    def add_closed(self, manifest: SegmentManifest) -> None:
        """Moves an open segment to the closed ones."""
        with self._lock:
            self._open.pop(manifest.segment_id, None)
            self._closed_bytes += manifest.size_bytes
        self._write_rate.add_closed(manifest)

    def set_totals(self, closed_bytes: int, committed_bytes: int) -> None:
        """Replaces the totals by those that the index has summed up."""
        with self._lock:
            self._closed_bytes = closed_bytes
            self._committed_bytes = committed_bytes

    def used_bytes(self) -> int:
        """Returns the size of all objects here, those being written included."""
        with self._lock:
            return self._closed_bytes + sum(self._open.values())

    def available_bytes(self, now_at: datetime) -> int:
        """Returns how much more may be written: by the spool's limits, and by what must stay free on the disk."""
        by_disk = self._files.free_bytes(self._folder) - self.policy.keep_free_bytes
        # The smaller of both budgets, in bytes and in hours at the current write rate, and of the free disk space.
        budget = self.policy.max_bytes
        if self.settings.max_hours and (pace := self._write_rate.bytes_per_s(now_at)):
            budget = min(budget, int(self.settings.max_hours * 3600 * pace))
        return max(0, min(by_disk, budget - self.used_bytes()))

    def backlog_ratio(self, now_at: datetime) -> float:
        """Returns the share of the space that holds segments without a receipt, 0 to 1."""
        used = self.used_bytes()
        waiting = max(0, used - self._committed_bytes)
        return waiting / (used + self.available_bytes(now_at)) if waiting else 0.0

    def hours_left(self, now_at: datetime) -> float | None:
        """Returns the estimated recording time left, or None without recent writes."""
        pace = self._write_rate.bytes_per_s(now_at)
        return self.available_bytes(now_at) / pace / 3600 if pace else None


class WriteRate:
    """The bytes per second of each camera while it records. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cameras: dict[CameraId, tuple[float, datetime]] = {}

    def add_closed(self, manifest: SegmentManifest) -> None:
        """Adds a closed segment to the average of its camera."""
        seconds = sum(fragment.duration_90k for fragment in manifest.fragments) / TICKS_PER_S
        newest = manifest.size_bytes / seconds
        with self._lock:
            before, _ = self._cameras.get(manifest.camera_id, (newest, None))
            after = before + WEIGHT * (newest - before)
            self._cameras[manifest.camera_id] = (after, manifest.closed_at)

    def bytes_per_s(self, now_at: datetime) -> float:
        """Returns the sum over all cameras with recent recordings; 0 if there are none."""
        with self._lock:
            return sum(pace for pace, at in self._cameras.values() if now_at - at < KNOWN_FOR)
