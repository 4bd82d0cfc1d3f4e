"""Waiting for one of several events with an injected sleep, so that tests control time, and wake-ups across threads."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

Sleep = Callable[[float], Awaitable[None]]


async def wait_for_any(*events: asyncio.Event, most_s: float, sleep: Sleep) -> None:
    """Returns when one of `events` is set, or after `most_s` seconds of `sleep`."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    timer = asyncio.ensure_future(sleep(most_s))
    try:
        await asyncio.wait((*waits, timer), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in (*waits, timer):
            wait.cancel()


class Signal:
    """Wakes all waiters. A waiter that calls `next` before it checks its condition misses no `fire` in between.

    Used from one event loop.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Returns the event of the next `fire`."""
        return self._event

    def fire(self) -> None:
        """Wakes all current waiters."""
        self._event.set()
        self._event = asyncio.Event()


def call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Schedules `call` in the event loop, from any thread. Does nothing if the loop is closed: the thread outlived it."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
