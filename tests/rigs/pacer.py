"""Time in the hands of a test: `sleep` waits until the test lets that much time pass."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Any

from shared.kernel.clock import FakeClock


class Pacer:
    """Sleeps of the code under test, on a `FakeClock`. Used from one event loop."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.asked: list[float] = []
        """Every wait that was asked for, in seconds, in order."""
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._came = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Returns once the test has let `seconds` pass."""
        self.asked.append(seconds)
        self._came.set()
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        due_ns = self.clock.monotonic_ns() + round(seconds * 1e9)
        heapq.heappush(self._waiting, (due_ns, next(self._numbers), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Lets time pass, one waiter after the other, each running as far as it can before the next."""
        await settle()
        end_ns = self.clock.monotonic_ns() + round(seconds * 1e9)
        while self._waiting and self._waiting[0][0] <= end_ns:
            due_ns, _, future = heapq.heappop(self._waiting)
            self.clock.advance(max(0, due_ns - self.clock.monotonic_ns()) / 1e9)
            if not future.done():
                future.set_result(None)
            await settle()
        self.clock.advance((end_ns - self.clock.monotonic_ns()) / 1e9)
        await settle()

    async def advance_until(
        self, condition: Callable[[], Any], *, step_s: float = 5, timeout_s: float = 15
    ) -> None:
        """Lets time pass in steps until `condition` is true. Real sockets get real time between the steps."""
        async with asyncio.timeout(timeout_s):
            while True:
                await settle()
                if condition():
                    return
                await self.advance(step_s)
                await asyncio.sleep(0.005)

    async def asked_for(self, count: int, *, timeout_s: float = 10) -> None:
        """Returns once `count` waits have been asked for."""
        async with asyncio.timeout(timeout_s):
            while len(self.asked) < count:
                self._came.clear()
                await self._came.wait()


async def settle(rounds: int = 20) -> None:
    """Lets every task that can run do so."""
    for _ in range(rounds):
        await asyncio.sleep(0)
