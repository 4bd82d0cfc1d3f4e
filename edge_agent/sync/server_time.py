"""Polls the control plane's time when no other call has brought it recently."""

import asyncio
import logging
import random
from collections import deque
from typing import Protocol

from edge_agent.async_wait import Sleep
from edge_agent.errors import ServerError
from shared.kernel.backoff import Backoff
from shared.kernel.clock import ServerClock
from shared.kernel.logs import FailureLog
from shared.kernel.readings import WRONG_MOST

log = logging.getLogger(__name__)

ASK_EVERY_S = 60.0
"""Crystals drift by less than a frame in this time. A running class uploads more often."""
QUICK_S = 1.0
"""Interval while readings are too few or disagree."""
QUICK_MOST = 30
"""Quick polls in a row; then `SLOW_S` applies, for servers whose clocks disagree permanently."""
SLOW_S = 15.0
VAGUE_US = 50_000
"""Error bound above which readings from other calls were too slow; then a few polls are made each minute."""
FEW = WRONG_MOST + 1
LOOK_S = 5.0
"""How often readings from other calls are checked for disagreement."""
JITTER = 0.25


class TimeApi(Protocol):
    """The call that reads the server's clock."""

    async def ask_time(self) -> None:
        """Asks for the time and gives it to the clock; raises `ServerError` where none came."""
        ...


class ServerTimePoller:
    """One task of the agent: keeps the readings of the server's clock recent. Used by one event loop."""

    def __init__(
        self,
        api: TimeApi,
        clock: ServerClock,
        *,
        sleep: Sleep = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        """Args:
        api: the control plane.
        clock: what is given the readings; other calls give it theirs too.
        sleep: waits so many seconds.
        rng: where jitter comes from.
        """
        self._api = api
        self._clock = clock
        self._sleep = sleep
        self._rng = rng or random.SystemRandom()
        self._backoff = Backoff(QUICK_S, ASK_EVERY_S, rng=self._rng)
        self._every_s = ASK_EVERY_S
        self._quick = 0
        self._asked_ns: deque[int] = deque(maxlen=FEW)
        self._failures = FailureLog(log, "the control plane's time cannot be read")

    async def run(self) -> None:
        """Polls until cancelled: quickly until enough readings agree, then when none arrived for a minute."""
        while True:
            if self._clock.is_sure:
                self._quick = 0
                if not self._is_due():
                    await self._sleep(LOOK_S)
                    continue
            await self._sleep(await self._poll())

    def _is_due(self) -> bool:
        if self._clock.error_bound_us() <= VAGUE_US:
            return self._clock.unheard_s() >= self._every_s
        spent_ns = self._clock.monotonic_ns() - round(self._every_s * 1e9)
        return len(self._asked_ns) < FEW or self._asked_ns[0] <= spent_ns

    async def _poll(self) -> float:
        """Polls once and returns the wait before the next check, in seconds."""
        self._asked_ns.append(self._clock.monotonic_ns())
        self._every_s = ASK_EVERY_S * self._rng.uniform(1 - JITTER, 1)
        try:
            await self._api.ask_time()
        except ServerError as error:
            self._failures.failed(error=str(error))
            return self._backoff.next_wait_s()
        self._backoff.reset()
        self._failures.recovered()
        self._quick += 1
        return QUICK_S if self._quick <= QUICK_MOST else SLOW_S
