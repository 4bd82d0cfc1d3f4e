"""The way to one destination, shared by all calls to it: no call while it is known to be dead, one probe at a time."""

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
"""After an outage, so long at most until the uploads notice by themselves that it is over."""
FIRST_SLOW_S = 10.0
LONGEST_SLOW_S = 60.0
"""For what somebody has to mend first: a certificate, a login page, a refusal of this agent."""
LONGEST_ASKED_S = 900.0
"""No server may send us away for longer, whatever its `Retry-After` says."""


class BreakerState(Enum):
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
        self.state = BreakerState.CLOSED
        self.failures = 0
        """In a row."""

    def wait_s(self, now_ns: int) -> float | None:
        """Returns how long a call has to wait; 0: it may go; None: until the probe under way is decided."""
        if self.state is BreakerState.CLOSED:
            return 0.0
        if self.state is BreakerState.PROBING:
            return None
        return max(0.0, (self._until_ns - now_ns) / 1e9)

    def begin(self) -> None:
        """A call goes; `wait_s` said that it may. In an open breaker it is the probe."""
        if self.state is BreakerState.OPEN:
            self.state = BreakerState.PROBING

    def succeeded(self) -> None:
        """A call was answered."""
        self.state = BreakerState.CLOSED
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
        if self.failures < self._open_after and self.state is BreakerState.CLOSED and not asked_s:
            return
        wait_s = (self._slow if slowly else self._quick).next_wait_s()
        wait_s = max(wait_s, min(asked_s or 0.0, LONGEST_ASKED_S))
        self.state, self._until_ns = BreakerState.OPEN, now_ns + round(wait_s * 1e9)

    def cancelled(self, now_ns: int) -> None:
        """The probe was cancelled before it was answered: another may go."""
        if self.state is BreakerState.PROBING:
            self.state, self._until_ns = BreakerState.OPEN, now_ns

    def retry_now(self, now_ns: int) -> None:
        """There is reason to believe that it works again: the next call may go at once."""
        if self.state is BreakerState.OPEN:
            self._until_ns = now_ns


T = TypeVar("T")

log = logging.getLogger(__name__)

PROBE_LOOK_S = 30.0
"""How often a call that waits for the probe of another looks by itself."""


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
        """Why no call goes through; None while they do."""
        return self._error if self._breaker.state is not BreakerState.CLOSED else None

    def wait_s(self) -> float | None:
        """Returns how long the next call has to wait; 0: it may go; None: as long as the probe under way takes."""
        return self._breaker.wait_s(self._clock.monotonic_ns())

    def wake(self) -> None:
        """Ends the waits: there is reason to believe that it works again."""
        self._breaker.retry_now(self._clock.monotonic_ns())
        self._notify()

    async def call(self, once: Callable[[], Awaitable[T]]) -> T:
        """Makes one call, as soon as the line lets it, and returns what it returns.

        Raises:
            RequestRefused: where it is about what was sent, the line works.
            ServerError: any other, after which the line may wait before it lets another call go: one object that a
                store refuses is an answer, several in a row are a store that takes none.
            OSError: something local; it says nothing of the line.
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
