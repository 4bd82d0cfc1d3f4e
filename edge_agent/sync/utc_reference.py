"""UTC of monotonic readings, one reference for all cameras: sharing it keeps them in sync with each other."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol

from shared.kernel.clock import SLEW_PPM

STEP_US = 200_000
"""A larger difference to the clock is not slewed but starts a new generation."""
LOOK_NS = 1_000_000_000
APART_NS = 2_000_000
TRIES = 5

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timescale(Protocol):
    """The clock behind the reference: it knows its error bound and counts its steps."""

    steps: int

    def now(self) -> datetime:
        """Returns UTC now, with time zone."""
        ...

    def monotonic_ns(self) -> int:
        """Returns nanoseconds since an arbitrary start; never goes back."""
        ...

    def error_bound_us(self) -> int:
        """Returns how far `now` may be off, in microseconds."""
        ...


class UtcReference:
    """Follows a `Timescale` without its jitter: linear between readings, slewed at a bounded rate, stepped with it.

    Any thread may call it. `generation` rises with each step; users of the old generation have to start again.
    """

    def __init__(self, clock: Timescale) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.generation = 0
        self._begin()

    def _begin(self) -> None:
        self._steps = self._clock.steps
        readings = [self._read() for _ in range(TRIES)]
        _, self._base_ns, self._base_us = min(readings)
        self._synchronised_ns = self._base_ns
        self._slewed_us = 0.0
        self._behind_us = 0.0

    def _read(self) -> tuple[int, int, int]:
        """Reads both clocks; returns the uncertainty in ns, monotonic ns, UTC in us."""
        before_ns = self._clock.monotonic_ns()
        utc_us = _us(self._clock.now())
        after_ns = self._clock.monotonic_ns()
        return after_ns - before_ns, (before_ns + after_ns) // 2, utc_us

    def utc_us(self, monotonic_ns: int) -> int:
        """Returns microseconds since 1970 at a reading of the monotonic clock."""
        with self._lock:
            if self._clock.monotonic_ns() - self._synchronised_ns >= LOOK_NS:
                self._synchronise()
            return self._utc_at(monotonic_ns)

    def error_us(self) -> int:
        """Returns the error bound of `utc_us` in microseconds: the clock's own, and what is still to be slewed."""
        with self._lock:
            behind_us = self._behind_us
        return self._clock.error_bound_us() + round(abs(behind_us))

    def _utc_at(self, monotonic_ns: int) -> int:
        return self._base_us + (monotonic_ns - self._base_ns) // 1000 + round(self._slewed_us)

    def _synchronise(self) -> None:
        apart_ns, now_ns, utc_us = self._read()
        if apart_ns > APART_NS:
            # The thread was preempted between the readings: they are useless.
            return
        off_us = utc_us - self._utc_at(now_ns)
        if abs(off_us) > STEP_US or self._steps != self._clock.steps:
            self.generation += 1
            self._begin()
            return
        # 1 ppm is 1 us per second: the slew allowed since the last reading.
        most_us = (now_ns - self._synchronised_ns) / 1e9 * SLEW_PPM
        slewed_us = max(-most_us, min(most_us, off_us))
        self._slewed_us += slewed_us
        self._behind_us = off_us - slewed_us
        self._synchronised_ns = now_ns


def utc_of(us: int) -> datetime:
    """Returns the instant `us` microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=us)


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
