"""Repeating a call for ever where that can help: with jitter, quieter and slower the longer it lasts."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from edge_agent.errors import (
    AgentRevoked,
    ObjectRefused,
    RequestRefused,
    Retryable,
    ServerError,
    TargetExpired,
)
from edge_agent.waits import Sleep, wait_for_any
from shared.kernel.logs import FailureLog

T = TypeVar("T")

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 30.0
"""After an outage, so long at most until the uploads notice by themselves that it is over."""


class Patience:
    """One line's patience: what all calls to one place share, so that its return wakes all of them.

    Used by the tasks of one event loop. `revoked` is called with a revocation that an answer carried.
    """

    def __init__(self, what: str, *, sleep: Sleep, revoked: Callable[[str], None]) -> None:
        self._sleep = sleep
        self._revoked = revoked
        self._hope = asyncio.Event()
        self._failures = FailureLog(log, what)

    def wake(self) -> None:
        """Ends the waits: there is reason to believe that it works again."""
        self._hope.set()

    async def call(self, once: Callable[[], Awaitable[T]]) -> T:
        """Returns what `once` returns, however often it takes.

        Raises:
            RequestRefused, TargetExpired, ObjectRefused: repeating the same does not mend these.
            OSError: something local.
        """
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(_can_wait),
            wait=_wait_s,
            sleep=self._pause,
            before_sleep=self._note_failure,
            reraise=True,
        ):
            with attempt:
                result = await once()
        self._failures.recovered()
        return result

    def _note_failure(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, AgentRevoked):
            self._revoked(error.revocation)
        self._failures.failed(error=str(error))

    async def _pause(self, wait_s: float) -> None:
        self._hope.clear()
        await wait_for_any(self._hope, most_s=wait_s, sleep=self._sleep)


def _can_wait(error: BaseException) -> bool:
    # A portal that swallows the line, a certificate, a plain 401: somebody may mend it while footage is kept.
    return isinstance(error, ServerError) and not isinstance(
        error, RequestRefused | TargetExpired | ObjectRefused
    )


_quick = wait_random_exponential(multiplier=1, max=LONGEST_WAIT_S)
_slow = wait_random_exponential(multiplier=10, max=2 * LONGEST_WAIT_S)


def _wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    wait_s = _quick(state) if isinstance(error, Retryable) else _slow(state)
    asked_s = error.retry_after_s if isinstance(error, Retryable) else None
    return max(wait_s, min(asked_s, LONGEST_WAIT_S)) if asked_s else wait_s
