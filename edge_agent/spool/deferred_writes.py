"""Small writes that are kept in memory while the disk refuses them, and retried in order."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import msgspec

from edge_agent.spool.backlog_stats import BacklogStats
from shared.kernel.logs import FailureLog
from shared.protocol.ids import ClassSessionId
from shared.protocol.manifest import GapRecord

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeferredWrite:
    """One idempotent write."""

    class_session_id: ClassSessionId
    write: Callable[[], None]
    gap: GapRecord | None = None


class DeferredWrites:
    """Closed segments, gaps and track progress on their way to the disk. Any thread may call any method.

    The list stays short however long a disk is full: it keeps only the newest progress of a track, and merges adjacent gaps
    with the same reason. Closed segments are bounded by the disk, which has their bytes already.
    """

    def __init__(self, counts: BacklogStats) -> None:
        self._stats = counts
        self._list_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._pending: dict[Hashable, DeferredWrite] = {}
        self._failures = FailureLog(log, "the disk refuses a write of the spool's records")

    def count_of(self, class_session_id: ClassSessionId) -> int:
        """Returns how many writes of a class are deferred."""
        with self._list_lock:
            return sum(note.class_session_id == class_session_id for note in self._pending.values())

    def add(self, key: Hashable, note: DeferredWrite) -> None:
        """Writes now, or defers until the disk accepts it. A deferred write with the same key is replaced."""
        with self._write_lock:
            with self._list_lock:
                self._pending[key] = note
            self._write()

    def add_gap(self, gap: GapRecord, write: Callable[[GapRecord], None]) -> None:
        """Writes a gap now or defers it, merged with a deferred gap that ends where it starts."""
        with self._write_lock:
            with self._list_lock:
                before = next((n.gap for n in self._pending.values() if _goes_on(n.gap, gap)), None)
                if before is not None:
                    gap = msgspec.structs.replace(before, to_at=gap.to_at)
                self._pending[gap.gap_id] = DeferredWrite(gap.class_session_id, lambda: write(gap), gap)
            self._write()

    def retry(self) -> None:
        """Retries all deferred writes in order. A write that fails keeps its place and does not block those behind it."""
        with self._write_lock:
            self._write()

    def _write(self) -> None:
        with self._list_lock:
            waiting = dict(self._pending)
        done = []
        for key, note in waiting.items():
            try:
                note.write()
            except sqlite3.IntegrityError as error:
                # Retrying cannot help: the row conflicts with another one.
                log.error("the index refuses a row", extra={"reason": str(error)})
            except (OSError, sqlite3.Error) as error:
                self._failures.failed(reason=str(error), waiting=len(waiting))
                continue
            done.append(key)
        # Refreshed before the entries leave the list: a segment counted in neither place would look uploaded.
        if done:
            self._stats.refresh()
        with self._list_lock:
            for key in done:
                del self._pending[key]
            if not self._pending:
                self._failures.recovered()


def _goes_on(before: GapRecord | None, gap: GapRecord) -> bool:
    return (
        before is not None
        and before.to_at == gap.from_at
        and (before.class_session_id, before.camera_id, before.reason, before.detail)
        == (gap.class_session_id, gap.camera_id, gap.reason, gap.detail)
    )
