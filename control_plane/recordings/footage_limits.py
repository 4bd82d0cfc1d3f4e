"""How much a class can hold: what honest agents can have recorded in the time that has passed, with room to spare; pure.

The time is the control plane's own: from when Record was pressed until Stop was, or until now. So an agent that lies
cannot fill a class faster than cameras could, and the number of rows that a studio can make in an hour follows from how
many cameras it has.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_TRACKS = 32
"""Cameras of one class; a room has three, as a rule."""
FRAGMENTS_AT_ONCE, FRAGMENTS_PER_S = 600, 4
"""Of one track. An agent cuts two a second at most (`FRAGMENT_LEAST_90K`), of a camera that sends key frames only."""
MOST_FRAGMENTS = 150_000
"""Of a whole class: 14 hours of three cameras with a key frame each second. To lay them out takes about 2 s."""
BYTES_AT_ONCE, BYTES_PER_S = 512 << 20, 12_500_000
"""Of one track: 100 Mbit/s, three times what 4K cameras send."""
GAPS_AT_ONCE, GAPS_PER_S = 200, 0.5
"""Of one track. While a camera is away an agent writes one every 30 s, and one for each reconnection."""
MOST_GAPS = 5_000
"""Of a whole class."""
MOST_INFERRED_GAPS = 1_000
"""Rows for stretches that nobody explained; the longest are written."""
GRACE = timedelta(minutes=2)
"""For clocks, and for what cameras send after Stop."""


@dataclass(frozen=True, slots=True)
class FootageLimits:
    """What a class can hold by now, all its tracks together."""

    fragments: int
    size_bytes: int
    gaps: int


def footage_limits(*, begun_at: datetime, until_at: datetime, tracks: int) -> FootageLimits:
    """Returns what a class of `tracks` cameras can hold that is recorded from `begun_at` until `until_at`."""
    passed_s = max(0.0, (until_at - begun_at + GRACE).total_seconds())
    tracks = max(1, min(tracks, MOST_TRACKS))
    return FootageLimits(
        fragments=min(MOST_FRAGMENTS, int(tracks * (FRAGMENTS_AT_ONCE + FRAGMENTS_PER_S * passed_s))),
        size_bytes=int(tracks * (BYTES_AT_ONCE + BYTES_PER_S * passed_s)),
        gaps=min(MOST_GAPS, int(tracks * (GAPS_AT_ONCE + GAPS_PER_S * passed_s))),
    )
