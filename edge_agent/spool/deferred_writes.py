"""What is to be noted on the disk, kept in memory where the disk refuses, and written as soon as it does not."""

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
    """One thing to write; it is done twice without harm."""

    class_session_id: ClassSessionId
    write: Callable[[], None]
    gap: GapRecord | None = None


class DeferredWrites:
    """Closed segments, gaps and accounts on their way to the disk. Any thread may call any method.

    However long a disk is full, little waits here: of an account the newest, and of gaps that follow each other for one
    reason one. Closed segments are as many as had room for their bytes.
    """

    def __init__(self, counts: BacklogStats) -> None:
        self._stats = counts
        self._list_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._pending: dict[Hashable, DeferredWrite] = {}
        self._failures = FailureLog(log, "the disk refuses a note")

    def count_of(self, class_session_id: ClassSessionId) -> int:
        """Returns how many notes of a class are not on the disk."""
        with self._list_lock:
            return sum(note.class_session_id == class_session_id for note in self._pending.values())

    def add(self, key: Hashable, note: DeferredWrite) -> None:
        """Writes a note, or keeps it until the disk takes it; one of the same key that still waits is replaced."""
        with self._write_lock:
            with self._list_lock:
                self._pending[key] = note
            self._write()

    def add_gap(self, gap: GapRecord, write: Callable[[GapRecord], None]) -> None:
        """Writes a gap, or keeps it until the disk takes it, as one with the gap before it where that waits, too."""
        with self._write_lock:
            with self._list_lock:
                before = next((n.gap for n in self._pending.values() if _goes_on(n.gap, gap)), None)
                if before is not None:
                    gap = msgspec.structs.replace(before, to_at=gap.to_at)
                self._pending[gap.gap_id] = DeferredWrite(gap.class_session_id, lambda: write(gap), gap)
            self._write()

    def retry(self) -> None:
        """Tries all that waits, in order. What the disk refuses keeps its place; one bad spot on the disk holds up
        nothing behind it."""
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
                # It will never be taken.
                log.error("the index refuses a row", extra={"reason": str(error)})
            except (OSError, sqlite3.Error) as error:
                self._failures.failed(reason=str(error), waiting=len(waiting))
                continue
            done.append(key)
        # Counted before it is taken off the list: what is on neither would seem to be home.
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
