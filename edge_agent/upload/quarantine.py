"""Status of quarantined segments, cached: the heartbeat would read the whole index twice a minute."""

from collections.abc import Sequence

from edge_agent.errors import ServerError
from edge_agent.upload.outbox import Outbox
from shared.protocol.ids import SegmentId
from shared.protocol.manifest import SegmentManifest
from shared.protocol.status import QuarantinedSegment, UploadStatus

SHOWN = 5
TRIES = 4
"""A segment that the store has refused this often, although its file is intact, is shown. Retries continue."""
STUBBORN_MOST = 256


class QuarantineReport:
    """Builds the upload status from segments that are not accepted. Used from one event loop."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._count = 0
        self._newest: Sequence[QuarantinedSegment] = ()
        self._store_refusals: dict[SegmentId, QuarantinedSegment] = {}

    async def load(self) -> None:
        """Reloads the quarantined segments from the spool."""
        self._count, self._newest = await self._outbox.quarantined(SHOWN)

    def store_refused(self, manifest: SegmentManifest, said: str, failures: int) -> None:
        """Counts a refusal by the store of a segment whose file is intact."""
        if failures < TRIES or len(self._store_refusals) >= STUBBORN_MOST:
            return
        self._store_refusals[manifest.segment_id] = QuarantinedSegment(
            segment_id=manifest.segment_id,
            class_session_id=manifest.class_session_id,
            camera_id=manifest.camera_id,
            reason=said[:300],
        )

    def resolved(self, segment_id: SegmentId) -> None:
        """Removes a segment that was accepted or quarantined."""
        self._store_refusals.pop(segment_id, None)

    def status(self, problem: ServerError | None) -> UploadStatus:
        """Returns the upload status; `problem` is why no upload succeeds, None if they do."""
        return UploadStatus(
            problem=str(problem)[:300] if problem else "",
            hint=problem.hint if problem else "",
            quarantined=self._count + len(self._store_refusals),
            newest=(*self._store_refusals.values(), *self._newest)[:SHOWN],
        )
