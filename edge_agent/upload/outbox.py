"""What the uploads ask of the spool (`spool.outbox.AsyncSpool`): the disk's time is not the event loop's."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from edge_agent.spool.index import IndexedSegment
from edge_agent.upload.gap_sender import GapOutbox
from shared.protocol.errors import Code
from shared.protocol.ids import ClassSessionId, SegmentId
from shared.protocol.manifest import SegmentManifest
from shared.protocol.status import SetAside


class Outbox(GapOutbox, Protocol):
    """The segments and gaps of this box, and how far their upload is."""

    async def pending(
        self,
        limit: int,
        *,
        of: Collection[ClassSessionId] | None = None,
        but_not_of: Collection[ClassSessionId] = (),
        newest_first: bool = False,
    ) -> Sequence[IndexedSegment]:
        """Returns up to `limit` segments that have no receipt and are not set aside."""
        ...

    def path(self, manifest: SegmentManifest) -> Path:
        """Returns the sealed file of a segment."""
        ...

    async def mark_intended(self, segment_ids: Iterable[SegmentId]) -> None:
        """Notes that the control plane has the manifests."""
        ...

    async def mark_committed(self, segment_ids: Iterable[SegmentId]) -> None:
        """Notes receipts; durable when this returns."""
        ...

    async def mark_refused(self, segment_id: SegmentId, code: Code, detail: str = "") -> None:
        """Sets a segment aside for a person to look at; it is not pending any more."""
        ...

    async def mark_damaged(self, manifest: SegmentManifest, detail: str) -> None:
        """Sets a segment aside whose file is not what its manifest says, and puts the loss on record."""
        ...

    async def retry_refused(self) -> None:
        """Has what was set aside judged once more, but for what is damaged."""
        ...

    async def quarantined(self, limit: int) -> tuple[int, Sequence[SetAside]]:
        """Returns how many segments are set aside, and the newest of them."""
        ...
