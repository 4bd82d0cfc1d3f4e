"""Where segments may be put, until when, and whether that store answers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from edge_agent.upload.endpoint import Endpoint
from shared.kernel.clock import Clock
from shared.protocol.ids import SegmentId
from shared.protocol.upload import PutTarget

TARGET_MARGIN = timedelta(seconds=20)
LEAST_LIFETIME_S = 60.0
STORES_MOST = 16


@dataclass(frozen=True)
class _Known:
    target: PutTarget
    store: str
    until_ns: int


class PutTargets:
    """The answers to intents that were not used up yet, and one line for each store they name.

    Used from one event loop. `clock` is by the server's time.
    """

    def __init__(self, clock: Clock, make_line: Callable[[], Endpoint]) -> None:
        self._clock = clock
        self._make_endpoint = make_line
        self._known: dict[SegmentId, _Known] = {}
        self._endpoints: dict[str, Endpoint] = {}

    def __getitem__(self, segment_id: SegmentId) -> PutTarget:
        return self._known[segment_id].target

    def add(self, target: PutTarget) -> None:
        """Keeps an answer for as long as it is good."""
        # The store decides what has expired. By our clock a target is only judged old when it was good at first, so
        # that two clocks that disagree cost a refused PUT and not an endless asking.
        lifetime_s = (target.expires_at - self._clock.now() - TARGET_MARGIN).total_seconds()
        until_ns = self._clock.monotonic_ns() + round(max(lifetime_s, LEAST_LIFETIME_S) * 1e9)
        self._known[target.segment_id] = _Known(target, urlsplit(target.url).netloc, until_ns)

    def has_valid(self, segment_id: SegmentId) -> bool:
        """Returns whether there is a target that is good now."""
        known = self._known.get(segment_id)
        if known is not None and known.until_ns <= self._clock.monotonic_ns():
            # Whatever became of its store meanwhile: a new intent says where to go now.
            del self._known[segment_id]
            return False
        return known is not None

    def is_sendable(self, segment_id: SegmentId) -> bool:
        """Returns whether there is one, and its store may be asked now."""
        return self.has_valid(segment_id) and self.endpoint_of(segment_id).wait_s() == 0

    def drop(self, segment_id: SegmentId) -> None:
        """The target is used up, or no good."""
        self._known.pop(segment_id, None)

    def endpoint_of(self, segment_id: SegmentId) -> Endpoint:
        """Returns the line to the store of a segment that has a target."""
        store = self._known[segment_id].store
        if store not in self._endpoints:
            named = self._stores_in_use()
            unnamed = [name for name in self._endpoints if name not in named]
            for old in unnamed[: max(0, len(self._endpoints) - STORES_MOST + 1)]:
                del self._endpoints[old]
            self._endpoints[store] = self._make_endpoint()
        return self._endpoints[store]

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The lines to the stores that targets name now."""
        named = self._stores_in_use()
        return tuple(line for name, line in self._endpoints.items() if name in named)

    def _stores_in_use(self) -> set[str]:
        return {known.store for known in self._known.values()}
