"""Mends the spool after a crash or a power cut: keeps all that is durable, and nothing else. Needs no key."""

import contextlib
import hashlib
import logging
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from edge_agent.files import Files
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


def open_index(layout: Layout, files: Files) -> tuple[Index, bool]:
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
        _set_aside(layout.index, files)
        return Index(layout.index), True


def _set_aside(index: Path, files: Files) -> None:
    number = 1
    while (aside := index.with_name(f"{index.name}.damaged-{number}")).exists():
        number += 1
    files.rename(index, aside)
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            files.rename(index.with_name(index.name + suffix), aside.with_name(aside.name + suffix))


def recover(layout: Layout, index: Index, clock: Clock, files: Files, *, rebuilt: bool) -> RecoveryReport:
    """Closes what was open, takes what is closed into the index, and counts on from the highest number of each camera."""
    report = RecoveryReport(index_rebuilt=rebuilt)
    for stray in layout.strays():
        files.remove(stray)
    segments: dict[SegmentId, dict[str, SegmentFile]] = {}
    for file in layout.segment_files():
        segments.setdefault(file.segment_id, {})[file.suffix] = file
        report.sequences[file.camera_id] = max(file.sequence, report.sequences.get(file.camera_id, 0))
    for found in segments.values():
        try:
            _recover_segment(found, index, clock, files, report)
        except sqlite3.IntegrityError as error:
            # Another segment has its number. Nothing of it is lost: it lies here, and is named in the log.
            log.error("the index refuses a segment", extra={"reason": str(error)})
            report.unreadable += [file.path for file in found.values()]
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
    found: dict[str, SegmentFile], index: Index, clock: Clock, files: Files, report: RecoveryReport
) -> None:
    manifest = _read(found[MANIFEST].path, SegmentManifest) if MANIFEST in found else None
    if manifest is not None and OPEN in found and CLOSED not in found:
        # Closed but for the rename. The manifest was written last: the bytes are whole.
        path = found[OPEN].path
        files.rename(path, path.with_suffix(CLOSED))
        files.sync_folder(path.parent)
        found[CLOSED] = found.pop(OPEN)
    if manifest is not None:
        # A manifest without its object is that of a camera's newest segment, kept for its number; the index knows it.
        if CLOSED in found:
            index.add_segment(manifest)
    elif JOURNAL in found and OPEN in found:
        _seal(found[OPEN].path, found[JOURNAL].path, index, clock, files, report)
        return
    elif OPEN in found:
        report.discarded += 1
        files.remove(found[OPEN].path)
    elif CLOSED in found:
        report.unreadable.append(found[CLOSED].path)
    if JOURNAL in found:
        files.remove(found[JOURNAL].path)


def _seal(
    part: Path, journal: Path, index: Index, clock: Clock, files: Files, report: RecoveryReport
) -> None:
    header, entries = read_journal(journal)
    whole = _whole_entries(part, header.init.size_bytes, header.init.sha256, entries) if header else []
    if header is None or not whole:
        report.discarded += 1
        files.remove(part)
        files.remove(journal)
        return
    last = whole[-1].fragment.blob
    descriptor = files.open_append(part)
    try:
        files.truncate(descriptor, last.offset_bytes + last.size_bytes)
        files.sync(descriptor)
    finally:
        files.close(descriptor)
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    manifest = manifest_of(
        header,
        [entry.fragment for entry in whole],
        clock=whole[-1].clock,
        sha256=digest,
        closed_at=clock.now(),
        recovered=True,
    )
    files.write(part.with_suffix(MANIFEST), encode(manifest))
    files.rename(part, part.with_suffix(CLOSED))
    files.sync_folder(part.parent)
    index.add_segment(manifest)
    files.remove(journal)
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
