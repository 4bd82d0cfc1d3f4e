"""Sends the gaps of the spool until the control plane has settled each of them."""

import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

from edge_agent.async_wait import Signal, Sleep, wait_for_any
from edge_agent.errors import RequestRefused, ServerError, ServerInternalError, ServerTimeout
from edge_agent.upload.client import UploadClient
from edge_agent.upload.endpoint import Endpoint
from shared.protocol.ids import GapId
from shared.protocol.manifest import GapRecord
from shared.protocol.upload import BATCH_LIMIT

log = logging.getLogger(__name__)

IDLE_S = 30.0
"""How often unsettled gaps are sent again."""
PASSED_OVER_MOST = 1000


class GapOutbox(Protocol):
    """The spool's calls that the sender needs."""

    async def gaps_pending(self, limit: int) -> Sequence[GapRecord]:
        """Returns the oldest gaps that the control plane has not settled."""
        ...

    async def settle_gaps(self, gap_ids: Iterable[GapId]) -> None:
        """Marks gaps that need not be sent again."""
        ...


class GapSender:
    """Reports gaps in one task of one event loop."""

    def __init__(self, client: UploadClient, outbox: GapOutbox, endpoint: Endpoint, *, sleep: Sleep) -> None:
        self._client = client
        self._outbox = outbox
        self._endpoint = endpoint
        self._sleep = sleep
        self._news = Signal()
        self._refused: set[GapId] = set()
        """Gaps that were not accepted, retried every `IDLE_S`; they do not hold up others."""

    def wake(self) -> None:
        """Checks the spool now."""
        self._news.fire()

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            news = self._news.next()
            pending = await self._outbox.gaps_pending(BATCH_LIMIT + len(self._refused))
            gaps = [gap for gap in pending if gap.gap_id not in self._refused][:BATCH_LIMIT]
            settled = await self._report(gaps) if gaps else ()
            if settled:
                await self._outbox.settle_gaps(settled)
            if not gaps:
                await wait_for_any(news, most_s=IDLE_S, sleep=self._sleep)
                self._refused.clear()

    async def _report(self, gaps: Sequence[GapRecord]) -> Sequence[GapId]:
        try:
            settled = await self._endpoint.call(lambda: self._client.report_gaps(gaps))
        except (RequestRefused, ServerInternalError, ServerTimeout) as refusal:
            if len(gaps) == 1:
                # It stays unsettled: losing the record of a loss would be worse than a repeated log line.
                self._skip(gaps[0], str(refusal))
                return ()
            half = len(gaps) // 2
            return (*await self._report(gaps[:half]), *await self._report(gaps[half:]))
        except ServerError:
            return ()
        for gap in gaps:
            if gap.gap_id not in settled:
                self._skip(gap, "the control plane does not settle it")
        return settled

    def _skip(self, gap: GapRecord, error: str) -> None:
        log.error("a gap is not accepted", extra={"gap": str(gap.gap_id), "error": error})
        if len(self._refused) < PASSED_OVER_MOST:
            self._refused.add(gap.gap_id)
