"""UTC of monotonic readings, one line for all cameras: they must share it to be in time with each other."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol

from shared.kernel.clock import SLEW_PPM

STEP_US = 200_000
"""A difference between the clock and this line that is no longer slewed away but starts a new line."""
LOOK_NS = 1_000_000_000
APART_NS = 2_000_000
TRIES = 5

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timescale(Protocol):
    """What UTC is taken from: a clock that knows how far it may be off, and says when it stepped."""

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
    """Follows a `Timescale` without its jitter: straight between looks, slewed at most as fast as it is, stepped with it.

    Any thread may call it. `generation` rises with each step; whoever built on the old line starts anew.
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
        """Returns both clocks as of one instant: how far apart in ns the readings may be, monotonic ns, UTC us."""
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
        """Returns how far `utc_us` may be off, in microseconds: the clock's own error and the way to it."""
        with self._lock:
            behind_us = self._behind_us
        return self._clock.error_bound_us() + round(abs(behind_us))

    def _utc_at(self, monotonic_ns: int) -> int:
        return self._base_us + (monotonic_ns - self._base_ns) // 1000 + round(self._slewed_us)

    def _synchronise(self) -> None:
        apart_ns, now_ns, utc_us = self._read()
        if apart_ns > APART_NS:
            # On a busy box this thread was held up between the readings: they say nothing.
            return
        off_us = utc_us - self._utc_at(now_ns)
        if abs(off_us) > STEP_US or self._steps != self._clock.steps:
            self.generation += 1
            self._begin()
            return
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
