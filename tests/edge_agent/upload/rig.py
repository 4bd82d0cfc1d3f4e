"""Segments to send, a spool of them in memory, and an upload client without a network."""

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from edge_agent.errors import (
    AgentRevoked,
    AuthenticationRefused,
    ServerError,
    ServerUnavailable,
    ServerUnreachable,
    TargetExpired,
)
from edge_agent.spool.index import IndexedSegment, SegmentState
from edge_agent.upload.client import CommitResult, IntentResult
from shared.protocol.errors import Code
from shared.protocol.ids import CameraId, ClassSessionId, GapId, SegmentId, new_id
from shared.protocol.manifest import GapReason, GapRecord, SealedBlob, SegmentManifest
from shared.protocol.status import QuarantinedSegment
from shared.protocol.upload import CommitItem, CommitRequest, IntentRequest, PutTarget
from tests.rigs.control_plane import ControlPlane, Stored
from tests.rigs.pacer import settle
from tests.shared.examples import MANIFEST

CAMERA = CameraId(new_id())
START = datetime(2026, 1, 1, tzinfo=UTC)


class MemorySpool:
    """An `Outbox` in memory, with files on a real disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.segments: dict[SegmentId, SegmentManifest] = {}
        self.intended: Counter[SegmentId] = Counter()
        self.committed: Counter[SegmentId] = Counter()
        self.refused: dict[SegmentId, Code] = {}
        self.gaps: dict[GapId, GapRecord] = {}
        self.settled: set[GapId] = set()
        self.rows_read = 0

    def add(self, class_id: ClassSessionId, *, size_bytes: int = 1000) -> SegmentManifest:
        """Puts the next segment of a class into the spool."""
        number = len(self.segments) + 1
        body = os.urandom(size_bytes)
        sha256 = hashlib.sha256(body).hexdigest()
        manifest = msgspec.structs.replace(
            MANIFEST,
            segment_id=SegmentId(new_id()),
            class_session_id=class_id,
            camera_id=CAMERA,
            sequence=number,
            size_bytes=size_bytes,
            sha256=sha256,
            init=SealedBlob(offset_bytes=0, size_bytes=size_bytes, iv=bytes(16), sha256=sha256),
            closed_at=START + timedelta(seconds=number),
        )
        self.path(manifest).write_bytes(body)
        self.segments[manifest.segment_id] = manifest
        return manifest

    def add_gap(self, class_id: ClassSessionId) -> GapRecord:
        """Puts a gap into the spool."""
        gap = GapRecord(
            gap_id=GapId(new_id()),
            class_session_id=class_id,
            camera_id=CAMERA,
            from_at=START,
            to_at=START + timedelta(seconds=1),
            reason=GapReason.CAMERA_OFFLINE,
        )
        self.gaps[gap.gap_id] = gap
        return gap

    def is_pending(self, segment_id: SegmentId) -> bool:
        return segment_id not in self.committed and segment_id not in self.refused

    def is_empty(self) -> bool:
        """Returns whether no segment waits any more."""
        return not any(map(self.is_pending, self.segments))

    # `Outbox`

    async def pending(
        self,
        limit: int,
        *,
        of: Collection[ClassSessionId] | None = None,
        but_not_of: Collection[ClassSessionId] = (),
        newest_first: bool = False,
    ) -> Sequence[IndexedSegment]:
        found = [
            IndexedSegment(manifest, SegmentState.CLOSED, is_stored=True)
            for manifest in self.segments.values()
            if self.is_pending(manifest.segment_id)
            and (of is None or manifest.class_session_id in of)
            and manifest.class_session_id not in but_not_of
        ]
        found.sort(key=lambda s: s.manifest.closed_at, reverse=newest_first)
        self.rows_read += len(found[:limit])
        return found[:limit]

    def path(self, manifest: SegmentManifest) -> Path:
        return self.folder / f"{manifest.segment_id}.seg"

    async def mark_intended(self, segment_ids: Iterable[SegmentId]) -> None:
        self.intended.update(segment_ids)

    async def mark_committed(self, segment_ids: Iterable[SegmentId]) -> None:
        self.committed.update(segment_ids)

    async def mark_refused(self, segment_id: SegmentId, code: Code, detail: str = "") -> None:
        self.refused[segment_id] = code

    async def mark_damaged(self, manifest: SegmentManifest, detail: str) -> None:
        self.refused[manifest.segment_id] = Code.SEGMENT_CORRUPT

    async def retry_refused(self) -> None:
        for segment_id in [i for i, code in self.refused.items() if code is not Code.SEGMENT_CORRUPT]:
            del self.refused[segment_id]

    async def quarantined(self, limit: int) -> tuple[int, Sequence[QuarantinedSegment]]:
        found = [
            QuarantinedSegment(
                segment_id=i,
                class_session_id=self.segments[i].class_session_id,
                camera_id=CAMERA,
                reason=str(code),
            )
            for i, code in self.refused.items()
        ]
        return len(found), found[:limit]

    async def gaps_pending(self, limit: int) -> Sequence[GapRecord]:
        return [gap for gap in self.gaps.values() if gap.gap_id not in self.settled][:limit]

    async def settle_gaps(self, gap_ids: Iterable[GapId]) -> None:
        self.settled.update(gap_ids)


class DirectClient:
    """An `UploadClient` that calls the control plane of the tests without a network between them."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        plane.url = "https://old.store"
        self.errors: dict[tuple[str, SegmentId], ServerError] = {}
        """Answer to each step that contains this segment."""
        self.dead_stores: set[str] = set()
        """Hosts that nobody reaches."""
        self.tries: Counter[str] = Counter()
        self.asked: list[tuple[str, datetime]] = []
        """Each step that was asked for, and when."""

    async def intent(self, manifests: Sequence[SegmentManifest]) -> tuple[IntentResult, ...]:
        self._call("POST /agent/v1/intent", [m.segment_id for m in manifests])
        return self._plane.intent(IntentRequest(manifests=tuple(manifests))).answers

    async def put(self, target: PutTarget, path: Path, manifest: SegmentManifest) -> None:
        plane, body = self._plane, path.read_bytes()  # noqa: ASYNC240  # a small file of a test
        self.asked.append(("PUT", plane.now()))
        await settle(3)  # others may run, as they would while bytes travel
        host = urlsplit(target.url).netloc
        self.tries[host] += 1
        if host in self.dead_stores:
            raise ServerUnreachable(host)
        self._break("PUT", [target.segment_id])
        if plane.faults.cut_puts:
            plane.faults.cut_puts -= 1
            raise ServerUnreachable("direct", "cut")
        plane.puts[target.segment_id] += 1
        if plane.faults.store_unavailable:
            raise ServerUnavailable("direct")
        if plane.faults.expired_targets:
            plane.faults.expired_targets -= 1
            raise TargetExpired("direct")
        if target.expires_at < plane.now():
            raise TargetExpired("direct")
        key = str(target.segment_id)
        if key not in plane.objects:
            plane.objects[key] = Stored(body, hashlib.sha256(body).hexdigest())
            plane.order.append(target.segment_id)

    async def commit(self, items: Sequence[CommitItem]) -> tuple[CommitResult, ...]:
        self._call("POST /agent/v1/commit", [i.segment_id for i in items])
        answer = self._plane.commit(CommitRequest(items=tuple(items)))
        if self._plane.faults.lost_commit_answers:
            self._plane.faults.lost_commit_answers -= 1
            raise ServerUnreachable("direct", "the answer is lost")
        return answer.answers

    async def report_gaps(self, gaps: Sequence[GapRecord]) -> tuple[GapId, ...]:
        self._call("POST /agent/v1/gaps")
        self._plane.gaps.update({gap.gap_id: gap for gap in gaps})
        return tuple(gap.gap_id for gap in gaps)

    def _break(self, step: str, segment_ids: Iterable[SegmentId]) -> None:
        for segment_id in segment_ids:
            if error := self.errors.get((step, segment_id)):
                raise error

    def _call(self, name: str, segment_ids: Iterable[SegmentId] = ()) -> None:
        plane = self._plane
        plane.calls[name] += 1
        self.asked.append((name.rpartition("/")[2], plane.now()))
        self._break(name.rpartition("/")[2], segment_ids)
        if plane.faults.unavailable:
            raise ServerUnavailable("direct")
        if plane.revocation:
            raise AgentRevoked(plane.revocation)
        if plane.faults.plain_401:
            raise AuthenticationRefused("direct", Code.AGENT_TOKEN_INVALID)
