"""Which segments wait before they are tried again, and for how long: pure, bounded.

A segment that fails is put behind the others, further each time: one that can never arrive costs the rest nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass

from shared.protocol.errors import Code
from shared.protocol.ids import SegmentId

MOST = 256
LONGEST_WAIT_S = 600.0
LONGEST_LINE_S = 60.0
"""For a failure that may well have been the line's."""

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
"""Refusals that a new intent and a new PUT can mend, whatever the answer says of them."""


@dataclass
class _Deferral:
    failures: int
    until_ns: int
    is_network: bool


class RetrySchedule:
    """At most `MOST` segments; beyond that the one whose turn comes first is forgotten, and so tried again sooner."""

    def __init__(self) -> None:
        self._retries: dict[SegmentId, _Deferral] = {}

    def __len__(self) -> int:
        return len(self._retries)

    @property
    def ids(self) -> Collection[SegmentId]:
        """The segments that failed and have not arrived since."""
        return self._retries.keys()

    def defer(self, segment_id: SegmentId, now_ns: int, *, of_line: bool = False) -> float:
        """Puts a segment back, longer with each failure, and returns for how long (seconds).

        Args:
            segment_id: the segment.
            now_ns: monotonic.
            of_line: it may have been the line and not the segment.
        """
        before = self._retries.pop(segment_id, None)
        failures = before.failures + 1 if before else 0
        # The first new try is made at once: an expired target, or a line that has just broken, is not its fault.
        most_s = LONGEST_LINE_S if of_line else LONGEST_WAIT_S
        wait_s = min(most_s, 2.0 ** min(failures, 30)) if failures else 0.0
        if len(self._retries) >= MOST:
            del self._retries[min(self._retries, key=lambda i: self._retries[i].until_ns)]
        self._retries[segment_id] = _Deferral(failures, now_ns + round(wait_s * 1e9), of_line)
        return wait_s

    def failures(self, segment_id: SegmentId) -> int:
        """Returns how often a segment has failed in a row after its first failure."""
        known = self._retries.get(segment_id)
        return known.failures if known else 0

    def is_due(self, segment_id: SegmentId, now_ns: int) -> bool:
        """Returns whether a segment may be tried."""
        known = self._retries.get(segment_id)
        return known is None or known.until_ns <= now_ns

    def next_in_s(self, now_ns: int) -> float | None:
        """Returns when the next one that waits is due, in seconds; None where none waits."""
        waits = [d.until_ns - now_ns for d in self._retries.values() if d.until_ns > now_ns]
        return min(waits) / 1e9 if waits else None

    def forget(self, segment_id: SegmentId) -> None:
        """The segment has arrived, or is set aside."""
        self._retries.pop(segment_id, None)

    def retry_network_failures(self) -> None:
        """The line is up again: what waits because of it may go."""
        for segment_id in [i for i, d in self._retries.items() if d.is_network]:
            del self._retries[segment_id]
