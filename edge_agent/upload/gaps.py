"""Sends the gaps of the spool until the control plane has settled each of them."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

from edge_agent.errors import RequestRefused
from edge_agent.upload.client import UploadClient
from edge_agent.upload.patience import Patience
from edge_agent.waits import Sleep, wait_for_any
from shared.protocol.ids import GapId
from shared.protocol.manifest import GapRecord
from shared.protocol.upload import BATCH_LIMIT

log = logging.getLogger(__name__)

IDLE_S = 30.0
"""How often gaps that are still not settled are sent again."""


class GapOutbox(Protocol):
    """What the sender asks of the spool."""

    async def gaps_pending(self, limit: int) -> Sequence[GapRecord]:
        """Returns the oldest gaps that the control plane has not settled."""
        ...

    async def settle_gaps(self, gap_ids: Iterable[GapId]) -> None:
        """Notes gaps that need not be sent again."""
        ...


class GapSender:
    """One task; all of it on one event loop."""

    def __init__(self, client: UploadClient, outbox: GapOutbox, patience: Patience, *, sleep: Sleep) -> None:
        self._client = client
        self._outbox = outbox
        self._patience = patience
        self._sleep = sleep
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Has the spool looked at now."""
        self._news.set()

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            self._news.clear()
            gaps = await self._outbox.gaps_pending(BATCH_LIMIT)
            settled = await self._report(gaps) if gaps else ()
            if settled:
                await self._outbox.settle_gaps(settled)
            if not settled or len(gaps) < BATCH_LIMIT:
                await wait_for_any(self._news, most_s=IDLE_S, sleep=self._sleep)

    async def _report(self, gaps: Sequence[GapRecord]) -> Sequence[GapId]:
        try:
            return await self._patience.call(lambda: self._client.report_gaps(gaps))
        except RequestRefused as refusal:
            if len(gaps) == 1:
                # It stays unsettled: a loss without a record would be worse than a line in the log.
                log.error("a gap is refused", extra={"gap": str(gaps[0].gap_id), "error": str(refusal)})
                return ()
            half = len(gaps) // 2
            return (*await self._report(gaps[:half]), *await self._report(gaps[half:]))
