"""Waiting for one of several things, with the sleep given from outside so that tests own the time, and being woken."""

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
    """Wakes everybody who waits. Whoever takes `next` before looking at what it is about misses nothing that comes
    while looking, however many others look and wait. Used from one event loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Returns the event of the next `fire`."""
        return self._event

    def fire(self) -> None:
        """Wakes those who wait now."""
        self._event.set()
        self._event = asyncio.Event()


def call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Has `call` made in the event loop, from any thread. A loop that is closed needs none: the thread outlived it."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
