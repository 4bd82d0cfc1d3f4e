"""Linear fit from media time to UTC: least squares over sender reports, or the lower envelope of arrivals. Pure."""

from dataclasses import dataclass
from itertools import pairwise

RATE_LIMIT_PPB = 200_000
"""Tolerance of crystal oscillators: no camera clock deviates by more (200 ppm)."""


@dataclass(frozen=True)
class ClockFit:
    """`utc_us(x) = x + offset_us + (x - at_us) * rate_ppb / 1e9`, with x the media time in microseconds."""

    at_us: int
    offset_us: float
    rate_ppb: float
    error_us: float

    def offset_at(self, x_us: int) -> float:
        """Returns UTC minus media time at `x_us`, in microseconds."""
        return self.offset_us + (x_us - self.at_us) * self.rate_ppb / 1e9

    def anchored_at(self, x_us: int) -> "ClockFit":
        """Returns the same line, anchored at `x_us`."""
        return ClockFit(x_us, self.offset_at(x_us), self.rate_ppb, self.error_us)


def fit_least_squares(points: list[tuple[int, float]], *, least_span_us: int) -> ClockFit:
    """Returns the least-squares fit through (media time, offset) points; without slope if they span too little.

    Its error is the largest residual.
    """
    mean_x = sum(x for x, _ in points) / len(points)
    mean_o = sum(o for _, o in points) / len(points)
    slope = 0.0
    if points[-1][0] - points[0][0] >= least_span_us:
        spread = sum((x - mean_x) ** 2 for x, _ in points)
        slope = _bounded(sum((x - mean_x) * (o - mean_o) for x, o in points) / spread)
    error = max(abs(o - mean_o - slope * (x - mean_x)) for x, o in points)
    return ClockFit(round(mean_x), mean_o + slope * (round(mean_x) - mean_x), slope * 1e9, error)


def fit_lower_envelope(points: list[tuple[int, float]], *, least_span_us: int) -> ClockFit:
    """Returns the highest line below all arrivals: the network can only delay packets.

    It is the edge of the lower convex hull below the middle of the points; without slope if they span too little. Its error
    is the median height of the points above it, the variation of the network's delay.
    Source: S. Moon, P. Skelly, D. Towsley, "Estimation and removal of clock skew from network delay measurements", 1999.
    """
    if points[-1][0] - points[0][0] < least_span_us:
        x, o = min(points, key=lambda point: point[1])
        return ClockFit(x, o, 0.0, _median([other - o for _, other in points]))
    hull: list[tuple[int, float]] = []
    for point in points:
        while len(hull) >= 2 and _turns_up(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    middle = (points[0][0] + points[-1][0]) / 2
    left, right = next(((a, b) for a, b in pairwise(hull) if a[0] <= middle <= b[0]), (hull[0], hull[-1]))
    slope = _bounded((right[1] - left[1]) / (right[0] - left[0]))
    # A bounded slope may require a lower offset to stay below all points.
    x0 = left[0]
    offset = min(o - slope * (x - x0) for x, o in points)
    return ClockFit(x0, offset, slope * 1e9, _median([o - offset - slope * (x - x0) for x, o in points]))


def _turns_up(a: tuple[int, float], b: tuple[int, float], c: tuple[int, float]) -> bool:
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])


def _bounded(slope: float) -> float:
    limit = RATE_LIMIT_PPB / 1e9
    return max(-limit, min(limit, slope))


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
