"""A rate limit that delays instead of refusing: an amount per second for each name, after a burst. For one event loop."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

MOST_NAMES = 4096
"""Names whose levels are kept; the least recently used is dropped first."""


class Throttle:
    """A leaky bucket for each name. A caller who fills it over `burst` waits until it has drained to that level.

    Args:
        per_s: what drains each second.
        burst: what may be taken at once.
    """

    def __init__(
        self,
        *,
        per_s: float,
        burst: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._per_s, self._burst, self._now, self._sleep = per_s, burst, now, sleep
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    async def take(self, name: Hashable, amount: float) -> None:
        """Returns once `amount` more fits the rate."""
        now_s = self._now()
        level, at_s = self._levels.get(name, (0.0, now_s))
        level = max(0.0, level - (now_s - at_s) * self._per_s) + amount
        self._levels[name] = level, now_s
        self._levels.move_to_end(name)
        while len(self._levels) > MOST_NAMES:
            self._levels.popitem(last=False)
        if level > self._burst:
            await self._sleep((level - self._burst) / self._per_s)
