"""Verifies segment files against the index: presence, size, hash."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edge_agent.spool.index import Index, SegmentState
from edge_agent.spool.layout import CLOSED, Layout
from edge_agent.spool.spool import Spool
from shared.protocol.ids import SegmentId
from shared.protocol.manifest import SegmentManifest

log = logging.getLogger(__name__)

LOOKS_PER_PASS = 7 * 24 * 60
"""`Scrubber.scrub_next` is called once a minute; one pass over the spool takes a week."""
LEAST_BYTES = 16 << 20
"""Least number of bytes that one call reads."""
BATCH = 50
PENDING_STATES = frozenset({SegmentState.CLOSED, SegmentState.INTENDED})


class CheckDepth(StrEnum):
    """How thoroughly a file is checked; each level includes those before it."""

    PRESENCE = "presence"
    SIZE = "size"
    HASH = "hash"


@dataclass(frozen=True)
class FileProblem:
    """A segment whose file does not match the index."""

    segment_id: SegmentId
    path: Path
    problem: str


def verify_file(path: Path, manifest: SegmentManifest, depth: CheckDepth) -> str:
    """Returns what is wrong with the file of a segment; empty if nothing is."""
    try:
        size_bytes = path.stat().st_size
        if depth is not CheckDepth.PRESENCE and size_bytes != manifest.size_bytes:
            return f"the file has {size_bytes} bytes, {manifest.size_bytes} were written"
        if depth is CheckDepth.HASH:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != manifest.sha256:
                    return "the bytes are not those that were written"
    except FileNotFoundError:
        return "the file is missing"
    except OSError as error:
        return f"the file cannot be read: {error.strerror or error}"
    return ""


def check_spool(layout: Layout, index: Index, depth: CheckDepth) -> Iterator[FileProblem | None]:
    """Yields a problem or None for each stored segment, then a problem for each file that the index does not know."""
    after: SegmentId | None = None
    while batch := index.stored_after(after, BATCH):
        for manifest in batch:
            path = layout.segment(manifest.camera_id, manifest.sequence, manifest.segment_id, CLOSED)
            problem = verify_file(path, manifest, depth)
            # It may have been uploaded and cleaned away since the batch was read.
            if problem and (row := index.segment(manifest.segment_id)) is not None and row.is_stored:
                yield FileProblem(manifest.segment_id, path, problem)
            else:
                yield None
        after = batch[-1].segment_id
    # Names first: a segment that a running agent closes afterwards is not reported as unknown.
    files = layout.segment_files()
    known = index.segment_ids()
    for file in files:
        if file.suffix == CLOSED and str(file.segment_id) not in known and file.path.exists():
            yield FileProblem(file.segment_id, file.path, "the index does not know it; a restart adds it")


class Scrubber:
    """Reads pending segments back, a few at a time, and quarantines those that the disk has damaged.

    Used by one task; `scrub_next` takes the disk's time and is called in a thread.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._after: SegmentId | None = None

    def scrub_next(self) -> int:
        """Verifies the next segments and returns how many were damaged; each is recorded as a gap."""
        spool = self._spool
        # One pass over the whole spool takes a week, whatever its size.
        budget_bytes = max(LEAST_BYTES, spool.bytes_used() // LOOKS_PER_PASS)
        damaged = 0
        while budget_bytes > 0:
            batch = spool.index.stored_after(self._after, BATCH)
            if not batch:
                self._after = None
                break
            for manifest in batch:
                damaged += self._scrub(manifest)
                self._after = manifest.segment_id
                budget_bytes -= manifest.size_bytes
                if budget_bytes <= 0:
                    break
        return damaged

    def _scrub(self, manifest: SegmentManifest) -> bool:
        problem = verify_file(self._spool.path(manifest), manifest, CheckDepth.HASH)
        if not problem:
            return False
        # Checked last: it may have been uploaded and cleaned meanwhile, and then nothing is lost.
        row = self._spool.index.segment(manifest.segment_id)
        if row is None or not row.is_stored or row.state not in PENDING_STATES:
            return False
        log.error(
            "a segment is damaged on the disk",
            extra={"segment": str(manifest.segment_id), "problem": problem},
        )
        self._spool.mark_damaged(manifest, problem)
        return True
