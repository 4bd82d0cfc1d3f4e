"""The spool's calls for the event loop: awaited there, executed one by one in a thread."""

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
from shared.protocol.status import QuarantinedSegment

T = TypeVar("T")

MAX_QUEUED_CALLS = 16
"""At most this many calls are queued for the thread; further callers wait for a free slot."""


class AsyncSpool:
    """The `Outbox` of the uploads on top of a `Spool`.

    A call waits for one of `MAX_QUEUED_CALLS` slots, then for the single thread. Cancelling a caller does not cancel its
    call. `close` releases the thread.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._queue_slots = asyncio.Semaphore(MAX_QUEUED_CALLS)

    def close(self) -> None:
        """Rejects further calls and drops the queued ones, without waiting for the running one."""
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
        # Copied now: the caller's sets may change before the thread runs this call.
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
        """See `Spool.retry_refused`."""
        await self._run(self._spool.retry_refused)

    async def quarantined(self, limit: int) -> tuple[int, Sequence[QuarantinedSegment]]:
        """See `Spool.quarantined`."""
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
