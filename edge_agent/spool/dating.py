"""When something of a track happened, by the clock line it is dated with; pure."""

from datetime import datetime

from edge_agent.spool.segmenter import Fragment
from shared.kernel.timebase import utc_at
from shared.protocol.manifest import SegmentManifest
from shared.protocol.media import ClockEstimate


def instant(pts_90k: int, clock: ClockEstimate) -> datetime:
    """Returns the UTC instant of a media time."""
    return utc_at(
        pts_90k, anchor_pts_90k=clock.anchor_pts_90k, anchor_at=clock.anchor_at, rate_ppb=clock.rate_ppb
    )


def span_of(fragment: Fragment, clock: ClockEstimate) -> tuple[datetime, datetime]:
    """Returns when a fragment's first picture was taken, and when its last one ended."""
    return instant(fragment.pts_90k, clock), instant(fragment.pts_90k + fragment.duration_90k, clock)


def begin_of(manifest: SegmentManifest) -> datetime:
    """Returns when the first picture of a finished segment was taken."""
    return instant(manifest.fragments[0].pts_90k, manifest.clock)


def end_of(manifest: SegmentManifest) -> datetime:
    """Returns when the last picture of a finished segment ended."""
    last = manifest.fragments[-1]
    return instant(last.pts_90k + last.duration_90k, manifest.clock)
