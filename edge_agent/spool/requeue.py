"""Re-queue committed segments that the control plane lost."""

from collections.abc import Iterable

from edge_agent.spool.scrub import PENDING_STATES, CheckDepth, verify_file
from edge_agent.spool.spool import Spool
from shared.protocol.ids import SegmentId
from shared.protocol.messages import SendingAgain


def requeue_segments(spool: Spool, segment_ids: Iterable[SegmentId]) -> SendingAgain:
    """Verifies each segment and marks it pending; returns what became of each. Idempotent.

    The file is hashed first, so that a damaged copy is never sent. A segment that is pending already counts as coming.

    Raises:
        OSError, sqlite3.Error: the index cannot be read or written; segments before the failure are pending.
    """
    coming, gone, damaged = [], [], []
    for segment_id in dict.fromkeys(segment_ids):
        row = spool.index.segment(segment_id)
        path = spool.path(row.manifest) if row is not None else None
        if row is None or path is None or not (row.is_stored and path.exists()):
            gone.append(segment_id)
        elif row.state in PENDING_STATES:
            coming.append(segment_id)
        elif verify_file(path, row.manifest, CheckDepth.HASH):
            damaged.append(segment_id)
        elif spool.requeue(row.manifest):
            coming.append(segment_id)
        else:
            gone.append(segment_id)
    return SendingAgain(coming=tuple(coming), gone=tuple(gone), damaged=tuple(damaged))
