"""Brings every segment and every gap of the spool to the control plane, through any outage, each exactly once.

intent (where to?) -> PUT (bytes to the store) -> commit (receipt) -> the local copy may go. Each step is safe to
repeat, so nothing is remembered here that a kill -9 could lose: what is not marked committed is sent again.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from edge_agent.errors import ObjectRefused, RequestRefused, TargetExpired
from edge_agent.spool.spool import StoredSegment
from edge_agent.upload.client import UploadClient
from edge_agent.upload.gaps import GapOutbox, GapSender
from edge_agent.upload.lanes import Lanes
from edge_agent.upload.patience import Patience
from edge_agent.waits import wait_for_any
from shared.kernel.clock import Clock
from shared.protocol.errors import Code
from shared.protocol.ids import ClassSessionId, SegmentId
from shared.protocol.manifest import SegmentManifest
from shared.protocol.upload import BATCH_LIMIT, AlreadyCommitted, CommitItem, PutTarget, Refused

log = logging.getLogger(__name__)

CONNECTIONS = 3
LONGEST_DEFERRAL_S = 600.0
IDLE_S = 30.0
"""How often the spool is looked at without having been told to: a lost wake-up costs this much, never a segment."""
TARGET_MARGIN = timedelta(seconds=20)
LEAST_LIFETIME_S = 60.0

MENDABLE = frozenset(
    {
        Code.SEGMENT_MISSING,
        Code.SEGMENT_CORRUPT,
        Code.STORE_UNAVAILABLE,
        Code.UNAVAILABLE,
        Code.INTERNAL,
        Code.TOO_MANY_REQUESTS,
        Code.UPLOAD_TARGET_EXPIRED,
    }
)
"""Refusals that a new intent and a new PUT can mend, whatever the answer says of them."""


class Outbox(GapOutbox, Protocol):
    """What the replicator asks of the spool (`spool.outbox.SpoolOutbox`): the disk's time is not the event loop's."""

    async def pending(
        self,
        limit: int,
        *,
        of: Collection[ClassSessionId] | None = None,
        but_not_of: Collection[ClassSessionId] = (),
        newest_first: bool = False,
    ) -> Sequence[StoredSegment]:
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


@dataclass(frozen=True)
class _Announced:
    """A target, and until when (monotonic) it is worth a try."""

    target: PutTarget
    until_ns: int


@dataclass
class _Deferral:
    """A segment that has to wait before it is tried again."""

    failures: int
    until_ns: int


class Replicator:
    """The uploads of one agent. All of it runs on one event loop.

    `running` returns the classes that are being recorded now; `revoked` is called with a revocation (not verified
    yet) that came with an answer.
    """

    def __init__(
        self,
        client: UploadClient,
        outbox: Outbox,
        clock: Clock,
        *,
        running: Callable[[], Collection[ClassSessionId]],
        revoked: Callable[[str], None],
        connections: int = CONNECTIONS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._outbox = outbox
        self._clock = clock
        self._running = running
        self._connections = connections
        self._sleep = sleep
        self._targets: dict[SegmentId, _Announced] = {}
        self._in_flight: dict[SegmentId, bool] = {}
        """Segments being sent; True for those of a running class."""
        self._stored: dict[SegmentId, SegmentManifest] = {}
        """Segments in the store, without a receipt yet."""
        self._deferred: dict[SegmentId, _Deferral] = {}
        self._choosing = asyncio.Lock()
        self._news = asyncio.Event()
        self._commit_news = asyncio.Event()
        self._server_line = Patience("the control plane takes no uploads", sleep=sleep, revoked=revoked)
        self._store_line = Patience("the object store takes no uploads", sleep=sleep, revoked=revoked)
        self._gaps = GapSender(client, outbox, self._server_line, sleep=sleep)
        self.bytes_sent = 0
        self.segments_committed = 0

    def wake(self) -> None:
        """Has the spool looked at now: there is a new segment or a new gap."""
        self._news.set()
        self._gaps.wake()

    def line_up(self) -> None:
        """Ends the waits after failures: the control plane answers again."""
        self._server_line.wake()
        self._store_line.wake()
        self.wake()

    async def run(self) -> None:
        """Sends until cancelled. What is half sent then is sent again by the next run."""
        # A run that a full disk ended may have left segments that are stored and wait for their receipt only.
        self._commit_news.set()
        async with asyncio.TaskGroup() as group:
            for number in range(self._connections):
                group.create_task(self._send_segments(), name=f"upload-{number}")
            group.create_task(self._commit_stored(), name="upload-commit")
            group.create_task(self._gaps.run(), name="upload-gaps")

    async def drained(self) -> None:
        """Returns once nothing is left to send, as far as the spool says."""
        while True:
            if not await self._outbox.pending(1) and not await self._outbox.gaps_pending(1):
                return
            self.wake()
            await self._sleep(0.1)

    async def _send_segments(self) -> None:
        while True:
            manifest, target = await self._next()
            try:
                await self._send(manifest, target)
            finally:
                self._in_flight.pop(manifest.segment_id, None)

    async def _next(self) -> tuple[SegmentManifest, PutTarget]:
        """Returns the segment to send now, with a target that is good for a while. Waits where there is none."""
        async with self._choosing:
            while True:
                self._news.clear()
                lanes = await self._lanes()
                chosen = lanes.choose(
                    running_in_flight=sum(self._in_flight.values()), connections=self._connections
                )
                if chosen is None:
                    await wait_for_any(self._news, most_s=self._idle_s(), sleep=self._sleep)
                    continue
                known = self._targets.get(chosen.segment_id)
                if known is not None and known.until_ns > self._clock.monotonic_ns():
                    self._in_flight[chosen.segment_id] = chosen in lanes.running
                    return chosen, known.target
                self._targets.pop(chosen.segment_id, None)
                await self._announce(lanes.announce(BATCH_LIMIT, self._targets.__contains__))

    async def _lanes(self) -> Lanes:
        """Returns what may be sent now."""
        running = self._running()
        limit = BATCH_LIMIT + len({*self._in_flight, *self._stored, *self._deferred})
        newest = await self._outbox.pending(limit, of=running, newest_first=True) if running else ()
        backlog = await self._outbox.pending(limit, but_not_of=running)
        return Lanes([s.manifest for s in newest], [s.manifest for s in backlog]).ready(self._is_ready)

    async def _announce(self, manifests: Sequence[SegmentManifest]) -> None:
        """Asks where the segments go, and acts on the answers. A batch that is refused as a whole is halved."""
        try:
            answers = await self._server_line.call(lambda: self._client.intent(manifests))
        except RequestRefused as refusal:
            if len(manifests) == 1:
                await self._quarantine(manifests[0].segment_id, refusal.problem.code, str(refusal))
                return
            half = len(manifests) // 2
            await self._announce(manifests[:half])
            await self._announce(manifests[half:])
            return
        await self._outbox.mark_intended([a.segment_id for a in answers if isinstance(a, PutTarget)])
        for manifest, answer in zip(manifests, answers, strict=True):
            match answer:
                case PutTarget():
                    self._targets[manifest.segment_id] = self._announced(answer)
                case AlreadyCommitted():
                    await self._committed([manifest.segment_id])
                case Refused():
                    await self._refused(manifest, answer)

    def _announced(self, target: PutTarget) -> _Announced:
        # The store decides what has expired. By our clock a target is only judged old when it was good at first, so
        # that two clocks that disagree cost a refused PUT and not an endless asking.
        lifetime_s = (target.expires_at - self._clock.now() - TARGET_MARGIN).total_seconds()
        return _Announced(target, self._clock.monotonic_ns() + round(max(lifetime_s, LEAST_LIFETIME_S) * 1e9))

    async def _send(self, manifest: SegmentManifest, target: PutTarget) -> None:
        segment_id = manifest.segment_id
        path = self._outbox.path(manifest)
        self._targets.pop(segment_id, None)
        try:
            await self._store_line.call(lambda: self._client.put(target, path, manifest.size_bytes))
        except TargetExpired as error:
            self._defer(segment_id, str(error))
        except ObjectRefused as error:
            await self._mistrust(manifest, str(error))
        except OSError as error:
            log.error("a segment cannot be read back from the disk", extra={"error": str(error)})
            await self._mistrust(manifest, str(error))
        else:
            self.bytes_sent += manifest.size_bytes
            self._stored[segment_id] = manifest
            self._commit_news.set()

    async def _commit_stored(self) -> None:
        while True:
            await self._commit_news.wait()
            self._commit_news.clear()
            while batch := list(self._stored.values())[:BATCH_LIMIT]:
                await self._commit(batch)

    async def _commit(self, manifests: Sequence[SegmentManifest]) -> None:
        items = [
            CommitItem(segment_id=m.segment_id, size_bytes=m.size_bytes, sha256=m.sha256) for m in manifests
        ]
        try:
            answers = await self._server_line.call(lambda: self._client.commit(items))
        except RequestRefused as refusal:
            if len(manifests) == 1:
                self._stored.pop(manifests[0].segment_id, None)
                await self._quarantine(manifests[0].segment_id, refusal.problem.code, str(refusal))
                return
            half = len(manifests) // 2
            await self._commit(manifests[:half])
            await self._commit(manifests[half:])
            return
        await self._committed([a.segment_id for a in answers if isinstance(a, AlreadyCommitted)])
        for manifest, answer in zip(manifests, answers, strict=True):
            self._stored.pop(manifest.segment_id, None)
            if isinstance(answer, Refused):
                await self._refused(manifest, answer)
        self._news.set()

    async def _committed(self, segment_ids: Sequence[SegmentId]) -> None:
        if not segment_ids:
            return
        await self._outbox.mark_committed(segment_ids)
        self.segments_committed += len(segment_ids)
        for segment_id in segment_ids:
            self._forget(segment_id)

    async def _refused(self, manifest: SegmentManifest, refusal: Refused) -> None:
        said = f"{refusal.code}: {refusal.detail}".rstrip(": ")
        if refusal.code is Code.SEGMENT_NOT_WANTED:
            log.warning("a segment is not wanted", extra={"segment": str(manifest.segment_id)})
            await self._outbox.mark_committed([manifest.segment_id])
            self._forget(manifest.segment_id)
        elif refusal.code is Code.SEGMENT_CORRUPT:
            await self._mistrust(manifest, said)
        elif refusal.retryable or refusal.code in MENDABLE:
            self._defer(manifest.segment_id, said)
        else:
            await self._quarantine(manifest.segment_id, refusal.code, refusal.detail)

    async def _mistrust(self, manifest: SegmentManifest, said: str) -> None:
        """Tries again where the file on the disk is what the manifest says, and sets the segment aside where not."""
        path = self._outbox.path(manifest)
        if await asyncio.to_thread(_sha256_of, path) == manifest.sha256:
            self._defer(manifest.segment_id, said)
        else:
            log.error(
                "a segment is damaged on the disk", extra={"segment": str(manifest.segment_id), "said": said}
            )
            await self._outbox.mark_damaged(manifest, f"the file on the disk is damaged ({said})")
            self._forget(manifest.segment_id)
            self._gaps.wake()

    async def _quarantine(self, segment_id: SegmentId, code: Code, detail: str) -> None:
        log.error(
            "a segment is set aside", extra={"segment": str(segment_id), "code": code, "detail": detail}
        )
        await self._outbox.mark_refused(segment_id, code, detail)
        self._forget(segment_id)

    def _defer(self, segment_id: SegmentId, reason: str) -> None:
        self._targets.pop(segment_id, None)
        failures = self._deferred[segment_id].failures + 1 if segment_id in self._deferred else 0
        # The first new target is asked for at once: an expired one is nobody's fault.
        wait_s = min(LONGEST_DEFERRAL_S, 2.0**failures) if failures else 0.0
        self._deferred[segment_id] = _Deferral(failures, self._clock.monotonic_ns() + round(wait_s * 1e9))
        log.info(
            "a segment is tried again later",
            extra={"segment": str(segment_id), "reason": reason, "wait_s": wait_s},
        )
        self._news.set()

    def _forget(self, segment_id: SegmentId) -> None:
        self._targets.pop(segment_id, None)
        self._deferred.pop(segment_id, None)

    def _is_ready(self, segment_id: SegmentId) -> bool:
        if segment_id in self._in_flight or segment_id in self._stored:
            return False
        deferral = self._deferred.get(segment_id)
        return deferral is None or deferral.until_ns <= self._clock.monotonic_ns()

    def _idle_s(self) -> float:
        now_ns = self._clock.monotonic_ns()
        waits_s = [(d.until_ns - now_ns) / 1e9 for d in self._deferred.values()]
        return min([IDLE_S, *(max(wait_s, 0.05) for wait_s in waits_s)])


def _sha256_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
