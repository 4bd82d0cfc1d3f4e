"""The calls to the control plane and the stores: four, each idempotent."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from shared.protocol.ids import GapId
from shared.protocol.manifest import GapRecord, SegmentManifest
from shared.protocol.upload import AlreadyCommitted, CommitItem, PutTarget, Refused

IntentResult = PutTarget | AlreadyCommitted | Refused
CommitResult = AlreadyCommitted | Refused


class UploadClient(Protocol):
    """Brings segments to the control plane.

    Every call raises `Retryable` where the same call may work later, `AuthenticationRefused` for a plain 401 or 403,
    `AgentRevoked` for a signed end, and `ServerError` for what repeating does not mend.
    """

    async def intent(self, manifests: Sequence[SegmentManifest]) -> tuple[IntentResult, ...]:
        """Announces at most `BATCH_LIMIT` segments; returns one answer for each, in order."""
        ...

    async def put(self, target: PutTarget, path: Path, manifest: SegmentManifest) -> None:
        """Sends the file to the store with exactly the headers of `target`. Returns where it lies there, now or before;
        the proof of that is the commit.

        Raises:
            TargetExpired: ask for a new target.
            ObjectRefused: the store does not take these bytes under this target.
            OSError: the local file cannot be read.
        """
        ...

    async def commit(self, items: Sequence[CommitItem]) -> tuple[CommitResult, ...]:
        """Asks for receipts for at most `BATCH_LIMIT` segments; returns one answer for each, in order."""
        ...

    async def report_gaps(self, gaps: Sequence[GapRecord]) -> tuple[GapId, ...]:
        """Reports at most `BATCH_LIMIT` gaps; returns those that need not be sent again."""
        ...
