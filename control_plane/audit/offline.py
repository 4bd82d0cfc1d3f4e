"""Verification of an exported log, without database, settings or network.

Three checks: each entry has its stored hash and follows from the previous entry (the chain); the file is complete and
signed by the key that it names (the signature); and the entries are those that were signed when they were new (the
checkpoints). The chain alone reveals an edit that does not recompute hashes. An edit that rewrites all later entries is
revealed by the checkpoints, which are stored elsewhere.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

from control_plane.audit.chain import GENESIS, Break
from control_plane.audit.checkpoints import (
    BadCheckpoint,
    Checked,
    read_checkpoint,
    row_fault,
    verify_signature,
)
from control_plane.audit.exports import KIND, BadFile, Export, Item, signed_bytes

REPORT_EVERY = 10_000
MOST_CHECKPOINT_FILES = 1_000_000

Report = Callable[[int], None]


@dataclass
class Verdict:
    """Result of a verification. `first_break` names the first bad entry; `faults` are errors, `notes` are information."""

    entries: int = 0
    first_break: Break | None = None
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checkpoints_met: int = 0

    @property
    def holds(self) -> bool:
        """Whether there is no fault."""
        return self.first_break is None and not self.faults


def verify_export(
    path: Path,
    *,
    checkpoints: Iterable[Checked] = (),
    public_key: str = "",
    report: Report = lambda read_bytes: None,
) -> Verdict:
    """Returns the faults of an export.

    Args:
        checkpoints: see `read_kept`; those of other studios and later times are ignored.
        public_key: the expected signer; empty: the key that the export names, which proves only completeness.
        report: called at intervals with the number of bytes read.

    Raises:
        BadFile: not an export.
        OSError: the file cannot be read.
    """
    export, verdict = Export(path), Verdict()
    header = export.header
    wanted = _wanted(checkpoints, header.studio)
    expected = (header.from_sequence, header.previous) if header.whole else None
    last: Item | None = None
    try:
        for item in export.items():
            verdict.entries += 1
            if verdict.entries % REPORT_EVERY == 0:
                report(export.read_bytes)
            verdict.first_break = verdict.first_break or _fault(item, expected, header.studio, last)
            signed = wanted.get(item.sequence)
            if signed is not None:
                verdict.checkpoints_met += 1
                if signed[0] != item.stored and verdict.first_break is None:
                    verdict.first_break = Break(item.sequence, _rewritten(item.sequence, wanted))
            last = item
            expected = (item.sequence + 1, item.stored) if header.whole else None
    except BadFile as error:
        after = f" after entry {last.sequence}" if last else ""
        verdict.faults.append(f"{error}{after}")
        return verdict
    report(export.read_bytes)
    if header.whole and verdict.first_break is None:
        verdict.first_break = _end_fault(export, last)
    _check_signature(export, verdict, public_key)
    if header.whole:
        _check_end(export, verdict, checkpoints)
    else:
        verdict.notes.append(
            "this is a selection: that no entry of it was changed is shown, that none is missing is not"
        )
    return verdict


@dataclass
class Kept:
    """The checkpoints and receipts found, by number.

    `faults` are those of invalid ones; `notes` name the ignored files.
    """

    checkpoints: list[Checked] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_kept(place: Path, *, public_key: str = "") -> Kept:
    """Returns the checkpoints and receipts in a file, or in all files below a folder.

    In a folder, other files such as an export are ignored; a named file must contain checkpoints.

    Raises:
        BadFile: no checkpoint was found, so nothing would be proven.
        OSError: it does not exist or cannot be read.
    """
    kept = Kept()
    if not place.exists():
        raise BadFile(f"{place} is not there: give the file or the folder that the checkpoints are in")
    paths = [place]
    if place.is_dir():
        paths = sorted(path for path in place.rglob("*.json*") if path.is_file())[:MOST_CHECKPOINT_FILES]
    elif what := _other_than_checkpoints(place):
        raise BadFile(f"{place} is {what}: give the receipts that the audit page downloads")
    for path in paths:
        if path != place and (what := _other_than_checkpoints(path)):
            kept.notes.append(f"{path.name} is {what}: left out")
            continue
        # A file of receipts has one in each line.
        lines = path.read_bytes().splitlines() if path.suffix == ".jsonl" else [path.read_bytes()]
        for number, line in enumerate(lines, start=1):
            try:
                kept.checkpoints.append(read_checkpoint(line, public_key=public_key))
            except BadCheckpoint as error:
                where = f"{path.name}, line {number}" if len(lines) > 1 else path.name
                kept.faults.append(f"{where}: {error}")
    if not kept.checkpoints and not kept.faults:
        raise BadFile(f"there is no checkpoint in {place}: give the receipts that the audit page downloads")
    kept.checkpoints.sort(key=lambda item: item.number)
    if fault := row_fault(kept.checkpoints):
        kept.faults.append(fault)
    return kept


def _other_than_checkpoints(path: Path) -> str:
    """Returns the kind of a file that is clearly not one of checkpoints, or an empty text. A damaged one may be one."""
    with path.open("rb") as file:
        content = file.readline() if path.suffix == ".jsonl" else file.read()
    try:
        document = json.loads(content)
    except ValueError:
        return ""
    if not isinstance(document, dict) or not document.keys() & {"statement", "signature"}:
        header = document.get("header") if isinstance(document, dict) else None
        is_export = isinstance(header, dict) and header.get("kind") == KIND
        return "an export of the log" if is_export else "no file of checkpoints"
    return ""


def _wanted(checkpoints: Iterable[Checked], studio_id: UUID | None) -> dict[int, tuple[str, datetime]]:
    wanted: dict[int, tuple[str, datetime]] = {}
    for checkpoint in checkpoints:
        head = checkpoint.head_of(studio_id)
        if head is not None and head.sequence:
            wanted.setdefault(head.sequence, (head.hash.hex(), checkpoint.taken_at))
    return wanted


def _fault(
    item: Item, expected: tuple[int, str] | None, studio_id: UUID | None, last: Item | None
) -> Break | None:
    if item.studio_id != studio_id:
        return Break(item.sequence, "it belongs to another chain than the file")
    if expected is not None and item.sequence != expected[0]:
        return Break(expected[0], f"entry {expected[0]} is missing")
    if expected is not None and item.previous != expected[1]:
        return Break(item.sequence, "it does not follow from the entry before it")
    # In a selection, entries that are adjacent in the chain must still fit.
    beside = last is not None and last.sequence + 1 == item.sequence
    if expected is None and beside and last is not None and item.previous != last.stored:
        return Break(item.sequence, "it does not follow from the entry before it")
    if item.computed != item.stored:
        return Break(item.sequence, "its content does not match its hash")
    return None


def _rewritten(sequence: int, wanted: dict[int, tuple[str, datetime]]) -> str:
    at = wanted[sequence][1]
    before = max((other for other in wanted if other < sequence), default=0)
    return (
        f"it is not the entry that was signed at {at:%Y-%m-%d %H:%M} UTC: the log was rewritten somewhere from entry"
        f" {before + 1} to here"
    )


def _end_fault(export: Export, last: Item | None) -> Break | None:
    header = export.header
    if header.to_sequence < header.from_sequence:
        return None
    reached = last.sequence if last else header.from_sequence - 1
    if reached != header.to_sequence:
        return Break(
            reached + 1, f"the file says it goes to entry {header.to_sequence}, and ends at {reached}"
        )
    if header.from_sequence == 1 and header.previous != GENESIS.hex():
        return Break(1, "the first entry does not begin the chain")
    if last and reached == header.head_sequence and last.stored != header.head_hash:
        return Break(reached, "it is not the entry that the head of the chain names")
    return None


def _check_signature(export: Export, verdict: Verdict, public_key: str) -> None:
    header, footer = export.header, export.footer
    if footer is None:
        return
    if (footer.entries, footer.sha256) != (verdict.entries, export.sha256):
        verdict.faults.append("the file was changed after it was signed")
    if public_key and header.public_key != public_key:
        verdict.faults.append(f"the file is signed by {header.public_key}, not by {public_key}")
    try:
        verify_signature(header.public_key, export.signature, signed_bytes(header, footer))
    except (BadCheckpoint, ValueError) as error:
        verdict.faults.append(f"signature of the file: {error}")
    if not public_key:
        verdict.notes.append(
            f"signed by {header.public_key}; use --public-key to check that it is yours: a forged file is signed too"
        )


def _check_end(export: Export, verdict: Verdict, checkpoints: Iterable[Checked]) -> None:
    header = export.header
    exported_at = datetime.fromisoformat(header.exported_at)
    for checkpoint in checkpoints:
        head = checkpoint.head_of(header.studio)
        cut = head is not None and checkpoint.taken_at <= exported_at and head.sequence > header.head_sequence
        if head is not None and cut and verdict.first_break is None:
            verdict.first_break = Break(
                header.head_sequence + 1,
                f"{head.sequence} entries were signed at {checkpoint.taken_at:%Y-%m-%d %H:%M} UTC, and the log had only"
                f" {header.head_sequence} when it was exported: its end was cut off",
            )
