"""A server's clock and an agent's, in virtual time, with a network between them whose delays are a test's own."""

import heapq
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.kernel.clock import Clock, FakeClock, ServerClock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def synchronised(machine: Clock) -> ServerClock:
    """Returns a clock that has learnt from a server whose time is the machine's."""
    clock = ServerClock(machine)
    for _ in range(5):
        asked_ns = clock.mark()
        clock.take(machine.now(), asked_ns)
    return clock


class RemoteClock:
    """The server's true time beside the clock of a machine, and a `ServerClock` that is to find it.

    Truth moves at its own rate against the machine's monotonic clock (`drift_ppm`). Answers arrive in the order of their
    delays, whatever the order of the questions.
    """

    def __init__(
        self, *, ahead_s: float = 0.0, drift_ppm: float = 0.0, machine: FakeClock | None = None
    ) -> None:
        self.machine = machine or FakeClock()
        self.drift_ppm = drift_ppm
        self.clock = ServerClock(self.machine, elapsed_ns=self.machine.boottime_ns)
        self.true_us = (self.machine.now() - EPOCH) / timedelta(microseconds=1) + ahead_s * 1e6
        self.moved_s = 0.0
        self._due: list[tuple[float, int, Any]] = []
        self._numbers = itertools.count()

    def error_us(self) -> float:
        """Returns the clock's error now: positive where it is ahead of the truth."""
        return (self.clock.now() - EPOCH) / timedelta(microseconds=1) - self.true_us

    def pass_by(self, seconds: float) -> None:
        """Lets time pass, with what falls due in it."""
        until_s = self.moved_s + seconds
        while self._due and self._due[0][0] <= until_s:
            due_s, _, call = heapq.heappop(self._due)
            self._advance(max(0.0, due_s - self.moved_s))
            call()
        self._advance(max(0.0, until_s - self.moved_s))

    def after(self, seconds: float, call: Any) -> None:
        """Has `call` made after so much time."""
        heapq.heappush(self._due, (self.moved_s + seconds, next(self._numbers), call))

    def ask(self, there_s: float, back_s: float, *, wrong_s: float = 0.0, times: int = 1) -> None:
        """Asks for the time: the question takes `there_s`, the answer `back_s`. It comes `times` times, and is off by
        `wrong_s`."""
        asked_ns = self.clock.mark()

        def answer() -> None:
            stamped_at = EPOCH + timedelta(microseconds=self.true_us // 1 + wrong_s * 1e6)
            for again in range(times):
                self.after(back_s * (1 + again), lambda: self.clock.take(stamped_at, asked_ns))

        self.after(there_s, answer)

    def ask_well(self, count: int = 1, *, every_s: float = 1.0, trip_s: float = 0.01) -> None:
        """Asks so many times over an idle line, `every_s` apart."""
        for _ in range(count):
            self.ask(trip_s, trip_s)
            self.pass_by(every_s)

    def step_server(self, seconds: float) -> None:
        """Sets the server's clock."""
        self.true_us += seconds * 1e6

    def _advance(self, seconds: float) -> None:
        before_ns = self.machine.monotonic_ns()
        self.machine.advance(seconds)
        elapsed_us = (self.machine.monotonic_ns() - before_ns) / 1000
        self.true_us += elapsed_us * (1 + self.drift_ppm / 1e6)
        self.moved_s += seconds
