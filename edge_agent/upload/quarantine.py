"""Which segments are set aside, kept for the heartbeat: asking the disk twice a minute would read the whole index."""

from collections.abc import Sequence

from edge_agent.errors import ServerError
from edge_agent.upload.outbox import Outbox
from shared.protocol.ids import SegmentId
from shared.protocol.manifest import SegmentManifest
from shared.protocol.status import SetAside, UploadStatus

SHOWN = 5
TRIES = 4
"""Refused by the store so often although its file is good, a segment is shown. It is tried on for ever."""
STUBBORN_MOST = 256


class QuarantineReport:
    """What the replicator tells of the segments that do not arrive. Used from one event loop."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._count = 0
        self._newest: Sequence[SetAside] = ()
        self._store_refusals: dict[SegmentId, SetAside] = {}

    async def load(self) -> None:
        """Reads from the spool what is set aside there."""
        self._count, self._newest = await self._outbox.quarantined(SHOWN)

    def store_refused(self, manifest: SegmentManifest, said: str, failures: int) -> None:
        """The store did not take a segment whose file is good."""
        if failures < TRIES or len(self._store_refusals) >= STUBBORN_MOST:
            return
        self._store_refusals[manifest.segment_id] = SetAside(
            segment_id=manifest.segment_id,
            class_session_id=manifest.class_session_id,
            camera_id=manifest.camera_id,
            reason=said[:300],
        )

    def resolved(self, segment_id: SegmentId) -> None:
        """A segment is not refused by the store any more."""
        self._store_refusals.pop(segment_id, None)

    def status(self, problem: ServerError | None) -> UploadStatus:
        """Returns what to tell; `problem` is why nothing gets through, if nothing does."""
        return UploadStatus(
            problem=str(problem)[:300] if problem else "",
            hint=problem.hint if problem else "",
            set_aside=self._count + len(self._store_refusals),
            newest=(*self._store_refusals.values(), *self._newest)[:SHOWN],
        )
