"""The pending segments of the spool, cached and ordered into two lanes.

Reading and decoding the batch for each segment sent would cost more than sending it does.

Two lanes share the connections: classes that run now, newest first, so that what has just happened is uploaded soon; and
the backlog in the order it was recorded. Neither starves the other.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from edge_agent.upload.outbox import Outbox
from shared.kernel.clock import Clock
from shared.protocol.ids import ClassSessionId, SegmentId
from shared.protocol.manifest import SegmentManifest
from shared.protocol.upload import BATCH_LIMIT

OLD_S = 25.0
"""Age at which the cache is refreshed in any case: less than the idle interval of the replicator."""


@dataclass(frozen=True)
class Lanes:
    """Sendable segments, best first in each lane."""

    running: Sequence[SegmentManifest]
    backlog: Sequence[SegmentManifest]

    def ready(self, is_ready: Callable[[SegmentId], bool]) -> "Lanes":
        """Returns the same lanes without what cannot go now."""
        return Lanes(
            [m for m in self.running if is_ready(m.segment_id)],
            [m for m in self.backlog if is_ready(m.segment_id)],
        )

    def choose(self, *, running_in_flight: int, connections: int) -> SegmentManifest | None:
        """Returns the segment the next free connection takes, or None where nothing waits.

        A running class may use all connections but one while there is a backlog, and all of them otherwise.
        """
        room = connections if not self.backlog else max(1, connections - 1)
        if self.running and running_in_flight < room:
            return self.running[0]
        if self.backlog:
            return self.backlog[0]
        return self.running[0] if self.running else None

    def announce(self, limit: int, is_announced: Callable[[SegmentId], bool]) -> list[SegmentManifest]:
        """Returns up to `limit` segments to ask targets for: those that will be chosen soonest."""
        merged = (m for m in _alternate(self.running, self.backlog) if not is_announced(m.segment_id))
        return [manifest for manifest, _ in zip(merged, range(limit), strict=False)]


def _alternate(
    first: Sequence[SegmentManifest], second: Sequence[SegmentManifest]
) -> Iterable[SegmentManifest]:
    for index in range(max(len(first), len(second))):
        if index < len(first):
            yield first[index]
        if index < len(second):
            yield second[index]


class PendingSegments:
    """The lanes of one replicator. Used by the tasks of one event loop.

    What a read returned holds until `invalidate`, until the running classes change, or until little of it is left.
    """

    def __init__(
        self, outbox: Outbox, clock: Clock, *, running: Callable[[], Collection[ClassSessionId]], least: int
    ) -> None:
        """Args:
        running: returns the classes that are recorded now.
        least: with fewer sendable segments in a lane the spool is read again.
        """
        self._outbox = outbox
        self._clock = clock
        self._running = running
        self._least = least
        self._refresh_lock = asyncio.Lock()
        self._lanes = Lanes((), ())
        self._lanes_running: frozenset[ClassSessionId] = frozenset()
        self._limit = 0
        self._until_ns = 0
        self._removed: set[SegmentId] = set()
        """Segments uploaded or quarantined since the last read started."""

    def invalidate(self) -> None:
        """Makes the next call read the spool again: it has new segments."""
        self._until_ns = 0

    def remove(self, segment_id: SegmentId) -> None:
        """Removes a segment that was uploaded or quarantined."""
        self._removed.add(segment_id)

    async def lanes(self, is_ready: Callable[[SegmentId], bool], held: Callable[[], int]) -> Lanes:
        """Returns the segments that may be sent now.

        Args:
            is_ready: whether a segment may be sent.
            held: number of pending segments that may not, because they are being sent or retried later.
        """
        async with self._refresh_lock:
            ready = self._ready(is_ready)
            if self._is_stale(ready, BATCH_LIMIT + held()):
                await self._refresh(BATCH_LIMIT + held())
                ready = self._ready(is_ready)
            return ready

    def _ready(self, is_ready: Callable[[SegmentId], bool]) -> Lanes:
        return self._lanes.ready(lambda i: i not in self._removed and is_ready(i))

    def _is_stale(self, ready: Lanes, limit: int) -> bool:
        if self._clock.monotonic_ns() >= self._until_ns or self._lanes_running != frozenset(self._running()):
            return True
        if not self._removed and limit <= self._limit:
            return False
        lanes = (self._lanes.running, ready.running), (self._lanes.backlog, ready.backlog)
        return any(seen and len(left) < self._least for seen, left in lanes)

    async def _refresh(self, limit: int) -> None:
        running = frozenset(self._running())
        self._removed.clear()
        self._limit, self._lanes_running = limit, running
        # Before the read: a segment closed meanwhile calls `invalidate`, which this must not overwrite.
        self._until_ns = self._clock.monotonic_ns() + round(OLD_S * 1e9)
        newest = await self._outbox.pending(limit, of=running, newest_first=True) if running else ()
        backlog = await self._outbox.pending(limit, but_not_of=running)
        self._lanes = Lanes([s.manifest for s in newest], [s.manifest for s in backlog])
