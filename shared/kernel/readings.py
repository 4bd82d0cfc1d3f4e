"""Offset of another machine's clock, from readings received over a network. Pure.

A reading that the server takes between a request and its answer bounds the offset (server minus local) from both sides,
for any delay of either direction: the offset lies in `[reading - answered, reading - asked]`. Several readings are
combined as NTP combines servers: by intersection of intervals, where a minority may be wrong.

Source: K. Marzullo, S. Owicki, "Maintaining the time in a distributed system", 1983; RFC 5905, section 11.2.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

DRIFT_PPM = 100
"""Largest rate of change of the offset: two crystals of 50 ppm each. The interval of a reading widens by it with age."""
READINGS_KEPT = 16
WRONG_MOST = 2
"""Number of stored readings that may be wrong without effect on the estimate."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of the other clock. The offset at `asked_ns` lies in `[low_us, high_us]`.

    `asked_ns` and `answered_ns` are readings of the local clock in nanoseconds, taken before the request was sent and
    after the answer arrived.
    """

    asked_ns: int
    answered_ns: int
    low_us: int
    high_us: int

    @classmethod
    def of(cls, server_us: int, asked_ns: int, answered_ns: int) -> "Reading":
        """Returns the reading of a server that reported `server_us` (microseconds since 1970, rounded down) in between."""
        return cls(
            asked_ns, answered_ns, server_us - -(-answered_ns // 1000), server_us + 1 - asked_ns // 1000
        )

    def at(self, now_ns: int) -> tuple[int, int]:
        """Returns the interval of the offset at a later local reading, widened by the drift of the crystals."""
        widened_us = 1 + (now_ns - self.asked_ns) * DRIFT_PPM // 1_000_000_000
        return self.low_us - widened_us, self.high_us + widened_us

    def widened(self, by_us: int) -> "Reading":
        """Returns the reading with `by_us` more error on each side."""
        return Reading(self.asked_ns, self.answered_ns, self.low_us - by_us, self.high_us + by_us)


@dataclass(frozen=True, slots=True)
class Offset:
    """Interval of the offset. `agreed`: all readings but the few that may be wrong have a common point."""

    low_us: int
    high_us: int
    agreed: bool

    @property
    def middle_us(self) -> int:
        """The point with the least error, exact if both directions took equally long."""
        return (self.low_us + self.high_us) // 2

    @property
    def half_us(self) -> int:
        """The largest error of the middle."""
        return (self.high_us - self.low_us + 1) // 2

    def error_us(self, offset_us: int) -> int:
        """Returns the largest distance of an offset from the true one."""
        return max(abs(offset_us - self.low_us), abs(self.high_us - offset_us))

    def nearest_us(self, offset_us: int, *, margin_us: int) -> int:
        """Returns the offset nearest to `offset_us`, `margin_us` inside the interval; of a narrow interval its middle."""
        margin_us = min(margin_us, (self.high_us - self.low_us) // 2)
        return min(max(offset_us, self.low_us + margin_us), self.high_us - margin_us)


def combine(readings: Sequence[Reading], now_ns: int) -> Offset | None:
    """Returns the interval of the offset at `now_ns`; None without readings.

    Of m readings at most `WRONG_MOST`, and fewer than half, may be wrong (f). The true offset is a point of the m - f
    others, so it lies between the first and the last point that m - f intervals cover, whichever f are wrong. If no
    point is covered so often, more are wrong, and the offset may lie in any of the intervals.
    """
    if not readings:
        return None
    intervals = [reading.at(now_ns) for reading in readings]
    needed = len(intervals) - min(WRONG_MOST, (len(intervals) - 1) // 2)
    low_us = _first_covered(intervals, needed)
    if low_us is None:
        return Offset(min(low for low, _ in intervals), max(high for _, high in intervals), agreed=False)
    mirrored = _first_covered([(-high, -low) for low, high in intervals], needed)
    return Offset(low_us, -(mirrored or 0), agreed=True)


def independent(readings: Sequence[Reading], offset: Offset, now_ns: int) -> int:
    """Returns the number of readings that agree with `offset` and were requested one after the answer of the other.

    Answers that waited together for one stalled server count once.
    """
    count, free_ns = 0, None
    for reading in sorted(readings, key=lambda item: item.answered_ns):
        low_us, high_us = reading.at(now_ns)
        if low_us > offset.high_us or high_us < offset.low_us:
            continue
        if free_ns is None or reading.asked_ns >= free_ns:
            count, free_ns = count + 1, reading.answered_ns
    return count


def _first_covered(intervals: Sequence[tuple[int, int]], needed: int) -> int | None:
    """Returns the smallest point that at least `needed` closed intervals cover, or None."""
    covered = 0
    # At one point, intervals begin before others end: they are closed.
    edges = sorted([(low, 0) for low, _ in intervals] + [(high, 1) for _, high in intervals])
    for point, ends in edges:
        covered += -1 if ends else 1
        if covered >= needed:
            return point
    return None
