"""Where the time comes from: one small Protocol, so that tests own the clock."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """UTC and a monotonic reading. They never mix: one dates facts, the other measures waits."""

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


SLEW_PPM = 100
"""How fast a server's time is followed: slower than crystals drift apart, so that what is dated by it keeps its shape."""
STEP_OVER = timedelta(seconds=10)
"""A difference that no line explains: one of the two clocks was set."""

YEARS = range(2000, 2200)
"""What clocks show; near enough that nothing counted from there overflows."""


class ServerClock:
    """UTC as the control plane tells it, carried forward by the monotonic clock: a wrong box clock changes nothing.

    The first time told is taken at once. Later ones differ by what the line's delay adds: they are slewed to, at
    `SLEW_PPM`, so that pictures dated before and after a reconnect stay in line; only a difference over `STEP_OVER` is
    taken at once again. Until `set_server_time` is called it is the machine's own UTC. One task sets it, any thread may
    read it: what is read is a single attribute.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: tuple[datetime, int, int] | None = None

    def set_server_time(self, server_time_at: datetime, *, at_once: bool = False) -> None:
        """Takes `server_time_at` as now: slowly where it is close, unless `at_once`. One of another century is no time
        of a server, and not taken."""
        if server_time_at.year not in YEARS:
            return
        here_ns = self._clock.monotonic_ns()
        behind = server_time_at - self.now()
        if at_once or self._told is None or abs(behind) > STEP_OVER:
            self._told = (server_time_at, here_ns, 0)
        else:
            self._told = (self.now(), here_ns, behind // timedelta(microseconds=1))

    def confirm(self) -> None:
        """The server has told a time that may well be the one here: nothing moves."""
        if self._told is None:
            self._told = (self.now(), self._clock.monotonic_ns(), 0)

    @property
    def is_told(self) -> bool:
        """Whether the server has spoken."""
        return self._told is not None

    def now(self) -> datetime:
        """Returns UTC now by the server's time where known."""
        told = self._told
        if told is None:
            return self._clock.now()
        told_at, told_ns, behind_us = told
        elapsed_us = (self._clock.monotonic_ns() - told_ns) // 1000
        reach_us = elapsed_us * SLEW_PPM // 1_000_000
        return told_at + timedelta(microseconds=elapsed_us + max(-reach_us, min(reach_us, behind_us)))

    def monotonic_ns(self) -> int:
        """Returns the monotonic reading of the clock beneath."""
        return self._clock.monotonic_ns()

    def offset_s(self) -> float:
        """Returns server minus box in seconds; 0 before the server has spoken."""
        return (self.now() - self._clock.now()).total_seconds() if self._told else 0.0


class FakeClock:
    """A clock that stands still until told."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic_ns = 1_000_000_000

    def now(self) -> datetime:
        """Returns the time it was set to."""
        return self._now

    def monotonic_ns(self) -> int:
        """Returns the reading it was set to."""
        return self._monotonic_ns

    def advance(self, seconds: float) -> None:
        """Moves both readings on by `seconds`."""
        self._now += timedelta(seconds=seconds)
        self._monotonic_ns += round(seconds * 1e9)

    def step_utc(self, seconds: float) -> None:
        """Moves UTC alone, as an NTP step does."""
        self._now += timedelta(seconds=seconds)
