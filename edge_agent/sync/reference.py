"""UTC of monotonic readings, one line for all cameras: they must share it to be in time with each other."""

import threading
from datetime import UTC, datetime, timedelta

from shared.kernel.clock import Clock

STEP_US = 200_000
"""A difference between the clock and this line that is no longer slewed away but starts a new line."""
SLEW_PPM = 100
LOOK_NS = 1_000_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UtcReference:
    """Follows a `Clock` without its jitter: straight between looks, slewed by at most 100 ppm, stepped as a last resort.

    Any thread may call it. `generation` rises with each step; whoever built on the old line starts anew.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.generation = 0
        self._begin()

    def _begin(self) -> None:
        self._base_ns = self._looked_ns = self._clock.monotonic_ns()
        self._base_us = _us(self._clock.now())
        self._slewed_us = 0.0

    def utc_us(self, monotonic_ns: int) -> int:
        """Returns microseconds since 1970 at a reading of the monotonic clock."""
        with self._lock:
            now_ns = self._clock.monotonic_ns()
            if now_ns - self._looked_ns >= LOOK_NS:
                self._look(now_ns)
            return self._line(monotonic_ns)

    def _line(self, monotonic_ns: int) -> int:
        return self._base_us + (monotonic_ns - self._base_ns) // 1000 + round(self._slewed_us)

    def _look(self, now_ns: int) -> None:
        off_us = _us(self._clock.now()) - self._line(now_ns)
        if abs(off_us) > STEP_US:
            self.generation += 1
            self._begin()
            return
        most_us = (now_ns - self._looked_ns) / 1e9 * SLEW_PPM
        self._slewed_us += max(-most_us, min(most_us, off_us))
        self._looked_ns = now_ns


def utc_of(us: int) -> datetime:
    """Returns the instant `us` microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=us)


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
