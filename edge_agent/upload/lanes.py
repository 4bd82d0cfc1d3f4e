"""Which segment goes next: pure.

Two lanes share the connections: classes that run now, newest first, so that what has just happened is soon there;
and the backlog in the order it was recorded. Neither starves the other.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from shared.protocol.ids import SegmentId
from shared.protocol.manifest import SegmentManifest


@dataclass(frozen=True)
class Lanes:
    """What waits, best first in each lane."""

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
