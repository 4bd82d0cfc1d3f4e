"""UTC instants of media times, by the clock estimate of a segment; pure."""

from datetime import datetime

from shared.kernel.timebase import utc_at
from shared.protocol.manifest import SegmentManifest
from shared.protocol.media import ClockEstimate


def utc_of_pts(pts_90k: int, clock: ClockEstimate) -> datetime:
    """Returns the UTC instant of a media time."""
    return utc_at(
        pts_90k, anchor_pts_90k=clock.anchor_pts_90k, anchor_at=clock.anchor_at, rate_ppb=clock.rate_ppb
    )


def started_at(manifest: SegmentManifest) -> datetime:
    """Returns when the first picture of a finished segment was taken."""
    return utc_of_pts(manifest.fragments[0].pts_90k, manifest.clock)


def ended_at(manifest: SegmentManifest) -> datetime:
    """Returns when the last picture of a finished segment ended."""
    last = manifest.fragments[-1]
    return utc_of_pts(last.pts_90k + last.duration_90k, manifest.clock)
