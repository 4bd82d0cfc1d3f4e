"""The local buffer: recordings add segments, uploads drain them, and it cleans and repairs itself."""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Self

import msgspec

from edge_agent.checksummed_lines import Damaged, from_line, to_line
from edge_agent.errors import StateUnwritable
from edge_agent.files import FILES, Files
from edge_agent.settings import SpoolSettings
from edge_agent.spool.backlog_stats import BacklogStats
from edge_agent.spool.cleaner import LOW_ROOM_BYTES, clean, oldest, remove
from edge_agent.spool.deferred_writes import DeferredWrite, DeferredWrites
from edge_agent.spool.disk_budget import DiskBudget
from edge_agent.spool.index import Index, IndexedSegment, SegmentState
from edge_agent.spool.layout import CLOSED, Layout, lock_state
from edge_agent.spool.recovery import RecoveryReport, open_index, recover, repair_rest
from edge_agent.spool.track_progress import TrackProgress
from edge_agent.spool.wall_clock import ended_at, started_at
from shared.kernel.clock import Clock
from shared.kernel.logs import FailureLog
from shared.protocol.config import SpoolPolicy
from shared.protocol.errors import Code
from shared.protocol.ids import CameraId, ClassSessionId, GapId, SegmentId
from shared.protocol.manifest import GapReason, GapRecord, SegmentManifest
from shared.protocol.status import QuarantinedSegment, SpoolStatus
from shared.protocol.upload import TrackTally

log = logging.getLogger(__name__)

DROP_BYTES, DROP_LEAST = 64 << 20, 3
"""How much of the oldest footage is dropped at once, in bytes and in segments (a disk may have run out of inodes)."""
MEMORY = timedelta(days=14)
"""How long the index keeps committed segments that were removed, and the progress files of finished classes."""


class Spool:
    """The encrypted segments and gaps of this agent, and their upload state.

    Any thread may call any method; each takes a few milliseconds of disk. Recordings write through
    `segment_writer.SegmentWriter`, uploads call `pending`, `mark_*`, `gaps_pending`, `settle_gaps`; `core` calls `clean`
    twice a minute and `status` for the heartbeat.
    """

    def __init__(
        self,
        layout: Layout,
        index: Index,
        lock: IO[str],
        clock: Clock,
        recovered: RecoveryReport,
        files: Files,
    ) -> None:
        self.layout = layout
        self.index = index
        self.recovered = recovered
        self.files = files
        self._lock_file = lock
        self._clock = clock
        self._budget = DiskBudget(files, layout.spool, *index.stored_bytes())
        self._drop_lock, self._removal_lock = threading.Lock(), threading.Lock()
        self._lock = threading.Lock()
        self._repair_lock = threading.Lock()
        self._sequences: dict[CameraId, int] = dict(recovered.sequences)
        self._clean_failures = FailureLog(log, "a segment cannot be removed from the disk")
        self._stats = BacklogStats(index)
        self._deferred = DeferredWrites(self._stats)
        self._listeners: list[Callable[[], None]] = []
        self._full = False
        self._pruned_at: datetime | None = None

    @classmethod
    def open(cls, state: Path, *, clock: Clock, files: Files = FILES) -> Self:
        """Opens the spool of a state folder and repairs what a crash or a power cut left behind.

        Raises:
            SpoolBusy: another process uses it.
            StateUnwritable: the folder cannot be written.
        """
        layout = Layout(state)
        try:
            layout.make_folders(files)
            lock = lock_state(layout.lock)
            index, rebuilt = open_index(layout, files)
            recovered = recover(layout, index, clock, files, rebuilt=rebuilt)
        except (OSError, sqlite3.OperationalError) as error:
            raise StateUnwritable(str(state), str(error)) from error
        return cls(layout, index, lock, clock, recovered, files)

    def close(self) -> None:
        """Closes the index and releases the lock file."""
        self.index.close()
        self._lock_file.close()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Calls `listener` after each closed segment and each new gap, in the thread that made it; it must not block."""
        with self._lock:
            self._listeners.append(listener)

    # For uploads.

    def pending(
        self,
        limit: int,
        *,
        of: Collection[ClassSessionId] | None = None,
        but_not_of: Collection[ClassSessionId] = (),
        newest_first: bool = False,
    ) -> list[IndexedSegment]:
        """Returns up to `limit` segments that are not uploaded yet, oldest first by default.

        Args:
            limit: how many at most.
            of: only of these classes; None: of all.
            but_not_of: none of these classes.
            newest_first: newest first instead.
        """
        return self.index.pending(limit, of=of, but_not_of=but_not_of, newest_first=newest_first)

    def path(self, manifest: SegmentManifest) -> Path:
        """Returns the file of a closed segment."""
        return self.layout.segment(manifest.camera_id, manifest.sequence, manifest.segment_id, CLOSED)

    def mark_intended(self, segment_ids: Iterable[SegmentId]) -> None:
        """Marks segments whose manifests the control plane has."""
        self.index.mark(segment_ids, SegmentState.INTENDED, self._clock.now())

    def mark_committed(self, segment_ids: Iterable[SegmentId]) -> None:
        """Marks segments with a receipt: the local copies may be removed after their minimum age."""
        self.index.mark(segment_ids, SegmentState.COMMITTED, self._clock.now())
        self._stats.refresh()

    def requeue(self, manifest: SegmentManifest) -> bool:
        """Marks a committed segment pending again and returns whether its file is still here."""
        with self._removal_lock:
            taken = self.path(manifest).exists() and self.index.requeue(manifest.segment_id)
        self._stats.refresh()
        self._notify()
        return taken

    def mark_refused(self, segment_id: SegmentId, code: Code, detail: str = "") -> None:
        """Quarantines a segment that the control plane refused for good: no longer pending, but its file stays."""
        self.index.refuse(segment_id, code, detail)
        self._stats.refresh()

    def mark_damaged(self, manifest: SegmentManifest, detail: str) -> None:
        """Quarantines a segment whose file is damaged, and records its span as a gap."""
        self._quarantine(manifest, Code.SEGMENT_CORRUPT, GapReason.SEGMENT_CORRUPT, detail)

    def _quarantine(self, manifest: SegmentManifest, code: Code, reason: GapReason, detail: str) -> None:
        # The gap has the segment's id, so that repeating this adds no second gap.
        self.add_gap(
            GapRecord(
                gap_id=GapId(manifest.segment_id),
                class_session_id=manifest.class_session_id,
                camera_id=manifest.camera_id,
                from_at=started_at(manifest),
                to_at=ended_at(manifest),
                reason=reason,
                detail=detail[:200],
            )
        )
        self.index.refuse(manifest.segment_id, code, detail)
        self._stats.refresh()

    def retry_refused(self) -> None:
        """Marks refused segments pending again; the cause on the server may be fixed."""
        self.index.retry_refused()
        self._stats.refresh()

    def quarantined(self, limit: int) -> tuple[int, list[QuarantinedSegment]]:
        """Returns how many segments are quarantined, and up to `limit` of them, newest first."""
        return self.index.quarantined(limit)

    def gaps_pending(self, limit: int) -> list[GapRecord]:
        """Returns up to `limit` gaps that the control plane has not settled, oldest first."""
        return self.index.gaps_pending(limit)

    def settle_gaps(self, gap_ids: Iterable[GapId]) -> None:
        """Marks gaps as settled: they are not reported again."""
        ids = list(gap_ids)
        self.index.settle_gaps(ids)
        for gap_id in ids:
            with contextlib.suppress(FileNotFoundError):
                self.files.remove(self.layout.gap(gap_id))
        self.files.sync_folder(self.layout.gaps)
        self._stats.refresh()

    # For reports.

    def track_class(self, class_session_id: ClassSessionId) -> None:
        """Includes a class in the statistics, so that `tally` knows it."""
        self._stats.track(class_session_id, self._clock.now())

    def tally(self, class_session_id: ClassSessionId) -> TrackTally:
        """Returns how many segments of a class were made and are still to be sent, without touching the disk.

        While the index cannot be read it reports at least one segment pending.
        """
        # Deferred writes first: one that is written meanwhile is then counted twice rather than not at all. What could
        # not be repaired yet may belong to any class.
        waiting = self._deferred.count_of(class_session_id) + bool(self.recovered.unfinished)
        tally = self._stats.tally(class_session_id, self._clock.now())
        return (
            msgspec.structs.replace(tally, segments_pending=tally.segments_pending + waiting)
            if waiting
            else tally
        )

    def status(self) -> SpoolStatus:
        """Returns how full the buffer is and how far its upload is behind, from the last readable statistics."""
        count, oldest_at = self._stats.backlog
        now_at = self._clock.now()
        behind_s = max(0.0, (now_at - oldest_at).total_seconds()) if oldest_at else 0.0
        return SpoolStatus(
            bytes_used=self.bytes_used(),
            bytes_free=self.available_bytes(),
            segments_pending=count,
            behind_s=behind_s,
            full=self._full,
            hours_left=self._budget.hours_left(now_at),
        )

    # Disk space.

    def set_policy(self, policy: SpoolPolicy) -> None:
        """Sets the control plane's limits, from the next fragment on."""
        self._budget.policy = policy

    def set_settings(self, rules: SpoolSettings) -> None:
        """Sets the agent's own rules, from the next fragment on."""
        self._budget.settings = rules

    def bytes_used(self) -> int:
        """Returns the size of all objects here, those being written included."""
        return self._budget.used_bytes()

    def available_bytes(self) -> int:
        """Returns how much more may be written: by the spool's limits, and by what must stay free on the disk."""
        return self._budget.available_bytes(self._clock.now())

    def backlog_ratio(self) -> float:
        """Returns the share of the space that holds segments without a receipt, 0 to 1, as of the last `clean`."""
        return self._budget.backlog_ratio(self._clock.now())

    def clean(self) -> int:
        """Removes committed copies past their minimum age, and younger ones if space is short; then retries deferred work.

        Returns the bytes freed. Never raises for a full or failing disk: handling that is its job.
        """
        cutoff_at = self._clock.now() - timedelta(seconds=self._budget.policy.keep_committed_s)
        try:
            wanted = LOW_ROOM_BYTES - self.available_bytes()
            with self._removal_lock:
                freed = clean(
                    self.layout, self.index, self.files, committed_before_at=cutoff_at, wanted_bytes=wanted
                )
            self._prune()
            here = self.index.stored_bytes()
        except (OSError, sqlite3.Error) as error:
            self._clean_failures.failed(reason=str(error))
            return 0
        self._clean_failures.recovered()
        self._repair_rest()
        self._deferred.retry()
        self._stats.refresh()
        self._budget.set_totals(*here)
        return freed

    def free_space(self) -> None:
        """Cleans; if that is not enough and the agent's settings allow it, drops the oldest footage that was never uploaded.

        Each dropped segment is recorded as a gap.
        """
        self.clean()
        if self._budget.settings.when_full != "drop-oldest":
            return
        with self._drop_lock:
            # Another recorder may have freed space while this one waited for the lock.
            if self.available_bytes() >= DROP_BYTES:
                return
            try:
                for manifest in oldest(self.index, wanted_bytes=DROP_BYTES, least=DROP_LEAST):
                    self._drop(manifest)
            except (OSError, sqlite3.Error) as error:
                self._clean_failures.failed(reason=str(error))
            self._stats.refresh()

    def _drop(self, manifest: SegmentManifest) -> None:
        log.error("footage is dropped to free space for newer", extra={"segment": str(manifest.segment_id)})
        # The file goes first: on a full disk the index row needs its space. After a kill in between, the next upload finds
        # a segment without a file, and that becomes a gap too.
        remove(self.layout, self.index, self.files, [manifest])
        self._budget.set_totals(*self.index.stored_bytes())
        self._quarantine(
            manifest, Code.SEGMENT_MISSING, GapReason.DISK_FULL, "dropped to make room for newer"
        )

    def _repair_rest(self) -> None:
        # Recorders clean too when space is short. One repairs at a time; the others do not wait for it.
        if self.recovered.unfinished and self._repair_lock.acquire(blocking=False):
            try:
                repair_rest(self.recovered)
                self._stats.refresh()
            finally:
                self._repair_lock.release()
            self._notify()

    def _prune(self) -> None:
        """Forgets classes that ended long ago; at most once an hour."""
        now_at = self._clock.now()
        if self._pruned_at is not None and now_at - self._pruned_at < timedelta(hours=1):
            return
        self._pruned_at = now_at
        self._stats.forget(now_at)
        self.index.prune(now_at - MEMORY)
        for path in self.layout.tracks.glob("*.json"):
            if now_at.timestamp() - path.stat().st_mtime > MEMORY.total_seconds():
                self.files.remove(path)

    # For recordings.

    def progress(self, class_session_id: ClassSessionId, camera_id: CameraId) -> TrackProgress:
        """Returns the last saved progress of one track; a new one where none can be read."""
        try:
            return from_line(self.layout.track(class_session_id, camera_id).read_bytes(), TrackProgress)
        except FileNotFoundError:
            return TrackProgress()
        except (OSError, Damaged) as error:
            log.warning("the progress of a track cannot be read", extra={"reason": str(error)})
            return TrackProgress()

    def save_progress(
        self, class_session_id: ClassSessionId, camera_id: CameraId, account: TrackProgress
    ) -> None:
        """Saves the progress of one track, deferred while the disk refuses."""
        path = self.layout.track(class_session_id, camera_id)
        self._stats.track(class_session_id, self._clock.now())
        self._deferred.add(
            path, DeferredWrite(class_session_id, lambda: self.files.write(path, to_line(account)))
        )

    def allocate_sequence(self, camera_id: CameraId) -> int:
        """Allocates the next sequence number of a camera. Two classes may end and start on one camera at the same time."""
        with self._lock:
            self._sequences[camera_id] = sequence = self._sequences.get(camera_id, 0) + 1
            return sequence

    def release_sequence(self, camera_id: CameraId, sequence: int) -> None:
        """Releases a sequence number under which nothing became durable, if it is the newest."""
        with self._lock:
            if self._sequences.get(camera_id) == sequence:
                self._sequences[camera_id] = sequence - 1

    def note_open_size(self, segment_id: SegmentId, size_bytes: int) -> None:
        """Updates the durable size of an open segment."""
        self._budget.set_open_size(segment_id, size_bytes)

    def add_closed(self, manifest: SegmentManifest, settle: Callable[[], None]) -> None:
        """Adds a closed segment: `settle` renames its files, then it enters the index.

        If the disk refuses, both are retried by `clean`; until then the segment counts as pending.
        """

        def take() -> None:
            settle()
            self.index.add_segment(manifest)

        self._budget.add_closed(manifest)
        self._stats.track(manifest.class_session_id, self._clock.now())
        self._deferred.add(manifest.segment_id, DeferredWrite(manifest.class_session_id, take))
        self._notify()

    def add_gap(self, gap: GapRecord) -> None:
        """Stores a gap until it is settled: on disk when this returns, or as soon as a full disk has space."""

        def keep(gap: GapRecord) -> None:
            self.files.write(self.layout.gap(gap.gap_id), to_line(gap))
            self.index.add_gap(gap)

        self._stats.track(gap.class_session_id, self._clock.now())
        self._deferred.add_gap(gap, keep)
        self._notify()

    def set_full(self, full: bool) -> None:
        """Sets whether recording is stopped by a full disk, for the status."""
        if full and not self._full:
            log.error("the disk is full: recording stops until there is space")
        elif self._full and not full:
            log.info("the disk has space again")
        self._full = full

    def now(self) -> datetime:
        """Returns UTC by the spool's clock."""
        return self._clock.now()

    def _notify(self) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()
