"""Repairs the spool after a crash or a power cut: keeps exactly what is durable. Needs no key."""

import contextlib
import hashlib
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from edge_agent.checksummed_lines import Damaged, from_line, to_line
from edge_agent.files import Files
from edge_agent.spool.index import Index
from edge_agent.spool.journal import JournalEntry, manifest_of, read_journal
from edge_agent.spool.layout import CLOSED, JOURNAL, MANIFEST, OPEN, Layout, SegmentFile
from edge_agent.spool.schema import is_refusal
from shared.kernel.clock import Clock
from shared.protocol.ids import CameraId
from shared.protocol.manifest import GapRecord, SegmentManifest

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH = 4000
"""Segments per transaction."""


@dataclass
class RecoveryReport:
    """The findings and repairs of recovery at start."""

    sealed: list[SegmentManifest] = field(default_factory=list)
    """Segments that were open and are closed now."""
    discarded: int = 0
    """Open segments of which nothing was durable."""
    index_rebuilt: bool = False
    unreadable: list[Path] = field(default_factory=list)
    """Files that belong to no usable segment; they are left in place."""
    sequences: dict[CameraId, int] = field(default_factory=dict)
    """The highest number that each camera ever used."""
    unfinished: list[Callable[[], None]] = field(default_factory=list)
    """Repairs that the disk refused, to be retried by `repair_rest`."""


def open_index(layout: Layout, files: Files) -> tuple[Index, bool]:
    """Opens the index; returns it and whether it is new. A damaged one is renamed and replaced.

    Raises:
        sqlite3.OperationalError, OSError: the folder cannot be written.
    """
    new = not layout.index.exists()
    try:
        return Index(layout.index), new
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and is_refusal(error):
            raise
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
    """Closes open segments, indexes closed ones, and continues from the highest sequence number of each camera.

    On a full or read-only disk only the refused repairs are postponed.
    """
    report = RecoveryReport(index_rebuilt=rebuilt)
    jobs: list[Callable[[], None]] = [partial(files.remove, stray) for stray in layout.unfinished_files()]
    segments: dict[str, dict[str, SegmentFile]] = {}
    for file in layout.segment_files():
        segments.setdefault(file.segment, {})[file.suffix] = file
        report.sequences[file.camera_id] = max(file.sequence, report.sequences.get(file.camera_id, 0))
    known, gone = index.segment_ids(), index.removed_ids()
    # The row is damaged, or a power cut has undone the removal: upload it, or remove it again.
    back = [found[CLOSED].segment_id for i, found in segments.items() if CLOSED in found and i in gone]
    if back:
        log.warning("segments are on the disk that the index has as removed", extra={"segments": len(back)})
        jobs.append(partial(index.mark_stored, back))
    unknown: list[SegmentFile] = []
    for segment, found in segments.items():
        if found.keys() != {CLOSED, MANIFEST}:
            one = next(iter(found.values()))
            jobs.append(partial(_recover_segment, layout, one, index, clock, files, report))
        elif segment not in known:
            unknown.append(found[MANIFEST])
    # Large transactions: each one waits for the disk, and a lost index may have had 26,000 rows.
    jobs += [
        partial(_take_closed, unknown[n : n + BATCH], index, report) for n in range(0, len(unknown), BATCH)
    ]
    jobs += [partial(_take_gap, path, index, report) for path in sorted(layout.gaps.glob("*.json"))]
    report.unfinished = jobs
    repair_rest(report)
    for camera_id in index.cameras():
        report.sequences[camera_id] = max(index.last_sequence(camera_id), report.sequences.get(camera_id, 0))
    if report.sealed or report.discarded or report.unreadable or report.unfinished:
        log.warning(
            "the spool was repaired after an unclean stop",
            extra={
                "sealed": len(report.sealed),
                "discarded": report.discarded,
                "unreadable": len(report.unreadable),
                "waiting_for_the_disk": len(report.unfinished),
            },
        )
    return report


def repair_rest(report: RecoveryReport) -> None:
    """Retries unfinished repairs; those that the disk refuses stay for the next call. One thread at a time."""
    left: list[Callable[[], None]] = []
    for job in report.unfinished:
        try:
            job()
        except FileNotFoundError:
            continue  # the file is gone, and nothing is left to repair
        except (OSError, sqlite3.OperationalError) as error:
            if not left:
                log.warning("the disk refuses a repair of the spool", extra={"reason": str(error)})
            left.append(job)
    report.unfinished = left


def _take_closed(found: list[SegmentFile], index: Index, report: RecoveryReport) -> None:
    for refused in index.add_segments(_readable(found, report)):
        _refused_by_number(report, [file.path for file in found if file.segment == str(refused)])


def _readable(found: list[SegmentFile], report: RecoveryReport) -> Iterator[tuple[SegmentManifest, bytes]]:
    """Yields each valid manifest and its line, one at a time: thousands in memory would mostly cost garbage collection."""
    for file in found:
        try:
            with open(os.path.join(file.folder, file.name), "rb", buffering=0) as opened:
                line = opened.read()
            yield from_line(line, SegmentManifest), line
        except (OSError, Damaged):
            report.unreadable.append(file.path.with_suffix(CLOSED))


def _take_gap(path: Path, index: Index, report: RecoveryReport) -> None:
    gap = _read(path, GapRecord)
    if gap is None:
        report.unreadable.append(path)
    else:
        index.add_gap(gap)


def _refused_by_number(report: RecoveryReport, paths: list[Path]) -> None:
    # Its files stay, and the log names them.
    log.error("the index refuses a segment: another one has its number", extra={"files": len(paths)})
    report.unreadable += paths


def _recover_segment(
    layout: Layout, one: SegmentFile, index: Index, clock: Clock, files: Files, report: RecoveryReport
) -> None:
    # Look again: an earlier attempt may have stopped half-way.
    paths = {
        suffix: layout.segment(one.camera_id, one.sequence, one.segment_id, suffix)
        for suffix in (OPEN, JOURNAL, CLOSED, MANIFEST)
    }
    found = {suffix: path for suffix, path in paths.items() if path.exists()}
    manifest = _read(found[MANIFEST], SegmentManifest) if MANIFEST in found else None
    try:
        if manifest is not None and OPEN in found and CLOSED not in found:
            # Only the rename is missing. The manifest is written last, so the bytes are complete.
            files.rename(found[OPEN], paths[CLOSED])
            files.sync_folder(paths[CLOSED].parent)
            found[CLOSED] = paths[CLOSED]
        if manifest is not None:
            # A manifest without object is kept for the sequence number of a camera's newest segment; the index has it.
            if CLOSED in found:
                index.add_segment(manifest)
        elif JOURNAL in found and OPEN in found:
            _seal(found[OPEN], found[JOURNAL], index, clock, files, report)
            return
        elif OPEN in found:
            files.remove(found[OPEN])
            report.discarded += 1
        elif CLOSED in found:
            report.unreadable.append(found[CLOSED])
    except sqlite3.IntegrityError:
        _refused_by_number(report, list(found.values()))
        return
    if JOURNAL in found:
        files.remove(found[JOURNAL])


def _seal(
    part: Path, journal: Path, index: Index, clock: Clock, files: Files, report: RecoveryReport
) -> None:
    header, entries = read_journal(journal)
    whole = _whole_entries(part, header.init.size_bytes, header.init.sha256, entries) if header else []
    _tell_what_is_cut(part, whole, promised=len(entries))
    if header is None or not whole:
        files.remove(part)
        files.remove(journal)
        report.discarded += 1
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
    files.write(part.with_suffix(MANIFEST), to_line(manifest))
    files.rename(part, part.with_suffix(CLOSED))
    files.sync_folder(part.parent)
    index.add_segment(manifest)
    files.remove(journal)
    report.sealed.append(manifest)


def _tell_what_is_cut(part: Path, whole: list[JournalEntry], *, promised: int) -> None:
    """Logs what was truncated. A fragment cut by a kill is a warning; a lost durable one, the disk's fault, an error."""
    kept_bytes = whole[-1].fragment.blob.offset_bytes + whole[-1].fragment.blob.size_bytes if whole else 0
    dropped_bytes = part.stat().st_size - kept_bytes
    if dropped_bytes > 0 or promised > len(whole):
        log.log(
            logging.ERROR if promised > len(whole) else logging.WARNING,
            "an open segment is truncated to its verified fragments",
            extra={
                "file": part.name,
                "fragments": len(whole),
                "fragments_lost": promised - len(whole),
                "dropped_bytes": max(0, dropped_bytes),
            },
        )


def _whole_entries(
    part: Path, init_bytes: int, init_sha256: str, entries: list[JournalEntry]
) -> list[JournalEntry]:
    """Returns the leading entries whose bytes are complete and match their hashes."""
    whole: list[JournalEntry] = []
    end_bytes = init_bytes
    with part.open("rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        if init_bytes > size_bytes or hashlib.sha256(file.read(init_bytes)).hexdigest() != init_sha256:
            return []
        for entry in entries:
            blob = entry.fragment.blob
            # The offset check also rejects a repeated line; the size check a read past the end.
            if blob.offset_bytes != end_bytes or end_bytes + blob.size_bytes > size_bytes:
                break
            file.seek(blob.offset_bytes)
            if hashlib.sha256(file.read(blob.size_bytes)).hexdigest() != blob.sha256:
                break
            whole.append(entry)
            end_bytes += blob.size_bytes
    return whole


def _read(path: Path, type_: type[T]) -> T | None:
    try:
        return from_line(path.read_bytes(), type_)
    except (OSError, Damaged):
        return None
