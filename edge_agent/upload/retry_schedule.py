"""When failed segments are retried: pure, bounded.

Each failure delays a segment further, so that one that can never be uploaded does not hold up the others.
"""

from collections.abc import Collection
from dataclasses import dataclass

from shared.protocol.errors import Code
from shared.protocol.ids import SegmentId

MOST = 256
LONGEST_WAIT_S = 600.0
LONGEST_NETWORK_S = 60.0
"""For a failure that may have been the network's."""

MENDABLE = frozenset(
    {
        Code.SEGMENT_MISSING,
        Code.SEGMENT_CORRUPT,
        Code.STORE_UNAVAILABLE,
        Code.UNAVAILABLE,
        Code.INTERNAL,
        Code.TOO_MANY_REQUESTS,
        Code.UPLOAD_TARGET_EXPIRED,
    }
)
"""Refusals that a new intent and a new PUT may resolve, whatever the answer says about retrying."""


@dataclass
class _Deferral:
    failures: int
    until_ns: int
    is_network: bool


class RetrySchedule:
    """Retries of at most `MOST` segments; beyond that the one due first is dropped, and so retried sooner."""

    def __init__(self) -> None:
        self._retries: dict[SegmentId, _Deferral] = {}

    def __len__(self) -> int:
        return len(self._retries)

    @property
    def ids(self) -> Collection[SegmentId]:
        """The segments that failed and were not uploaded since."""
        return self._retries.keys()

    def defer(self, segment_id: SegmentId, now_ns: int, *, is_network: bool = False) -> float:
        """Delays a segment, longer with each failure, and returns the delay in seconds.

        Args:
            segment_id: the segment.
            now_ns: monotonic.
            is_network: the network may be the cause, not the segment.
        """
        before = self._retries.pop(segment_id, None)
        failures = before.failures + 1 if before else 0
        # The first retry is immediate: an expired target or a broken connection is not its fault. Then 2, 4, 8 ... s.
        most_s = LONGEST_NETWORK_S if is_network else LONGEST_WAIT_S
        wait_s = min(most_s, 2.0 ** min(failures, 30)) if failures else 0.0
        if len(self._retries) >= MOST:
            del self._retries[min(self._retries, key=lambda i: self._retries[i].until_ns)]
        self._retries[segment_id] = _Deferral(failures, now_ns + round(wait_s * 1e9), is_network)
        return wait_s

    def failures(self, segment_id: SegmentId) -> int:
        """Returns how many failures in a row followed a segment's first one."""
        known = self._retries.get(segment_id)
        return known.failures if known else 0

    def is_due(self, segment_id: SegmentId, now_ns: int) -> bool:
        """Returns whether a segment may be sent now."""
        known = self._retries.get(segment_id)
        return known is None or known.until_ns <= now_ns

    def next_in_s(self, now_ns: int) -> float | None:
        """Returns in how many seconds the next retry is due; None if there is none."""
        waits = [d.until_ns - now_ns for d in self._retries.values() if d.until_ns > now_ns]
        return min(waits) / 1e9 if waits else None

    def forget(self, segment_id: SegmentId) -> None:
        """Drops a segment that was uploaded or quarantined."""
        self._retries.pop(segment_id, None)

    def retry_network_failures(self) -> None:
        """Makes retries after network failures due now: the network works again."""
        for segment_id in [i for i, d in self._retries.items() if d.is_network]:
            del self._retries[segment_id]
