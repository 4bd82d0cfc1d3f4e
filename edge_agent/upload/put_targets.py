"""Upload addresses of segments, their expiry, and the state of the stores they name."""

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
    """Unused answers to intents, and one endpoint per store that they name.

    Used from one event loop. `clock` is by the server's time.
    """

    def __init__(self, clock: Clock, make_endpoint: Callable[[], Endpoint]) -> None:
        self._clock = clock
        self._make_endpoint = make_endpoint
        self._known: dict[SegmentId, _Known] = {}
        self._endpoints: dict[str, Endpoint] = {}

    def __getitem__(self, segment_id: SegmentId) -> PutTarget:
        return self._known[segment_id].target

    def add(self, target: PutTarget) -> None:
        """Keeps a target until it expires."""
        # The store decides what has expired. A target gets at least `LEAST_LIFETIME_S`, so that clocks that disagree cost
        # a refused PUT and not an endless loop of intents.
        lifetime_s = (target.expires_at - self._clock.now() - TARGET_MARGIN).total_seconds()
        until_ns = self._clock.monotonic_ns() + round(max(lifetime_s, LEAST_LIFETIME_S) * 1e9)
        self._known[target.segment_id] = _Known(target, urlsplit(target.url).netloc, until_ns)

    def has_valid(self, segment_id: SegmentId) -> bool:
        """Returns whether there is a target that has not expired."""
        known = self._known.get(segment_id)
        if known is not None and known.until_ns <= self._clock.monotonic_ns():
            # A new intent names the current store.
            del self._known[segment_id]
            return False
        return known is not None

    def is_sendable(self, segment_id: SegmentId) -> bool:
        """Returns whether there is a valid target whose store may be called now."""
        return self.has_valid(segment_id) and self.endpoint_of(segment_id).wait_s() == 0

    def drop(self, segment_id: SegmentId) -> None:
        """Drops a target that was used or refused."""
        self._known.pop(segment_id, None)

    def endpoint_of(self, segment_id: SegmentId) -> Endpoint:
        """Returns the endpoint of the store of a segment with a target."""
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
        """The endpoints of the stores that current targets name."""
        named = self._stores_in_use()
        return tuple(endpoint for name, endpoint in self._endpoints.items() if name in named)

    def _stores_in_use(self) -> set[str]:
        return {known.store for known in self._known.values()}
