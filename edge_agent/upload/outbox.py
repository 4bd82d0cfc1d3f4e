"""The spool's calls that uploads need; `spool.async_spool.AsyncSpool` implements them without blocking the event loop."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from edge_agent.spool.index import IndexedSegment
from edge_agent.upload.gap_sender import GapOutbox
from shared.protocol.errors import Code
from shared.protocol.ids import ClassSessionId, SegmentId
from shared.protocol.manifest import SegmentManifest
from shared.protocol.status import QuarantinedSegment


class Outbox(GapOutbox, Protocol):
    """The agent's segments and gaps, and their upload state."""

    async def pending(
        self,
        limit: int,
        *,
        of: Collection[ClassSessionId] | None = None,
        but_not_of: Collection[ClassSessionId] = (),
        newest_first: bool = False,
    ) -> Sequence[IndexedSegment]:
        """Returns up to `limit` segments without a receipt that are not quarantined."""
        ...

    def path(self, manifest: SegmentManifest) -> Path:
        """Returns the sealed file of a segment."""
        ...

    async def mark_intended(self, segment_ids: Iterable[SegmentId]) -> None:
        """Marks segments whose manifests the control plane has."""
        ...

    async def mark_committed(self, segment_ids: Iterable[SegmentId]) -> None:
        """Marks segments with a receipt; durable when this returns."""
        ...

    async def mark_refused(self, segment_id: SegmentId, code: Code, detail: str = "") -> None:
        """Quarantines a refused segment: it is no longer pending."""
        ...

    async def mark_damaged(self, manifest: SegmentManifest, detail: str) -> None:
        """Quarantines a segment whose file does not match its manifest, and records the loss as a gap."""
        ...

    async def retry_refused(self) -> None:
        """Requeues quarantined segments, except damaged ones."""
        ...

    async def quarantined(self, limit: int) -> tuple[int, Sequence[QuarantinedSegment]]:
        """Returns how many segments are quarantined, and the newest of them."""
        ...
