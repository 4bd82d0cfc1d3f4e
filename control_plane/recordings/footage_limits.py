"""Limits of the footage of a class: what its cameras can have produced in the elapsed time, with a margin; pure.

The elapsed time is measured by the control plane: from the start of the recording to its stop, or to now. A misbehaving
agent therefore cannot fill a class faster than cameras could, and the number of cameras bounds the rows that a studio
can create in an hour.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

MAX_TRACKS = 32
"""Per class. A room usually has three cameras."""
FRAGMENT_ALLOWANCE, FRAGMENTS_PER_S = 600, 4
"""Per track. An agent makes at most two fragments a second (`FRAGMENT_LEAST_90K`), of a camera with key frames only."""
MAX_FRAGMENTS = 150_000
"""Per class: 14 hours of three cameras with a key frame each second. Building their timeline takes about 2 s."""
BYTES_ALLOWANCE, BYTES_PER_S = 512 << 20, 12_500_000
"""Per track: 100 Mbit/s, three times the rate of 4K cameras."""
GAPS_ALLOWANCE, GAPS_PER_S = 200, 0.5
"""Per track. An agent reports a gap every 30 s while a camera is offline, and one per reconnection."""
MAX_GAPS = 5_000
"""Per class."""
MAX_INFERRED_GAPS = 1_000
"""Rows for gaps that no agent reported; the longest ones are stored."""
GRACE = timedelta(minutes=2)
"""Tolerance for clock differences and for frames that arrive after Stop."""


@dataclass(frozen=True, slots=True)
class FootageLimits:
    """Current limits of a class, all tracks together."""

    fragments: int
    size_bytes: int
    gaps: int


def footage_limits(*, begun_at: datetime, until_at: datetime, tracks: int) -> FootageLimits:
    """Returns the limits of a class of `tracks` cameras, recorded from `begun_at` until `until_at`."""
    passed_s = max(0.0, (until_at - begun_at + GRACE).total_seconds())
    tracks = max(1, min(tracks, MAX_TRACKS))
    return FootageLimits(
        fragments=min(MAX_FRAGMENTS, int(tracks * (FRAGMENT_ALLOWANCE + FRAGMENTS_PER_S * passed_s))),
        size_bytes=int(tracks * (BYTES_ALLOWANCE + BYTES_PER_S * passed_s)),
        gaps=min(MAX_GAPS, int(tracks * (GAPS_ALLOWANCE + GAPS_PER_S * passed_s))),
    )
