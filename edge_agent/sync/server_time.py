"""Asks the control plane for its time where no other call has brought it lately."""

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
"""What crystals drift apart in that time is less than pictures are apart. A running class uploads more often than that."""
QUICK_S = 1.0
"""While the readings are too few, or disagree."""
QUICK_MOST = 30
"""So often in a row; servers whose clocks disagree for good are asked no more often than `SLOW_S`."""
SLOW_S = 15.0
VAGUE_US = 50_000
"""Above this the readings that other calls brought were slow, and a few quick ones are asked for each minute."""
FEW = WRONG_MOST + 1
LOOK_S = 5.0
"""How soon it is noticed that readings which other calls brought disagree."""
JITTER = 0.25


class TimeApi(Protocol):
    """The call that brings a reading of the server's clock."""

    async def ask_time(self) -> None:
        """Asks for the time and gives it to the clock; raises `ServerError` where none came."""
        ...


class ServerTimePoller:
    """One task of the agent: keeps the readings of the server's clock fresh. Used by one event loop."""

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
        self._failures = FailureLog(log, "the control plane cannot be asked for its time")

    async def run(self) -> None:
        """Asks for ever: quickly until the readings suffice and agree, then where none came for a minute."""
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
        """Asks once and returns for how long to wait before the next look, in seconds."""
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
