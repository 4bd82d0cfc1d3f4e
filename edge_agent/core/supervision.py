"""Keeping a task alive: what must not end is started again, and what goes wrong in it is on record."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from shared.kernel.backoff import Backoff

log = logging.getLogger(__name__)

STEADY_S = 300.0
"""A task that has run for so long did not fail for what made it fail before."""


async def keep_running(
    name: str,
    run: Callable[[], Awaitable[None]],
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Runs `run` until it returns. An exception out of it is logged with its trace, and it is run again after a wait,
    which is short again once it has run for `STEADY_S`.

    This is the one shell of every task of the agent: a mistake in one of them must not stop the cameras.
    """
    backoff = Backoff(1, 60)
    loop = asyncio.get_running_loop()
    while True:
        began_s = loop.time()
        try:
            return await run()
        except Exception:
            log.exception("a task failed and is started again", extra={"task": name})
        if loop.time() - began_s >= STEADY_S:
            backoff.reset()
        await sleep(backoff.next_wait_s())
