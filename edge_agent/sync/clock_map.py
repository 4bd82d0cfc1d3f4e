"""Maps the media clock of one run to UTC, from sender reports where the camera's clock is sane, else from arrivals."""

from collections import deque

from edge_agent.sources.packet import MediaPacket
from edge_agent.sync.linear_fit import ClockFit, fit_least_squares, fit_lower_envelope
from edge_agent.sync.utc_reference import UtcReference, utc_of
from shared.kernel.timebase import ticks_to_us
from shared.protocol.media import ClockEstimate, ClockMethod
from shared.protocol.timing import ERROR_BOUND_MOST_US

AGREE_US = 5_000
"""Two consecutive reports that agree this well settle the map."""
EARLIEST_US = -100_000
LATEST_US = 1_000_000
"""Range of arrival minus sender time for a sane camera clock, as seen by an accurate clock."""
SANE_MORE_MOST_US = 1_000_000
"""Most by which our own clock's error widens that range. Of two cameras of a room one may be accepted and the other not;
this bounds how far apart they then are."""
STEP_US = 50_000
"""A settled camera clock that jumps by more than this was set."""
ARRIVAL_EARLY_US = 100_000
ARRIVAL_LATE_US = 1_000_000
"""Arrivals this far below the fit, or for five seconds this far above it, mean that the media clock jumped."""
NO_REPORT_US = 10_000_000
"""Without a report for this long, arrivals are used for the run."""
NO_AGREEMENT_US = 30_000_000
WINDOW_S = 600
SLOPE_SPAN_US = 60_000_000
SLEW_US_PER_S = 500.0
"""Rate at which the published fit follows a better one, so that dates within a run never jump."""
REPORT_ERROR_US = 1_000.0
ARRIVAL_ERROR_US = 40_000.0
"""Constant delay that arrivals cannot reveal: the network's minimum, and FFmpeg's hold of one frame."""


class ClockMap:
    """The clock of one run.

    The error bound is relative to the clock that dates the run: the control plane's for arrivals, the camera's own for
    sender reports. All cameras of an agent share the former's error, so they agree better than the bound says.

    The reader's thread calls `observe` for each picture. `estimate` may be called from any thread and returns the published
    fit, which is replaced as a whole once a second. The method is chosen once; until then the fit is provisional.
    """

    def __init__(self, reference: UtcReference, *, offset_us: int = 0) -> None:
        """Args:
        reference: UTC of arrivals, shared by all cameras.
        offset_us: added to every UTC time: the negative of the camera's constant encoder delay.
        """
        self._reference = reference
        self._generation = reference.generation
        self._offset_us = offset_us
        self._method: ClockMethod | None = None
        self._fit: ClockFit | None = None
        self._estimate: ClockEstimate | None = None
        self._first_us: int | None = None
        self._second = 0
        self._lowest: tuple[int, float] | None = None
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=WINDOW_S)
        self._reports: deque[tuple[int, float]] = deque(maxlen=WINDOW_S // 5)
        self._report_count = 0
        self._outliers = 0
        self._late_seconds = 0

    def estimate(self) -> ClockEstimate | None:
        """Returns the published fit, or None before the first picture."""
        return self._estimate

    def observe(self, packet: MediaPacket) -> bool:
        """Observes a picture. Returns True if the clock stepped, so that a new run with a new map must start."""
        x_us = ticks_to_us(packet.pts_90k)
        offset = float(self._reference.utc_us(packet.arrival_ns) - x_us)
        if self._reference.generation != self._generation:
            return True
        if self._first_us is None:
            self._first_us = x_us
        stepped = False
        # One point per second of media time: the lowest offset, of the packet that the network delayed least.
        second = x_us // 1_000_000
        if second != self._second and self._lowest is not None:
            stepped = self._process_second(x_us, self._lowest, x_us - self._first_us)
            self._lowest = None
        self._second = second
        if self._lowest is None or offset < self._lowest[1]:
            self._lowest = (x_us, offset)
            if self._fit is None or (self._method is None and offset < self._fit.offset_at(x_us)):
                self._publish(ClockFit(x_us, offset, 0.0, 0.0), x_us)
        if packet.sender_us is not None and packet.reports != self._report_count:
            self._report_count = packet.reports
            stepped = self._add_report(x_us, float(packet.sender_us - x_us)) or stepped
        return stepped

    def _add_report(self, x_us: int, offset: float) -> bool:
        line = self._fit
        if self._method is ClockMethod.ARRIVAL or line is None:
            return False
        if self._method is ClockMethod.RTCP_SR:
            if abs(offset - line.offset_at(x_us)) > STEP_US:
                self._outliers += 1
                return self._outliers >= 2
            self._outliers = 0
            self._reports.append((x_us, offset))
            return False
        self._reports.append((x_us, offset))
        if len(self._reports) >= 2:
            (_, before), (_, last) = self._reports[-2], self._reports[-1]
            late_us = line.offset_at(x_us) - offset
            # Widened by our own error: a correct camera must not be rejected because our clock is off.
            more_us = min(self._reference.error_us(), SANE_MORE_MOST_US)
            if abs(last - before) <= AGREE_US and EARLIEST_US - more_us < late_us < LATEST_US + more_us:
                # Only the two that agree: earlier reports may be from before the camera's clock was set.
                while len(self._reports) > 2:
                    self._reports.popleft()
                self._method = ClockMethod.RTCP_SR
                self._publish(self._best_fit(), x_us)
        return False

    def _process_second(self, x_us: int, lowest: tuple[int, float], elapsed_us: int) -> bool:
        stepped = False
        if self._method is ClockMethod.ARRIVAL and self._fit is not None:
            over = lowest[1] - self._fit.offset_at(lowest[0])
            self._late_seconds = self._late_seconds + 1 if over > ARRIVAL_LATE_US else 0
            stepped = over < -ARRIVAL_EARLY_US or self._late_seconds >= 5
        self._arrivals.append(lowest)
        if self._method is None and elapsed_us > (NO_AGREEMENT_US if self._reports else NO_REPORT_US):
            self._method = ClockMethod.ARRIVAL
            self._publish(self._best_fit(), x_us)
        elif self._method is None or self._fit is None:
            self._publish(self._best_fit(), x_us)
        else:
            self._slew_to(self._fit.anchored_at(x_us), self._best_fit(), x_us)
        return stepped

    def _best_fit(self) -> ClockFit:
        if self._method is ClockMethod.RTCP_SR:
            line = fit_least_squares(list(self._reports), least_span_us=SLOPE_SPAN_US)
            return ClockFit(line.at_us, line.offset_us, line.rate_ppb, line.error_us + REPORT_ERROR_US)
        points = list(self._arrivals) or [self._lowest or (0, 0.0)]
        line = fit_lower_envelope(points, least_span_us=SLOPE_SPAN_US)
        return ClockFit(line.at_us, line.offset_us, line.rate_ppb, line.error_us + ARRIVAL_ERROR_US)

    def _slew_to(self, here: ClockFit, wanted: ClockFit, x_us: int) -> None:
        """Moves the published fit towards a better one, by at most one second's slew."""
        off = wanted.offset_at(x_us) - here.offset_us
        step = max(-SLEW_US_PER_S, min(SLEW_US_PER_S, off))
        self._publish(
            ClockFit(x_us, here.offset_us + step, wanted.rate_ppb, wanted.error_us + abs(off - step)), x_us
        )

    def _publish(self, line: ClockFit, x_us: int) -> None:
        line = self._fit = line.anchored_at(x_us)
        # The anchor is a whole tick of 1/90000 s; UTC is evaluated at that tick, not at `x_us`, up to 11 us away.
        anchor_90k = x_us * 9 // 100
        utc_us = ticks_to_us(anchor_90k) + line.offset_at(ticks_to_us(anchor_90k)) + self._offset_us
        error_us = max(line.error_us, REPORT_ERROR_US)
        if self._method is not ClockMethod.RTCP_SR:
            # Arrivals are dated by our clock, whose error adds up; reports by the camera's, whose error is unknown here.
            error_us += self._reference.error_us()
        self._estimate = ClockEstimate(
            method=self._method or ClockMethod.ARRIVAL,
            anchor_pts_90k=anchor_90k,
            anchor_at=utc_of(round(utc_us)),
            rate_ppb=round(line.rate_ppb),
            error_bound_us=round(min(error_us, ERROR_BOUND_MOST_US)),
            provisional=self._method is None,
        )
