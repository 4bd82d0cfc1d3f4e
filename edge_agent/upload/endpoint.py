"""One destination of uploads, guarded by a circuit breaker: no call while it is down, one probe at a time.

closed: calls may go -> (failures in a row) open: none may -> (wait is over) probing: one may, and its result decides.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import TypeVar

from edge_agent.async_wait import Signal, Sleep, wait_for_any
from edge_agent.errors import AgentRevoked, RequestRefused, Retryable, ServerError
from shared.kernel.backoff import Backoff
from shared.kernel.clock import Clock
from shared.kernel.logs import FailureLog

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
"""Longest time after an outage until uploads notice by themselves that it is over."""
FIRST_SLOW_S = 10.0
LONGEST_SLOW_S = 60.0
"""For failures that need a person: a certificate, a captive portal, a refusal of this agent."""
LONGEST_ASKED_S = 900.0
"""Upper limit for a server's `Retry-After`."""


class BreakerState(Enum):
    """See the module."""

    CLOSED = auto()
    OPEN = auto()
    PROBING = auto()


class Breaker:
    """One destination. All times are readings of the monotonic clock in nanoseconds."""

    def __init__(self, *, open_after: int = 1, rng: random.Random | None = None) -> None:
        """Args:
        open_after: number of failures in a row that open it.
        rng: source of jitter.
        """
        self._open_after = open_after
        self._quick = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S, rng=rng)
        self._slow = Backoff(FIRST_SLOW_S, LONGEST_SLOW_S, rng=rng)
        self._until_ns = 0
        self.state = BreakerState.CLOSED
        self.failures = 0
        """In a row."""

    def wait_s(self, now_ns: int) -> float | None:
        """Returns how long a call has to wait; 0: it may go; None: until the running probe has a result."""
        if self.state is BreakerState.CLOSED:
            return 0.0
        if self.state is BreakerState.PROBING:
            return None
        return max(0.0, (self._until_ns - now_ns) / 1e9)

    def begin(self) -> None:
        """Starts a call that `wait_s` has allowed. In an open breaker it is the probe."""
        if self.state is BreakerState.OPEN:
            self.state = BreakerState.PROBING

    def succeeded(self) -> None:
        """Records a call that was answered."""
        self.state = BreakerState.CLOSED
        self.failures = 0
        self._quick.reset()
        self._slow.reset()

    def failed(self, now_ns: int, *, slowly: bool = False, asked_s: float | None = None) -> None:
        """Records a call that failed.

        Args:
            slowly: an early retry cannot help.
            asked_s: the server's `Retry-After`, respected up to `LONGEST_ASKED_S`.
        """
        self.failures += 1
        if self.failures < self._open_after and self.state is BreakerState.CLOSED and not asked_s:
            return
        # Exponential with jitter, so that agents do not return in step after an outage; never less than the server asked.
        wait_s = (self._slow if slowly else self._quick).next_wait_s()
        wait_s = max(wait_s, min(asked_s or 0.0, LONGEST_ASKED_S))
        self.state, self._until_ns = BreakerState.OPEN, now_ns + round(wait_s * 1e9)

    def cancelled(self, now_ns: int) -> None:
        """Records a probe that was cancelled: another may go."""
        if self.state is BreakerState.PROBING:
            self.state, self._until_ns = BreakerState.OPEN, now_ns

    def retry_now(self, now_ns: int) -> None:
        """Lets the next call go at once: the destination probably works again."""
        if self.state is BreakerState.OPEN:
            self._until_ns = now_ns


T = TypeVar("T")

log = logging.getLogger(__name__)

PROBE_LOOK_S = 30.0
"""How often a call that waits for another one's probe rechecks."""


class Endpoint:
    """One destination. Used by the tasks of one event loop.

    `revoked` is called with a revocation that an answer carried; `changed` whenever a waiting call may go.
    """

    def __init__(
        self,
        what: str,
        clock: Clock,
        *,
        sleep: Sleep,
        revoked: Callable[[str], None],
        changed: Callable[[], None] = lambda: None,
        open_after: int = 1,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._revoked = revoked
        self._on_change = changed
        self._breaker = Breaker(open_after=open_after)
        self._changed = Signal()
        self._failures = FailureLog(log, what)
        self._error: ServerError | None = None

    @property
    def problem(self) -> ServerError | None:
        """Why calls fail; None while they succeed."""
        return self._error if self._breaker.state is not BreakerState.CLOSED else None

    def wait_s(self) -> float | None:
        """Returns how long the next call has to wait; 0: it may go; None: until the running probe has a result."""
        return self._breaker.wait_s(self._clock.monotonic_ns())

    def wake(self) -> None:
        """Ends the waits: the destination probably works again."""
        self._breaker.retry_now(self._clock.monotonic_ns())
        self._notify()

    async def call(self, once: Callable[[], Awaitable[T]]) -> T:
        """Waits until the breaker allows a call, makes it and returns its result.

        Raises:
            RequestRefused: if it concerns the content of the request, it counts as success of the endpoint.
            ServerError: any other counts as failure. One object refused by a store may be that object's fault; several
                in a row open the breaker.
            OSError: a local failure, which does not count.
        """
        while (wait_s := self.wait_s()) != 0:
            await wait_for_any(
                self._changed.next(), most_s=PROBE_LOOK_S if wait_s is None else wait_s, sleep=self._sleep
            )
        self._breaker.begin()
        try:
            result = await once()
        except ServerError as error:
            if isinstance(error, RequestRefused) and error.is_about_content:
                self._succeeded()
            else:
                self._failed(error)
            raise
        except BaseException:
            self._breaker.cancelled(self._clock.monotonic_ns())
            self._notify()
            raise
        self._succeeded()
        return result

    def _succeeded(self) -> None:
        was_down, self._error = self._error is not None, None
        self._breaker.succeeded()
        self._failures.recovered()
        if was_down:
            self._notify()

    def _failed(self, error: ServerError) -> None:
        self._error = error
        if isinstance(error, AgentRevoked):
            self._revoked(error.revocation)
        retryable = isinstance(error, Retryable)
        self._breaker.failed(
            self._clock.monotonic_ns(),
            slowly=not retryable,
            asked_s=error.retry_after_s if isinstance(error, Retryable) else None,
        )
        self._failures.failed(error=str(error), hint=error.hint)
        self._notify()

    def _notify(self) -> None:
        self._changed.fire()
        self._on_change()
