"""What is missing from a track without a gap row, found when its recording goes on after a start; pure.

A gap is written down after the fragment that ends it. An agent that is killed between the two, or while a full disk
takes no notes, would leave a silence: this finds it in what is on the disk.
"""

import itertools
from collections.abc import Iterable, Sequence
from datetime import datetime

from edge_agent.spool.dating import begin_of, end_of
from edge_agent.spool.ledger import TOLERANCE
from shared.protocol.manifest import GapRecord, SegmentManifest

Span = tuple[datetime, datetime]


def holes(
    segments: Sequence[SegmentManifest], gaps: Iterable[GapRecord], *, since_at: datetime, whole: bool
) -> list[Span]:
    """Returns each stretch of a track, from and to, that neither a segment nor a gap accounts for.

    Args:
        segments: all that is known of the track, by their numbers. Where a number is missing, nothing is said of the
            time before it: its segment may have been sent and forgotten.
        gaps: all that is known of the track, in any order.
        since_at: what lies before is accounted for.
        whole: nothing was forgotten, so that the time from `since_at` to the first segment is looked at, too.
    """
    known = sorted((gap.from_at, gap.to_at) for gap in gaps)
    between = [
        (end_of(before), begin_of(after))
        for before, after in itertools.pairwise(segments)
        if after.sequence == before.sequence + 1 and not _follows(before, after)
    ]
    if whole and segments:
        between.insert(0, (since_at, begin_of(segments[0])))
    found = (_left(max(since_at, from_at), to_at, known) for from_at, to_at in between)
    return [(from_at, to_at) for from_at, to_at in found if to_at - from_at > TOLERANCE]


def _left(from_at: datetime, to_at: datetime, gaps: Iterable[Span]) -> Span:
    """Returns what gaps leave of a stretch, from its beginning on."""
    for gap_from_at, gap_to_at in gaps:
        if gap_from_at <= from_at + TOLERANCE:
            from_at = max(from_at, gap_to_at)
    return from_at, to_at


def _follows(before: SegmentManifest, after: SegmentManifest) -> bool:
    """Returns whether one goes on where the other ended, by media time: then there is no hole, whatever dates say."""
    last = before.fragments[-1]
    return before.run == after.run and last.pts_90k + last.duration_90k == after.fragments[0].pts_90k
