"""The SQLite index of the spool: its segments and gaps and their upload state. It can be rebuilt from the files."""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from edge_agent.checksummed_lines import from_line, to_line
from edge_agent.spool.schema import EPOCH, connect, connect_reader, to_us
from shared.protocol.errors import Code
from shared.protocol.ids import CameraId, ClassSessionId, GapId, SegmentId
from shared.protocol.manifest import GapRecord, SegmentManifest
from shared.protocol.status import QuarantinedSegment
from shared.protocol.upload import TrackTally

T = TypeVar("T")

log = logging.getLogger(__name__)

_INSERT = (
    "INSERT INTO segments (segment_id, class_session_id, camera_id, sequence, state, size_bytes, closed_at_us, here,"
    " refusal, manifest) VALUES (?, ?, ?, ?, ?, ?, ?, 1, '', ?)"
)
_ADD_SEGMENT = f"{_INSERT} ON CONFLICT (segment_id) DO NOTHING"
_ADD_WHAT_CAN_BE = f"{_INSERT} ON CONFLICT DO NOTHING"


class SegmentState(StrEnum):
    """Upload state of a closed segment: closed -> intended -> committed, or refused (quarantined).

    It returns to closed only when the control plane requests it again.
    """

    CLOSED = "closed"
    INTENDED = "intended"
    COMMITTED = "committed"
    REFUSED = "refused"


@dataclass(frozen=True)
class IndexedSegment:
    """One row of the index."""

    manifest: SegmentManifest
    state: SegmentState
    is_stored: bool


class Index:
    """A writing and a reading connection with a lock each, so that readers never wait for a write to reach the disk.

    Every method is one short transaction; any thread may call it.

    Raises `sqlite3.Error` from any method where the file is damaged or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._writer = connect(path)
        self._reader = connect_reader(path)

    def close(self) -> None:
        """Closes the connections."""
        with self._read_lock:
            self._reader.close()
        with self._write_lock:
            self._writer.close()

    def add_segment(self, manifest: SegmentManifest) -> None:
        """Adds a closed segment; does nothing if it is there already.

        Raises:
            sqlite3.IntegrityError: another segment has its number.
        """
        with self._write_lock:
            self._writer.execute(_ADD_SEGMENT, _row(manifest, to_line(manifest)))

    def add_segments(self, segments: Iterable[tuple[SegmentManifest, bytes]]) -> list[SegmentId]:
        """Adds closed segments in one transaction. Returns those left out because another segment has their number.

        Args:
            segments: each with its manifest as a line of `edge_agent.checksummed_lines`, as it lies beside the segment.
        """
        rows = [_row(manifest, line) for manifest, line in segments]
        with self._transaction():
            before = self._writer.total_changes
            self._writer.executemany(_ADD_WHAT_CAN_BE, rows)
            if self._writer.total_changes - before == len(rows):
                return []
            # Rare: some were there already, or their number is taken.
            ids = (SegmentId(UUID(str(row[0]))) for row in rows)
            return [segment_id for segment_id in ids if not self._has(segment_id)]

    def _has(self, segment_id: SegmentId) -> bool:
        found = self._writer.execute("SELECT 1 FROM segments WHERE segment_id = ?", (str(segment_id),))
        return found.fetchone() is not None

    def segment_ids(self) -> set[str]:
        """Returns the ids of all segments, as texts."""
        with self._read_lock:
            return {row[0] for row in self._reader.execute("SELECT segment_id FROM segments")}

    def removed_ids(self) -> set[str]:
        """Returns the ids of the segments whose objects are no longer on this disk, as texts."""
        with self._read_lock:
            return {row[0] for row in self._reader.execute("SELECT segment_id FROM segments WHERE here = 0")}

    def stored_after(self, segment_id: SegmentId | None, limit: int) -> list[SegmentManifest]:
        """Returns up to `limit` segments that should be on this disk, by id, after `segment_id`."""
        with self._read_lock:
            rows = self._reader.execute(
                "SELECT manifest FROM segments WHERE here = 1 AND segment_id > ? ORDER BY segment_id LIMIT ?",
                (str(segment_id or ""), limit),
            ).fetchall()
        return list(_readable(rows, _manifest))

    def last_sequence(self, camera_id: CameraId) -> int:
        """Returns the highest sequence number of a camera in the index, 0 where it has none."""
        return int(
            self._one("SELECT coalesce(max(sequence), 0) FROM segments WHERE camera_id = ?", str(camera_id))
        )

    def cameras(self) -> list[CameraId]:
        """Returns every camera that has a segment in the index."""
        with self._read_lock:
            rows = self._reader.execute("SELECT DISTINCT camera_id FROM segments").fetchall()
        return [CameraId(UUID(row[0])) for row in rows]

    def pending(
        self,
        limit: int,
        *,
        of: Collection[ClassSessionId] | None = None,
        but_not_of: Collection[ClassSessionId] = (),
        newest_first: bool = False,
    ) -> list[IndexedSegment]:
        """Returns up to `limit` closed or intended segments, oldest first by default."""
        where, values = "state IN ('closed', 'intended')", []
        if of is not None:
            where += f" AND class_session_id IN ({_marks(of)})"
            values += [str(i) for i in of]
        if but_not_of:
            where += f" AND class_session_id NOT IN ({_marks(but_not_of)})"
            values += [str(i) for i in but_not_of]
        order = "DESC" if newest_first else "ASC"
        with self._read_lock:
            rows = self._reader.execute(
                f"SELECT manifest, state, here FROM segments WHERE {where}"  # noqa: S608  # marks and constants only
                f" ORDER BY closed_at_us {order}, camera_id, sequence {order} LIMIT ?",
                (*values, limit),
            ).fetchall()
        return list(_readable(rows, _indexed))

    def segment(self, segment_id: SegmentId) -> IndexedSegment | None:
        """Returns one segment, or None if the index does not have it."""
        with self._read_lock:
            row = self._reader.execute(
                "SELECT manifest, state, here FROM segments WHERE segment_id = ?", (str(segment_id),)
            ).fetchone()
        return next(_readable([row] if row else [], _indexed), None)

    def segments_of(self, class_session_id: ClassSessionId, camera_id: CameraId) -> list[SegmentManifest]:
        """Returns the manifests of one track, in order."""
        with self._read_lock:
            rows = self._reader.execute(
                "SELECT manifest FROM segments WHERE class_session_id = ? AND camera_id = ? ORDER BY sequence",
                (str(class_session_id), str(camera_id)),
            ).fetchall()
        return list(_readable(rows, _manifest))

    def mark(self, segment_ids: Iterable[SegmentId], state: SegmentState, now_at: datetime) -> None:
        """Moves segments forward to `state`. Committed and refused segments stay as they are."""
        committed_at_us = to_us(now_at) if state is SegmentState.COMMITTED else None
        with self._transaction():
            self._writer.executemany(
                "UPDATE segments SET state = ?, committed_at_us = ?"
                " WHERE segment_id = ? AND state IN ('closed', 'intended')",
                [(state, committed_at_us, str(i)) for i in segment_ids],
            )

    def requeue(self, segment_id: SegmentId) -> bool:
        """Marks a committed or refused segment closed again; returns whether its file should still be here."""
        with self._write_lock:
            cursor = self._writer.execute(
                "UPDATE segments SET state = 'closed', committed_at_us = NULL, refusal = ''"
                " WHERE segment_id = ? AND state IN ('committed', 'refused') AND here = 1",
                (str(segment_id),),
            )
            return cursor.rowcount > 0

    def refuse(self, segment_id: SegmentId, code: Code, detail: str) -> None:
        """Quarantines a segment: it does not block those behind it, and its file stays on the disk."""
        with self._write_lock:
            self._writer.execute(
                "UPDATE segments SET state = 'refused', refusal = ? WHERE segment_id = ? AND state <> 'committed'",
                (f"{code}: {detail}" if detail else str(code), str(segment_id)),
            )

    def retry_refused(self) -> None:
        """Marks quarantined segments closed again, except damaged ones."""
        with self._write_lock:
            self._writer.execute(
                "UPDATE segments SET state = 'closed', refusal = ''"
                " WHERE state = 'refused' AND here = 1 AND refusal NOT LIKE ?",
                (f"{Code.SEGMENT_CORRUPT}%",),
            )

    def quarantined(self, limit: int) -> tuple[int, list[QuarantinedSegment]]:
        """Returns how many segments are quarantined, and up to `limit` of them, newest first."""
        with self._read_lock:
            (count,) = self._reader.execute(
                "SELECT count(*) FROM segments WHERE state = 'refused'"
            ).fetchone()
            rows = self._reader.execute(
                "SELECT segment_id, class_session_id, camera_id, refusal FROM segments WHERE state = 'refused'"
                " ORDER BY closed_at_us DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return count, [
            QuarantinedSegment(
                segment_id=SegmentId(UUID(segment)),
                class_session_id=ClassSessionId(UUID(class_session)),
                camera_id=CameraId(UUID(camera)),
                reason=refusal[:300],
            )
            for segment, class_session, camera, refusal in rows
        ]

    def to_clean(self, committed_before_at: datetime, limit: int) -> list[SegmentManifest]:
        """Returns stored segments that were committed before an instant, oldest commit first."""
        with self._read_lock:
            rows = self._reader.execute(
                "SELECT manifest FROM segments WHERE here = 1 AND state = 'committed' AND committed_at_us <= ?"
                " ORDER BY committed_at_us LIMIT ?",
                (to_us(committed_before_at), limit),
            ).fetchall()
        return list(_readable(rows, _manifest))

    def mark_removed(self, segment_ids: Iterable[SegmentId]) -> None:
        """Records that the files of these segments were removed."""
        with self._transaction():
            self._writer.executemany(
                "UPDATE segments SET here = 0 WHERE segment_id = ?", [(str(i),) for i in segment_ids]
            )

    def mark_stored(self, segment_ids: Iterable[SegmentId]) -> None:
        """Records that the files of these segments are on the disk."""
        with self._transaction():
            self._writer.executemany(
                "UPDATE segments SET here = 1 WHERE segment_id = ?", [(str(i),) for i in segment_ids]
            )

    def add_gap(self, gap: GapRecord) -> None:
        """Adds a gap; does nothing if it is there already."""
        with self._write_lock:
            self._writer.execute(
                "INSERT INTO gaps (gap_id, class_session_id, settled, record) VALUES (?, ?, 0, ?)"
                " ON CONFLICT (gap_id) DO NOTHING",
                (str(gap.gap_id), str(gap.class_session_id), to_line(gap)),
            )

    def gaps(self, class_session_id: ClassSessionId) -> list[GapRecord]:
        """Returns all gaps of a class, settled or not, in the order they were found."""
        with self._read_lock:
            rows = self._reader.execute(
                "SELECT record FROM gaps WHERE class_session_id = ? ORDER BY gap_id", (str(class_session_id),)
            ).fetchall()
        return list(_readable(rows, _gap))

    def gaps_pending(self, limit: int) -> list[GapRecord]:
        """Returns up to `limit` gaps that are not settled, oldest first."""
        with self._read_lock:
            rows = self._reader.execute(
                "SELECT record FROM gaps WHERE settled = 0 ORDER BY gap_id LIMIT ?", (limit,)
            ).fetchall()
        return list(_readable(rows, _gap))

    def settle_gaps(self, gap_ids: Iterable[GapId]) -> None:
        """Marks gaps as settled: they are not reported again."""
        with self._transaction():
            self._writer.executemany(
                "UPDATE gaps SET settled = 1 WHERE gap_id = ?", [(str(i),) for i in gap_ids]
            )

    def prune(self, before_at: datetime) -> None:
        """Deletes rows of segments committed before an instant and removed since, and of gaps settled before it.

        The newest segment of each camera stays: it holds the last sequence number.
        """
        with self._transaction():
            self._writer.execute(
                "DELETE FROM segments AS old WHERE here = 0 AND state = 'committed' AND committed_at_us < ?"
                " AND sequence < (SELECT max(sequence) FROM segments WHERE camera_id = old.camera_id)",
                (to_us(before_at),),
            )
            # A gap's id begins with the time it was made (UUIDv7), in milliseconds.
            oldest = f"{to_us(before_at) // 1000:012x}"
            self._writer.execute(
                "DELETE FROM gaps WHERE settled = 1 AND gap_id < ?", (f"{oldest[:8]}-{oldest[8:]}",)
            )

    def tally(self, class_session_id: ClassSessionId) -> TrackTally:
        """Returns how many segments of a class were made and are still to be sent."""
        with self._read_lock:
            made, pending = self._reader.execute(
                "SELECT count(*), coalesce(sum(state IN ('closed', 'intended')), 0) FROM segments"
                " WHERE class_session_id = ?",
                (str(class_session_id),),
            ).fetchone()
            (gaps,) = self._reader.execute(
                "SELECT count(*) FROM gaps WHERE class_session_id = ? AND settled = 0",
                (str(class_session_id),),
            ).fetchone()
        return TrackTally(
            class_session_id=class_session_id, segments_made=made, segments_pending=pending, gaps_pending=gaps
        )

    def backlog(self) -> tuple[int, datetime | None]:
        """Returns the number of pending segments, and when the oldest of them was closed."""
        with self._read_lock:
            count, oldest_us = self._reader.execute(
                "SELECT count(*), min(closed_at_us) FROM segments WHERE state IN ('closed', 'intended')"
            ).fetchone()
        return count, None if oldest_us is None else EPOCH + timedelta(microseconds=oldest_us)

    def stored_bytes(self) -> tuple[int, int]:
        """Returns the size of all stored segments, and of the committed ones among them."""
        with self._read_lock:
            here, committed = self._reader.execute(
                "SELECT sum(size_bytes), sum(size_bytes) FILTER (WHERE state = 'committed') FROM segments WHERE here = 1"
            ).fetchone()
        return here or 0, committed or 0

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._write_lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._writer.execute("COMMIT")
            except BaseException:
                # On a full disk SQLite may have rolled back already.
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def _one(self, sql: str, *values: str) -> int:
        with self._read_lock:
            (value,) = self._reader.execute(sql, values).fetchone()
        return int(value)


def _row(manifest: SegmentManifest, line: bytes) -> tuple[str | int | bytes, ...]:
    return (
        str(manifest.segment_id),
        str(manifest.class_session_id),
        str(manifest.camera_id),
        manifest.sequence,
        SegmentState.CLOSED,
        manifest.size_bytes,
        to_us(manifest.closed_at),
        line,
    )


def _readable(rows: Iterable[tuple[Any, ...]], read: Callable[[tuple[Any, ...]], T]) -> Iterator[T]:
    """Yields the decoded rows. A row damaged since the start is logged and skipped; the next start rebuilds the index."""
    for row in rows:
        try:
            yield read(row)
        except ValueError as error:
            log.error("a row of the index is damaged; a restart rebuilds it", extra={"reason": str(error)})


def _indexed(row: tuple[Any, ...]) -> IndexedSegment:
    return IndexedSegment(_manifest(row), SegmentState(row[1]), bool(row[2]))


def _manifest(row: tuple[Any, ...]) -> SegmentManifest:
    return from_line(row[0], SegmentManifest)


def _gap(row: tuple[Any, ...]) -> GapRecord:
    return from_line(row[0], GapRecord)


def _marks(values: Collection[UUID]) -> str:
    return ", ".join("?" * len(values))
