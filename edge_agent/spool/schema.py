"""The index file: its tables, and their verification at each start."""

import sqlite3
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec

from edge_agent.checksummed_lines import Damaged, from_line
from shared.protocol.ids import CameraId, ClassSessionId, SegmentId
from shared.protocol.manifest import GapRecord

SCHEMA_VERSION = 2
"""Raised with each change of the tables. An index whose tables differ from those below by one word is rebuilt."""

_SCHEMA = """
CREATE TABLE segments (            -- one row: one closed segment of one camera
    segment_id TEXT PRIMARY KEY,
    class_session_id TEXT NOT NULL,
    camera_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('closed', 'intended', 'committed', 'refused')),
    size_bytes INTEGER NOT NULL,   -- of the object
    closed_at_us INTEGER NOT NULL, -- UTC, microseconds since 1970
    committed_at_us INTEGER,       -- UTC; null until committed
    here INTEGER NOT NULL CHECK (here IN (0, 1)),       -- 1 while the object is on this disk
    refusal TEXT NOT NULL,         -- why it is set aside; empty otherwise
    manifest BLOB NOT NULL,        -- SegmentManifest as a line of `edge_agent.checksummed_lines`
    UNIQUE (camera_id, sequence)
) STRICT;
CREATE INDEX segments_to_send ON segments (closed_at_us) WHERE state IN ('closed', 'intended');
CREATE INDEX segments_of_class ON segments (class_session_id, state);
CREATE INDEX segments_to_clean ON segments (committed_at_us) WHERE here = 1 AND state = 'committed';
CREATE INDEX segments_set_aside ON segments (closed_at_us) WHERE state = 'refused';
CREATE TABLE gaps (                -- one row: one gap
    gap_id TEXT PRIMARY KEY,
    class_session_id TEXT NOT NULL,
    settled INTEGER NOT NULL CHECK (settled IN (0, 1)), -- 1 once the control plane need not hear of it again
    record BLOB NOT NULL           -- GapRecord likewise
) STRICT;
CREATE INDEX gaps_to_send ON gaps (gap_id) WHERE settled = 0;
"""


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(moment: datetime) -> int:
    """Returns an instant in the columns' unit, microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def connect(path: Path) -> sqlite3.Connection:
    """Opens or creates the index for writing. Any thread may use the connection, one at a time.

    Raises:
        sqlite3.OperationalError: the disk is full or read-only (`is_refusal`), or the file is damaged.
        sqlite3.DatabaseError: the file is damaged or of another version, and has to be rebuilt.
    """
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        _prepare(db)
        _verify(db)
    except UnicodeDecodeError as error:
        # SQLite's message about a damaged schema quotes bytes that are not UTF-8.
        db.close()
        raise sqlite3.DatabaseError(f"the index is damaged: {error}") from error
    except BaseException:
        db.close()
        raise
    return db


def is_refusal(error: sqlite3.OperationalError) -> bool:
    """Returns whether the disk refused. Otherwise, or if a part of the file cannot be read, the file is damaged."""
    # Errors that Python raises itself, for invalid text, have no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF in _REFUSALS and code not in _UNREADABLE


_REFUSALS = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
    }
)
_UNREADABLE = frozenset(
    {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
)


def connect_reader(path: Path) -> sqlite3.Connection:
    """Opens an existing index for reading only."""
    reader = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    reader.execute("PRAGMA query_only = ON")
    reader.execute("PRAGMA busy_timeout = 5000")
    return reader


def _tables(db: sqlite3.Connection) -> list[tuple[str, ...]]:
    return db.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name").fetchall()


@cache
def _tables_as_made() -> list[tuple[str, ...]]:
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(_SCHEMA)
        return _tables(db)
    finally:
        db.close()


class _Name(msgspec.Struct, frozen=True):
    """The fields of a manifest that the columns of its row repeat."""

    segment_id: SegmentId
    class_session_id: ClassSessionId
    camera_id: CameraId
    sequence: int
    size_bytes: int
    closed_at: datetime


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA busy_timeout = 5000")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == 0:
        db.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
    elif version != SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"the index has schema {version}, this agent knows {SCHEMA_VERSION}")


def _verify(db: sqlite3.Connection) -> None:
    """Checks tables, pages and rows. SQLite's own check covers the structure of pages, not their content."""
    if _tables(db) != _tables_as_made():
        raise sqlite3.DatabaseError("the index is damaged: its tables are not those that were made")
    (verdict,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"the index is damaged: {verdict}")
    try:
        for line, *columns in db.execute(
            "SELECT manifest, segment_id, class_session_id, camera_id, sequence, size_bytes, closed_at_us FROM segments"
        ):
            named = from_line(line, _Name)
            ids = [str(i) for i in (named.segment_id, named.class_session_id, named.camera_id)]
            if [*ids, named.sequence, named.size_bytes, to_us(named.closed_at)] != columns:
                raise Damaged("a row is not about the segment that it holds")
        for line, *columns in db.execute("SELECT record, gap_id, class_session_id FROM gaps"):
            gap = from_line(line, GapRecord)
            if [str(gap.gap_id), str(gap.class_session_id)] != columns:
                raise Damaged("a row is not about the gap that it holds")
    except ValueError as error:
        raise sqlite3.DatabaseError(f"the index is damaged: {error}") from error
