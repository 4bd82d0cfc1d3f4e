"""A circuit breaker: when a destination that fails is worth another try. Pure.

closed: every call may go -> (failures in a row) open: none may -> (its wait is over) probing: one may, and decides.
"""

import random
from enum import Enum, auto

from shared.kernel.backoff import Backoff

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
"""After an outage, so long at most until the uploads notice by themselves that it is over."""
FIRST_SLOW_S = 10.0
LONGEST_SLOW_S = 60.0
"""For what somebody has to mend first: a certificate, a login page, a refusal of this agent."""
LONGEST_ASKED_S = 900.0
"""No server may send us away for longer, whatever its `Retry-After` says."""


class State(Enum):
    """See the module."""

    CLOSED = auto()
    OPEN = auto()
    PROBING = auto()


class Breaker:
    """One destination. All times are readings of the monotonic clock in nanoseconds."""

    def __init__(self, *, open_after: int = 1, rng: random.Random | None = None) -> None:
        """Args:
        open_after: so many failures in a row open it.
        rng: where jitter comes from.
        """
        self._open_after = open_after
        self._quick = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S, rng=rng)
        self._slow = Backoff(FIRST_SLOW_S, LONGEST_SLOW_S, rng=rng)
        self._until_ns = 0
        self.state = State.CLOSED
        self.failures = 0
        """In a row."""

    def wait_s(self, now_ns: int) -> float | None:
        """Returns how long a call has to wait; 0: it may go; None: until the probe under way is decided."""
        if self.state is State.CLOSED:
            return 0.0
        if self.state is State.PROBING:
            return None
        return max(0.0, (self._until_ns - now_ns) / 1e9)

    def go(self) -> None:
        """A call goes; `wait_s` said that it may. In an open breaker it is the probe."""
        if self.state is State.OPEN:
            self.state = State.PROBING

    def worked(self) -> None:
        """A call was answered."""
        self.state = State.CLOSED
        self.failures = 0
        self._quick.reset()
        self._slow.reset()

    def failed(self, now_ns: int, *, slowly: bool = False, asked_s: float | None = None) -> None:
        """A call was not answered.

        Args:
            slowly: trying again soon mends nothing.
            asked_s: how long the other side asks to be left alone; it is, up to `LONGEST_ASKED_S`.
        """
        self.failures += 1
        if self.failures < self._open_after and self.state is State.CLOSED and not asked_s:
            return
        wait_s = (self._slow if slowly else self._quick).next_wait_s()
        wait_s = max(wait_s, min(asked_s or 0.0, LONGEST_ASKED_S))
        self.state, self._until_ns = State.OPEN, now_ns + round(wait_s * 1e9)

    def given_up(self, now_ns: int) -> None:
        """The probe was cancelled before it was answered: another may go."""
        if self.state is State.PROBING:
            self.state, self._until_ns = State.OPEN, now_ns

    def hope(self, now_ns: int) -> None:
        """There is reason to believe that it works again: the next call may go at once."""
        if self.state is State.OPEN:
            self._until_ns = now_ns
