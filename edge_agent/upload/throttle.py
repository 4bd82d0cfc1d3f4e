"""The bandwidth limit: a token bucket that all uploads of the agent share."""

import asyncio
from collections.abc import Awaitable, Callable

from shared.kernel.clock import Clock

BURST_S = 0.25
"""Burst size in seconds of the limit: short, so that a live view on the same uplink is not disturbed."""

PIECE_BYTES = 64 * 1024
FREE_PIECE_BYTES = 512 * 1024
"""Without a limit: large, because each piece has a cost; bounded, so that a new limit takes effect soon."""


class Throttle:
    """Lets bytes pass at `max_bytes_per_s`, or freely where that is None. Used by the tasks of one event loop.

    The bucket may go into debt: a piece larger than the burst passes, and the next one waits for it. Waiting senders
    are served in turn, because each takes its debt when it asks.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        max_bytes_per_s: int | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._rate = max_bytes_per_s
        self._level_bytes = 0.0
        self._filled_ns = clock.monotonic_ns()

    @property
    def piece_bytes(self) -> int:
        """How much to send at once: at most one second's worth, so that a low limit does not look like a dead connection."""
        return FREE_PIECE_BYTES if self._rate is None else max(1024, min(PIECE_BYTES, self._rate))

    def set_ceiling(self, max_bytes_per_s: int | None) -> None:
        """Sets the limit, from now on; None: no limit."""
        self._fill()
        self._rate = max_bytes_per_s
        self._level_bytes = min(self._level_bytes, 0.0)

    async def take(self, size_bytes: int) -> None:
        """Returns once `size_bytes` may be sent."""
        if self._rate is None:
            return
        self._fill()
        # The debt is booked before the wait, so later callers wait behind it: first come, first served.
        self._level_bytes -= size_bytes
        if self._level_bytes < 0:
            await self._sleep(-self._level_bytes / self._rate)

    def _fill(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._rate is not None:
            earned = (now_ns - self._filled_ns) / 1e9 * self._rate
            self._level_bytes = min(self._rate * BURST_S, self._level_bytes + earned)
        self._filled_ns = now_ns
