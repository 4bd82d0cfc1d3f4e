"""Mends the spool after a crash or a power cut: keeps all that is durable, and nothing else. Needs no key."""

import contextlib
import hashlib
import logging
import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from edge_agent.durable import sync_folder, write_file
from edge_agent.spool.index import Index
from edge_agent.spool.journal import JournalEntry, manifest_of, read_journal
from edge_agent.spool.layout import CLOSED, JOURNAL, MANIFEST, OPEN, Layout, SegmentFile
from shared.kernel.clock import Clock
from shared.protocol.codec import decode, encode
from shared.protocol.ids import CameraId, SegmentId
from shared.protocol.manifest import GapRecord, SegmentManifest

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass
class RecoveryReport:
    """What was found and done at start."""

    sealed: list[SegmentManifest] = field(default_factory=list)
    """Segments that were open and are closed now."""
    discarded: int = 0
    """Open segments of which nothing was durable."""
    index_rebuilt: bool = False
    unreadable: list[Path] = field(default_factory=list)
    """Files that are of no segment any more; left where they are."""
    sequences: dict[CameraId, int] = field(default_factory=dict)
    """The highest number that each camera ever used."""


def open_index(layout: Layout) -> tuple[Index, bool]:
    """Returns the index, and whether it is a new one in place of one that is damaged; that one is set aside.

    Raises:
        sqlite3.OperationalError, OSError: the folder cannot be written.
    """
    new = not layout.index.exists()
    try:
        return Index(layout.index), new
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        log.error("the index is damaged and is rebuilt from the files", extra={"reason": str(error)})
        _set_aside(layout.index)
        return Index(layout.index), True


def _set_aside(index: Path) -> None:
    number = 1
    while (aside := index.with_name(f"{index.name}.damaged-{number}")).exists():
        number += 1
    index.rename(aside)
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            index.with_name(index.name + suffix).rename(aside.with_name(aside.name + suffix))


def recover(layout: Layout, index: Index, clock: Clock, *, rebuilt: bool) -> RecoveryReport:
    """Closes what was open, takes what is closed into the index, and counts on from the highest number of each camera."""
    report = RecoveryReport(index_rebuilt=rebuilt)
    segments: dict[SegmentId, dict[str, SegmentFile]] = {}
    for file in layout.segment_files():
        segments.setdefault(file.segment_id, {})[file.suffix] = file
        report.sequences[file.camera_id] = max(file.sequence, report.sequences.get(file.camera_id, 0))
    for files in segments.values():
        try:
            _recover_segment(files, index, clock, report)
        except sqlite3.IntegrityError as error:
            # Another segment has its number. Nothing of it is lost: it lies here, and is named in the log.
            log.error("the index refuses a segment", extra={"reason": str(error)})
            report.unreadable += [file.path for file in files.values()]
    for path in sorted(layout.gaps.glob("*.json")):
        gap = _read(path, GapRecord)
        if gap is None:
            report.unreadable.append(path)
        else:
            index.add_gap(gap)
    for camera_id in report.sequences:
        report.sequences[camera_id] = max(report.sequences[camera_id], index.last_sequence(camera_id))
    for camera_id in index.cameras():
        report.sequences.setdefault(camera_id, index.last_sequence(camera_id))
    if report.sealed or report.discarded or report.unreadable:
        log.warning(
            "the spool was mended after an unclean stop",
            extra={
                "sealed": len(report.sealed),
                "discarded": report.discarded,
                "unreadable": len(report.unreadable),
            },
        )
    return report


def _recover_segment(
    files: dict[str, SegmentFile], index: Index, clock: Clock, report: RecoveryReport
) -> None:
    manifest = _read(files[MANIFEST].path, SegmentManifest) if MANIFEST in files else None
    if manifest is not None and OPEN in files and CLOSED not in files:
        # Closed but for the rename. The manifest was written last: the bytes are whole.
        path = files[OPEN].path
        path.rename(path.with_suffix(CLOSED))
        sync_folder(path.parent)
        files[CLOSED] = files.pop(OPEN)
    if manifest is not None:
        # A manifest without its object is that of a camera's newest segment, kept for its number; the index knows it.
        if CLOSED in files:
            index.add_segment(manifest)
    elif JOURNAL in files and OPEN in files:
        _seal(files[OPEN].path, files[JOURNAL].path, index, clock, report)
        return
    elif OPEN in files:
        report.discarded += 1
        files[OPEN].path.unlink()
    elif CLOSED in files:
        report.unreadable.append(files[CLOSED].path)
    if JOURNAL in files:
        files[JOURNAL].path.unlink()


def _seal(part: Path, journal: Path, index: Index, clock: Clock, report: RecoveryReport) -> None:
    header, entries = read_journal(journal)
    whole = _whole_entries(part, header.init.size_bytes, header.init.sha256, entries) if header else []
    if header is None or not whole:
        report.discarded += 1
        part.unlink()
        journal.unlink()
        return
    last = whole[-1].fragment.blob
    with part.open("r+b") as file:
        file.truncate(last.offset_bytes + last.size_bytes)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    manifest = manifest_of(
        header,
        [entry.fragment for entry in whole],
        clock=whole[-1].clock,
        sha256=digest,
        closed_at=clock.now(),
        recovered=True,
    )
    write_file(part.with_suffix(MANIFEST), encode(manifest))
    part.rename(part.with_suffix(CLOSED))
    sync_folder(part.parent)
    index.add_segment(manifest)
    journal.unlink()
    report.sealed.append(manifest)


def _whole_entries(
    part: Path, init_bytes: int, init_sha256: str, entries: list[JournalEntry]
) -> list[JournalEntry]:
    """Returns the entries whose bytes are there and unharmed, up to the first that is not."""
    whole: list[JournalEntry] = []
    with part.open("rb") as file:
        if hashlib.sha256(file.read(init_bytes)).hexdigest() != init_sha256:
            return []
        for entry in entries:
            blob = entry.fragment.blob
            file.seek(blob.offset_bytes)
            if hashlib.sha256(file.read(blob.size_bytes)).hexdigest() != blob.sha256:
                break
            whole.append(entry)
    return whole


def _read(path: Path, type_: type[T]) -> T | None:
    try:
        return decode(path.read_bytes(), type_)
    except (OSError, msgspec.DecodeError):
        return None
