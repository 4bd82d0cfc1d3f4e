"""Frees disk space: removes committed copies past their age, and younger ones if the disk is nearly full.

Nothing else is removed unless the agent's settings say so; then `oldest` chooses among segments without a receipt.
"""

import contextlib
import logging
from datetime import datetime

from edge_agent.files import Files
from edge_agent.spool.index import Index
from edge_agent.spool.layout import CLOSED, MANIFEST, Layout
from shared.protocol.ids import CameraId
from shared.protocol.manifest import SegmentManifest

log = logging.getLogger(__name__)

BATCH = 200
LOW_ROOM_BYTES = 256 << 20
"""With less space than this, committed copies are removed before their minimum age: recording comes first."""


def clean(
    layout: Layout, index: Index, files: Files, *, committed_before_at: datetime, wanted_bytes: int
) -> int:
    """Removes committed segments from the disk and returns how many bytes that freed.

    Args:
        layout: paths of the files.
        index: knows what is committed.
        files: the file system.
        committed_before_at: every segment committed before this instant is removed.
        wanted_bytes: younger ones are removed too, oldest commit first, until this much is freed.

    Raises:
        OSError: the disk refuses a removal; those before it are done and noted.
    """
    freed = remove(layout, index, files, index.to_clean(committed_before_at, BATCH))
    while freed < wanted_bytes:
        younger = index.to_clean(datetime.max.replace(tzinfo=committed_before_at.tzinfo), BATCH)
        enough: list[SegmentManifest] = []
        for manifest in younger:
            if freed + sum(m.size_bytes for m in enough) >= wanted_bytes:
                break
            enough.append(manifest)
        if not enough:
            break
        freed += remove(layout, index, files, enough)
    return freed


def oldest(index: Index, *, wanted_bytes: int, least: int) -> list[SegmentManifest]:
    """Returns the oldest pending segments: at least `least` of them, and more until they hold `wanted_bytes`."""
    chosen: list[SegmentManifest] = []
    for row in index.pending(BATCH):
        if len(chosen) >= least and sum(m.size_bytes for m in chosen) >= wanted_bytes:
            break
        chosen.append(row.manifest)
    return chosen


def remove(layout: Layout, index: Index, files: Files, manifests: list[SegmentManifest]) -> int:
    """Removes the files of segments, and returns how many bytes that freed.

    Raises:
        OSError, sqlite3.Error: the disk refuses; removals so far are recorded if possible.
    """
    freed = 0
    gone = []
    try:
        for manifest in manifests:
            path = layout.segment(manifest.camera_id, manifest.sequence, manifest.segment_id, CLOSED)
            with contextlib.suppress(FileNotFoundError):
                files.remove(path)
            # The newest manifest of a camera stays: without the index it is the only record of the last sequence number.
            if manifest.sequence != index.last_sequence(CameraId(manifest.camera_id)):
                with contextlib.suppress(FileNotFoundError):
                    files.remove(path.with_suffix(MANIFEST))
            freed += manifest.size_bytes
            gone.append(manifest.segment_id)
    finally:
        index.mark_removed(gone)
    return freed
