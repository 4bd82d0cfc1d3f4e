"""Clocks behind one small Protocol, so that tests can set the time."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from shared.kernel.logs import FailureLog
from shared.kernel.readings import READINGS_KEPT, WRONG_MOST, Reading, combine, independent

log = logging.getLogger(__name__)


class Clock(Protocol):
    """UTC and a monotonic reading. They never mix: UTC dates facts, the monotonic reading measures waits."""

    def now(self) -> datetime:
        """Returns UTC now, with time zone."""
        ...

    def monotonic_ns(self) -> int:
        """Returns nanoseconds since an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Returns UTC now, with time zone."""
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        """Returns `time.monotonic_ns()`."""
        return time.monotonic_ns()


SLEW_PPM = 150
"""Slew rate towards the server's time: faster than crystals drift apart, and too slow to distort recorded times."""
STEP_OVER_US = 100_000
"""Larger errors are stepped: to slew this one takes eleven minutes."""
FIRST_STEP_OVER_US = 10_000
"""The same for the first known time, when hardly anything is dated yet."""
ENOUGH = 2 * WRONG_MOST + 1
"""Number of readings that outvote those that may be wrong."""
MARGIN_US = 10_000
"""The clock is slewed to the middle of a narrow interval of possible offsets, and this far inside the edge of a wide one."""
SLEW_LOGGED_US = 10_000
SLEPT_NS = 500_000_000
"""A larger change of the difference of the two clocks means that the machine was suspended."""
LONG_UNHEARD_S = 300.0
"""After this time without a reading, one reading is not enough."""
SLEEP_ERROR_US = 2_000_000
"""Error of the measured suspension: some machines have only a clock of whole seconds."""
UNKNOWN_ERROR_US = 10 * 366 * 86_400 * 1_000_000
"""Error bound before the first reading: the machine's clock may show any year."""

YEARS = range(2000, 2200)
"""Accepted years; near enough that no sum overflows."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def boottime_ns() -> int:
    """Returns nanoseconds since the machine started, with suspension where the system supports it (CLOCK_BOOTTIME)."""
    clock_id = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock_id)


@dataclass(frozen=True, slots=True)
class _Course:
    """A slew from `from_ns` on: the offset at that reading, and the target offset."""

    from_ns: int
    offset_us: int
    target_us: int

    def offset_at(self, now_ns: int) -> int:
        """Returns the offset in force at a later reading, in microseconds."""
        reach_us = (now_ns - self.from_ns) * SLEW_PPM // 1_000_000_000
        return self.offset_us + max(-reach_us, min(reach_us, self.target_us - self.offset_us))


class ServerClock:
    """UTC of the control plane, carried forward by the monotonic clock. A wrong clock of the agent has no effect.

    `take` receives each reading of the server's clock together with `mark`, read before the request. Each time the offset
    is computed from all stored readings, so that a bad reading has no lasting effect. The clock steps only over a large
    distance and only if two independent readings agree; else it is slewed. Before that it is the machine's own UTC.
    `error_bound_us` is the error bound at any time.

    One task calls `take`; any thread may read. Readers take the lock only to record a suspension.
    """

    def __init__(self, clock: Clock, *, elapsed_ns: Callable[[], int] | None = None) -> None:
        """Args:
        clock: the machine's clocks.
        elapsed_ns: a monotonic reading that includes suspension (`boottime_ns`); None: that of `clock`.
        """
        self._clock = clock
        self._elapsed_ns = elapsed_ns or clock.monotonic_ns
        self._asleep_ns = self._elapsed_ns() - clock.monotonic_ns()
        self._readings: tuple[Reading, ...] = ()
        self._course: _Course | None = None
        self._newest: tuple[int, int] | None = None
        self._disturbed_ns = self._elapsed_ns()
        self._slewing = False
        self._lock = threading.RLock()
        self._disagreement = FailureLog(log, "the control plane's answers disagree about the time")
        self.steps = 0
        """Rises with each jump: times from before and after a jump cannot be compared."""
        self.newest: Clock = _Newest(self)
        """The time of the newest reading alone, for request tokens, which must match the server that answered last."""

    def mark(self) -> int:
        """Returns the reading of the local clock to take before a request."""
        return self._elapsed_ns()

    def take(self, server_time_at: datetime, asked_ns: int) -> None:
        """Adds a reading of the server's clock, taken between `asked_ns` (see `mark`) and now.

        A reading outside `YEARS` is ignored.
        """
        if server_time_at.year not in YEARS:
            return
        self._note_sleep()
        with self._lock:
            here_ns = self._elapsed_ns()
            reading = Reading.of(_us(server_time_at), asked_ns, here_ns)
            if self._newest is None or asked_ns >= self._newest[0]:
                self._newest = (asked_ns, (reading.low_us + reading.high_us) // 2)
            if self.unheard_s() > LONG_UNHEARD_S:
                self._disturbed_ns = asked_ns
            self._readings = (*self._readings[1 - READINGS_KEPT :], reading)
            self._steer(here_ns)

    def _steer(self, here_ns: int) -> None:
        offset = combine(self._readings, here_ns)
        if offset is None:
            return
        here_us = self._offset_us(here_ns)
        if not offset.agreed:
            self._disagreement.failed(within_s=round((offset.high_us - offset.low_us) / 1e6, 3))
            self._hold(here_ns, here_us)
            return
        self._disagreement.recovered()
        is_first = self._course is None
        apart_us = abs(offset.nearest_us(here_us, margin_us=0) - here_us)
        # Imprecise readings may be as wrong as the clock that they would correct; better ones follow within seconds.
        is_vague = offset.half_us > max(STEP_OVER_US, apart_us // 10) and len(self._readings) < ENOUGH
        is_moving = is_first or apart_us > STEP_OVER_US
        if is_moving and ((is_first and is_vague) or independent(self._readings, offset, here_ns) < 2):
            self._hold(here_ns, here_us)
            return
        # A step to the middle of the interval must correct more than its largest possible error.
        is_far = apart_us > (FIRST_STEP_OVER_US if is_first else STEP_OVER_US) and apart_us >= offset.half_us
        target_us = offset.middle_us if is_far else offset.nearest_us(here_us, margin_us=MARGIN_US)
        if is_far:
            self.steps += 1
            self._slewing = False
            log.warning(
                "the time was stepped to the control plane's",
                extra={"by_ms": _ms(target_us - here_us), "within_ms": _ms(offset.error_us(target_us))},
            )
            here_us = target_us
        self._course = _Course(here_ns, here_us, target_us)
        self._log_slew(target_us - here_us)

    def _hold(self, here_ns: int, here_us: int) -> None:
        if self._course is not None:
            self._course = _Course(here_ns, here_us, here_us)

    def _log_slew(self, left_us: int) -> None:
        if not self._slewing and abs(left_us) >= SLEW_LOGGED_US:
            self._slewing = True
            log.info("the time is slewed to the control plane's", extra={"by_ms": _ms(left_us)})
        elif self._slewing and abs(left_us) < SLEW_LOGGED_US // 10:
            self._slewing = False
            log.info("the time has reached the control plane's")

    def _note_sleep(self) -> None:
        before_ns = self._clock.monotonic_ns()
        elapsed_ns = self._elapsed_ns()
        # A thread that was delayed between the readings must not count the delay as suspension.
        asleep_ns = elapsed_ns - self._clock.monotonic_ns()
        if asleep_ns - self._asleep_ns <= SLEPT_NS or elapsed_ns - before_ns - self._asleep_ns <= SLEPT_NS:
            return
        with self._lock:
            slept_ns = asleep_ns - self._asleep_ns
            if slept_ns <= SLEPT_NS:
                return
            self._asleep_ns = asleep_ns
            self._readings = tuple(reading.widened(SLEEP_ERROR_US) for reading in self._readings)
            self._disturbed_ns = elapsed_ns
            self.steps += 1
            log.warning("the machine was suspended", extra={"for_s": round(slept_ns / 1e9, 1)})

    @property
    def has_time(self) -> bool:
        """Whether the server's time is known, from two readings that agree."""
        return self._course is not None

    @property
    def is_sure(self) -> bool:
        """Whether there are enough recent readings and they agree; if not, the agent requests more soon."""
        readings, here_ns = self._readings, self._elapsed_ns()
        offset = combine(readings, here_ns)
        if offset is None or not offset.agreed or self._course is None:
            return False
        low_us, high_us = readings[-1].at(here_ns)
        fits = low_us <= offset.high_us and high_us >= offset.low_us
        recent = sum(reading.asked_ns >= self._disturbed_ns for reading in readings)
        return fits and recent >= ENOUGH

    def unheard_s(self) -> float:
        """Returns the time since the last reading in seconds; infinite before the first."""
        if not self._readings:
            return float("inf")
        return (self._elapsed_ns() - self._readings[-1].answered_ns) / 1e9

    def now(self) -> datetime:
        """Returns UTC now, by the server's time once it is known."""
        here_ns = self._elapsed_ns()
        course = self._course
        if course is None:
            return self._clock.now()
        return _EPOCH + timedelta(microseconds=here_ns // 1000 + course.offset_at(here_ns))

    def error_bound_us(self) -> int:
        """Returns the error bound of `now` in microseconds; `UNKNOWN_ERROR_US` before the first reading.

        It holds while crystals drift apart by at most `DRIFT_PPM`, and no more of the stored readings are wrong than
        `combine` tolerates.
        """
        self._note_sleep()
        here_ns = self._elapsed_ns()
        offset = combine(self._readings, here_ns)
        if offset is None:
            return UNKNOWN_ERROR_US
        return min(offset.error_us(self._offset_us(here_ns)), UNKNOWN_ERROR_US)

    def _offset_us(self, here_ns: int) -> int:
        if self._course is None:
            return _us(self._clock.now()) - here_ns // 1000
        return self._course.offset_at(here_ns)

    def newest_now(self) -> datetime:
        """Returns UTC now by the newest reading alone, or the machine's own UTC before the first."""
        newest = self._newest
        if newest is None:
            return self._clock.now()
        return _EPOCH + timedelta(microseconds=self._elapsed_ns() // 1000 + newest[1])

    def monotonic_ns(self) -> int:
        """Returns the monotonic reading of the underlying clock."""
        return self._clock.monotonic_ns()

    def offset_s(self) -> float:
        """Returns server time minus agent time in seconds; 0 before the server's time is known."""
        return (self.now() - self._clock.now()).total_seconds() if self._course else 0.0


class FakeClock:
    """A clock that tests advance. It reports the error bound `error_us` and the number `steps`, which tests may set."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic_ns = 1_000_000_000
        self._asleep_ns = 0
        self.error_us = 0
        self.steps = 0

    def now(self) -> datetime:
        """Returns the time that was set."""
        return self._now

    def monotonic_ns(self) -> int:
        """Returns the reading that was set."""
        return self._monotonic_ns

    def boottime_ns(self) -> int:
        """Returns the monotonic reading plus the suspension."""
        return self._monotonic_ns + self._asleep_ns

    def error_bound_us(self) -> int:
        """Returns the error bound that was set."""
        return self.error_us

    def suspend(self, seconds: float) -> None:
        """Advances UTC during a suspension: the monotonic reading does not change."""
        self._now += timedelta(seconds=seconds)
        self._asleep_ns += round(seconds * 1e9)

    def advance(self, seconds: float) -> None:
        """Advances both readings by `seconds`."""
        self._now += timedelta(seconds=seconds)
        self._monotonic_ns += round(seconds * 1e9)

    def step_utc(self, seconds: float) -> None:
        """Steps UTC alone, as NTP does."""
        self._now += timedelta(seconds=seconds)


class _Newest:
    """The time of a `ServerClock`'s newest reading."""

    def __init__(self, clock: ServerClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        """Returns UTC now by the newest reading."""
        return self._clock.newest_now()

    def monotonic_ns(self) -> int:
        """Returns the monotonic reading of the underlying clock."""
        return self._clock.monotonic_ns()


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _ms(microseconds: int) -> float:
    return round(microseconds / 1000, 1)
