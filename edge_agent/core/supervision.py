"""Restarts tasks that fail, and logs why."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from shared.kernel.backoff import Backoff

log = logging.getLogger(__name__)

STEADY_S = 300.0
"""A task that ran for this long did not fail for the previous reason: its backoff starts again."""


async def keep_running(
    name: str,
    run: Callable[[], Awaitable[None]],
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Runs `run` until it returns. On an exception it logs the trace and runs it again after a backoff.

    Every task of the agent runs inside this shell: a fault in one of them must not stop the cameras.
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
