"""How much the spool holds and how much more it may: by its budget in bytes and hours, and by the disk."""

import threading
from datetime import datetime
from pathlib import Path

from edge_agent.files import Files
from edge_agent.settings import SpoolSettings
from edge_agent.spool.pace import Pace
from shared.protocol.config import SpoolPolicy
from shared.protocol.ids import SegmentId
from shared.protocol.manifest import SegmentManifest


class Room:
    """The account of bytes of one spool. Any thread may call any method; `policy` and `rules` are replaced as a whole.

    Args:
        files: what knows how much is free.
        folder: where the segments lie.
        closed_bytes: the size of all closed objects there.
        committed_bytes: of those among them that are committed: they may go.
    """

    def __init__(self, files: Files, folder: Path, closed_bytes: int, committed_bytes: int) -> None:
        self.policy = SpoolPolicy()
        self.rules = SpoolSettings()
        self._files = files
        self._folder = folder
        self._guard = threading.Lock()
        self._closed_bytes = closed_bytes
        self._committed_bytes = committed_bytes
        self._open: dict[SegmentId, int] = {}
        self._pace = Pace()

    def growing(self, segment_id: SegmentId, size_bytes: int) -> None:
        """An open segment has so many durable bytes."""
        with self._guard:
            self._open[segment_id] = size_bytes

    def closed(self, manifest: SegmentManifest) -> None:
        """An open segment is complete."""
        with self._guard:
            self._open.pop(manifest.segment_id, None)
            self._closed_bytes += manifest.size_bytes
        self._pace.closed(manifest)

    def counted(self, closed_bytes: int, committed_bytes: int) -> None:
        """All closed objects were added up anew, and those of them that may go."""
        with self._guard:
            self._closed_bytes = closed_bytes
            self._committed_bytes = committed_bytes

    def used_bytes(self) -> int:
        """Returns the size of all objects here, those being written included."""
        with self._guard:
            return self._closed_bytes + sum(self._open.values())

    def left_bytes(self, now_at: datetime) -> int:
        """Returns how much more may be written: by the spool's limits, and by what must stay free on the disk."""
        by_disk = self._files.free_bytes(self._folder) - self.policy.keep_free_bytes
        budget = self.policy.max_bytes
        if self.rules.max_hours and (pace := self._pace.bytes_per_s(now_at)):
            budget = min(budget, int(self.rules.max_hours * 3600 * pace))
        return max(0, min(by_disk, budget - self.used_bytes()))

    def filled(self, now_at: datetime) -> float:
        """Returns how much of the room holds what must stay until it is uploaded, 0 to 1."""
        used = self.used_bytes()
        waiting = max(0, used - self._committed_bytes)
        return waiting / (used + self.left_bytes(now_at)) if waiting else 0.0

    def left_hours(self, now_at: datetime) -> float | None:
        """Returns for how long there is room at the pace of late, or None where nothing was recorded lately."""
        pace = self._pace.bytes_per_s(now_at)
        return self.left_bytes(now_at) / pace / 3600 if pace else None
