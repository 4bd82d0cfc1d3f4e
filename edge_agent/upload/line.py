"""The way to one destination, shared by all calls to it: no call while it is known to be dead, one probe at a time."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from edge_agent.async_wait import Signal, Sleep, wait_for_any
from edge_agent.errors import AgentRevoked, RequestRefused, Retryable, ServerError
from edge_agent.upload.breaker import Breaker, State
from shared.kernel.clock import Clock
from shared.kernel.logs import FailureLog

T = TypeVar("T")

log = logging.getLogger(__name__)

PROBE_LOOK_S = 30.0
"""How often a call that waits for the probe of another looks by itself."""


class Line:
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
        self._tell = changed
        self._breaker = Breaker(open_after=open_after)
        self._changed = Signal()
        self._failures = FailureLog(log, what)
        self._error: ServerError | None = None

    @property
    def problem(self) -> ServerError | None:
        """Why no call goes through; None while they do."""
        return self._error if self._breaker.state is not State.CLOSED else None

    def wait_s(self) -> float | None:
        """Returns how long the next call has to wait; 0: it may go; None: as long as the probe under way takes."""
        return self._breaker.wait_s(self._clock.monotonic_ns())

    def wake(self) -> None:
        """Ends the waits: there is reason to believe that it works again."""
        self._breaker.hope(self._clock.monotonic_ns())
        self._let_go()

    async def attempt(self, once: Callable[[], Awaitable[T]]) -> T:
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
        self._breaker.go()
        try:
            result = await once()
        except ServerError as error:
            if isinstance(error, RequestRefused) and error.is_about_content:
                self._worked()
            else:
                self._failed(error)
            raise
        except BaseException:
            self._breaker.given_up(self._clock.monotonic_ns())
            self._let_go()
            raise
        self._worked()
        return result

    def _worked(self) -> None:
        was_down, self._error = self._error is not None, None
        self._breaker.worked()
        self._failures.recovered()
        if was_down:
            self._let_go()

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
        self._let_go()

    def _let_go(self) -> None:
        self._changed.give()
        self._tell()
