"""The spool as uploads see it: the same calls, waited for on the event loop and done in one thread beside it."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from edge_agent.spool.index import IndexedSegment
from edge_agent.spool.spool import Spool
from shared.protocol.errors import Code
from shared.protocol.ids import ClassSessionId, GapId, SegmentId
from shared.protocol.manifest import GapRecord, SegmentManifest
from shared.protocol.status import SetAside

T = TypeVar("T")

MAX_QUEUED_CALLS = 16
"""So many calls may stand in line for the thread; whoever comes then waits to stand in line."""


class AsyncSpool:
    """What uploads ask of a spool.

    Step by step: a call waits for one of `MAX_QUEUED_CALLS` places, then for the one thread, which does call after call; the
    event loop goes on meanwhile. A caller that is cancelled leaves its call to be done. `close` lets go of the thread.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._queue_slots = asyncio.Semaphore(MAX_QUEUED_CALLS)

    def close(self) -> None:
        """Takes no more calls; those in line are dropped, the one being done is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def pending(
        self,
        limit: int,
        *,
        of: Collection[ClassSessionId] | None = None,
        but_not_of: Collection[ClassSessionId] = (),
        newest_first: bool = False,
    ) -> Sequence[IndexedSegment]:
        """See `Spool.pending`."""
        spool = self._spool
        # The classes that run may be others by the time it is this call's turn.
        of, but_not_of = None if of is None else tuple(of), tuple(but_not_of)
        return await self._run(
            partial(spool.pending, limit, of=of, but_not_of=but_not_of, newest_first=newest_first)
        )

    def path(self, manifest: SegmentManifest) -> Path:
        """See `Spool.path`."""
        return self._spool.path(manifest)

    async def mark_intended(self, segment_ids: Iterable[SegmentId]) -> None:
        """See `Spool.mark_intended`."""
        await self._run(partial(self._spool.mark_intended, tuple(segment_ids)))

    async def mark_committed(self, segment_ids: Iterable[SegmentId]) -> None:
        """See `Spool.mark_committed`."""
        await self._run(partial(self._spool.mark_committed, tuple(segment_ids)))

    async def mark_refused(self, segment_id: SegmentId, code: Code, detail: str = "") -> None:
        """See `Spool.mark_refused`."""
        await self._run(partial(self._spool.mark_refused, segment_id, code, detail))

    async def mark_damaged(self, manifest: SegmentManifest, detail: str) -> None:
        """See `Spool.mark_damaged`."""
        await self._run(partial(self._spool.mark_damaged, manifest, detail))

    async def retry_refused(self) -> None:
        """See `Spool.recall`."""
        await self._run(self._spool.retry_refused)

    async def quarantined(self, limit: int) -> tuple[int, Sequence[SetAside]]:
        """See `Spool.set_aside`."""
        return await self._run(partial(self._spool.quarantined, limit))

    async def gaps_pending(self, limit: int) -> Sequence[GapRecord]:
        """See `Spool.gaps_pending`."""
        return await self._run(partial(self._spool.gaps_pending, limit))

    async def settle_gaps(self, gap_ids: Iterable[GapId]) -> None:
        """See `Spool.settle_gaps`."""
        await self._run(partial(self._spool.settle_gaps, tuple(gap_ids)))

    async def _run(self, call: Callable[[], T]) -> T:
        async with self._queue_slots:
            return await asyncio.get_running_loop().run_in_executor(self._thread, call)
