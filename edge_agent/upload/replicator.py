"""Uploads every segment and gap of the spool exactly once, through any outage.

intent (where to?) -> PUT (bytes to the store) -> commit (receipt) -> the local copy may go. Each step is safe to
repeat, so nothing is remembered here that a kill -9 could lose: what is not marked committed is sent again.

Each step has its own task, each destination its own endpoint: waiting for one does not hold up the others.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from edge_agent.async_wait import Signal, wait_for_any
from edge_agent.errors import (
    ObjectRefused,
    RequestRefused,
    ServerError,
    ServerInternalError,
    ServerTimeout,
    TargetExpired,
)
from edge_agent.upload.client import UploadClient
from edge_agent.upload.endpoint import Endpoint
from edge_agent.upload.gap_sender import GapSender
from edge_agent.upload.outbox import Outbox
from edge_agent.upload.pending import Lanes, PendingSegments
from edge_agent.upload.put_targets import PutTargets
from edge_agent.upload.quarantine import QuarantineReport
from edge_agent.upload.retry_schedule import MENDABLE, RetrySchedule
from edge_agent.upload.upload_window import WindowGate
from shared.kernel.clock import Clock
from shared.protocol.errors import Code
from shared.protocol.ids import ClassSessionId, SegmentId
from shared.protocol.manifest import SegmentManifest
from shared.protocol.status import UploadStatus
from shared.protocol.upload import BATCH_LIMIT, AlreadyCommitted, CommitItem, PutTarget, Refused

T = TypeVar("T")

log = logging.getLogger(__name__)

CONNECTIONS = 3
IDLE_S = 30.0
"""How often the spool is checked without a wake-up: a lost wake-up costs this delay, never a segment."""
STORED_MOST = 4 * BATCH_LIMIT
"""Limit of segments in the store without a receipt; beyond it no more are sent, to bound the agent's memory."""
STORE_OPENS_AFTER = CONNECTIONS
"""One broken connection is not a store that is down."""


class Replicator:
    """The uploads of one agent. All of it runs on one event loop.

    `running` returns the classes that are being recorded now; `revoked` is called with a revocation (not verified
    yet) that came with an answer; `gate` holds the upload window, None: there is none.
    """

    def __init__(
        self,
        client: UploadClient,
        outbox: Outbox,
        clock: Clock,
        *,
        running: Callable[[], Collection[ClassSessionId]],
        revoked: Callable[[str], None],
        gate: WindowGate | None = None,
        connections: int = CONNECTIONS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._outbox = outbox
        self._clock = clock
        self._gate = gate or WindowGate(clock.now, lambda: 0.0, sleep=sleep)
        self._revoked = revoked
        self._connections = connections
        self._sleep = sleep
        self._targets = PutTargets(clock, self._make_store_endpoint)
        self._pending = PendingSegments(outbox, clock, running=running, least=2 * connections)
        self._in_flight: dict[SegmentId, bool] = {}
        """Segments being sent; True for those of a running class."""
        self._stored: dict[SegmentId, SegmentManifest] = {}
        """Segments in the store, without a receipt yet."""
        self._retries = RetrySchedule()
        self._commit_retries = RetrySchedule()
        self._batch_size = {"intent": BATCH_LIMIT, "commit": BATCH_LIMIT}
        self._send_signal = Signal()
        self._intent_signal = Signal()
        self._commit_signal = Signal()
        self._control_plane = Endpoint(
            "the control plane takes no uploads",
            clock,
            sleep=sleep,
            revoked=revoked,
            changed=self._intent_signal.fire,
        )
        self._gap_sender = GapSender(client, outbox, self._control_plane, sleep=sleep)
        self._quarantine_report = QuarantineReport(outbox)
        self.bytes_sent = 0
        self.segments_committed = 0

    def wake(self) -> None:
        """Checks the spool now: there is a new segment or gap."""
        self._pending.invalidate()
        self._wake_senders()
        self._gap_sender.wake()

    def network_restored(self) -> None:
        """Ends the waits after failures: the control plane answers again."""
        self._retries.retry_network_failures()
        self._commit_retries.retry_network_failures()
        for endpoint in (self._control_plane, *self._targets.endpoints):
            endpoint.wake()
        self._commit_signal.fire()
        self.wake()

    def status(self) -> UploadStatus:
        """Returns whether uploads succeed, the quarantined segments, and the state of the upload window."""
        problem = next(
            (li.problem for li in (self._control_plane, *self._targets.endpoints) if li.problem), None
        )
        return self._gate.with_window(self._quarantine_report.status(problem))

    async def run(self) -> None:
        """Uploads until cancelled. Interrupted uploads are repeated by the next run."""
        self._pending.invalidate()
        await self._outbox.retry_refused()
        await self._quarantine_report.load()
        async with asyncio.TaskGroup() as group:
            for number in range(self._connections):
                group.create_task(self._send_segments(), name=f"upload-{number}")
            group.create_task(self._announce_segments(), name="upload-intent")
            group.create_task(self._commit_stored(), name="upload-commit")
            group.create_task(self._gap_sender.run(), name="upload-gaps")
            group.create_task(self._gate.watch(self.network_restored), name="upload-window")

    async def drained(self) -> None:
        """Returns once nothing is left that may be sent now."""
        while True:
            kept_back = not (self._gate.is_open or self._in_flight or self._stored)
            nothing = kept_back or not await self._outbox.pending(1)
            if nothing and not await self._outbox.gaps_pending(1):
                return
            self.wake()
            await self._sleep(0.1)

    # Choosing the next segment.

    def _wake_senders(self) -> None:
        self._send_signal.fire()
        self._intent_signal.fire()

    async def _lanes(self) -> Lanes:
        """Returns the segments that may be sent now."""
        lanes = await self._pending.lanes(
            self._is_ready, lambda: len({*self._in_flight, *self._stored, *self._retries.ids})
        )
        # Checked last: nothing may run between this check of the window and the choice that depends on it.
        return lanes if self._gate.is_open else Lanes((), ())

    def _is_ready(self, segment_id: SegmentId) -> bool:
        if segment_id in self._in_flight or segment_id in self._stored:
            return False
        return self._retries.is_due(segment_id, self._clock.monotonic_ns())

    def _make_store_endpoint(self) -> Endpoint:
        return Endpoint(
            "the object store takes no uploads",
            self._clock,
            sleep=self._sleep,
            revoked=self._revoked,
            changed=self._send_signal.fire,
            open_after=STORE_OPENS_AFTER,
        )

    def _idle_s(self) -> float:
        """Returns the time until something may become ready."""
        now_ns = self._clock.monotonic_ns()
        endpoints = (self._control_plane, *self._targets.endpoints)
        waits_s = [IDLE_S, self._retries.next_in_s(now_ns), *(endpoint.wait_s() for endpoint in endpoints)]
        return min(max(wait_s, 0.05) for wait_s in waits_s if wait_s)

    # Intent.

    async def _announce_segments(self) -> None:
        """Keeps targets ready for the segments that will be sent next."""
        while True:
            news = self._intent_signal.next()
            lanes = await self._lanes()
            soon = lanes.announce(2 * self._connections, lambda _: False)
            # Not queued at an endpoint that is down: by the time it is back, the upload window may be closed.
            if self._control_plane.wait_s() != 0 or all(self._targets.has_valid(m.segment_id) for m in soon):
                await wait_for_any(news, most_s=self._idle_s(), sleep=self._sleep)
                continue
            await self._announce(lanes.announce(self._batch_size["intent"], self._targets.has_valid))

    async def _announce(self, manifests: Sequence[SegmentManifest]) -> None:
        """Sends intents and handles the answers."""
        try:
            answers = await self._call_batch("intent", len(manifests), lambda: self._client.intent(manifests))
        except ServerError as error:
            for half in await self._split(manifests, error, self._retries):
                await self._announce(half)
            return
        await self._outbox.mark_intended([a.segment_id for a in answers if isinstance(a, PutTarget)])
        for manifest, answer in zip(manifests, answers, strict=True):
            match answer:
                case PutTarget():
                    self._targets.add(answer)
                case AlreadyCommitted():
                    await self._committed([manifest.segment_id])
                case Refused():
                    await self._refused(manifest, answer)
        self._send_signal.fire()

    async def _call_batch(self, step: str, size: int, once: Callable[[], Awaitable[T]]) -> T:
        """Calls the control plane with a batch of `size` items.

        A batch that fails or times out halves the next ones, down to the single segment that may cause it.
        """
        try:
            answer = await self._control_plane.call(once)
        except (ServerInternalError, ServerTimeout):
            self._batch_size[step] = max(1, size // 2)
            raise
        self._batch_size[step] = min(BATCH_LIMIT, max(self._batch_size[step], 2 * size))
        return answer

    async def _split(
        self, manifests: Sequence[SegmentManifest], error: ServerError, deferrals: RetrySchedule
    ) -> Sequence[Sequence[SegmentManifest]]:
        """Returns the batches to send in place of one that failed: its halves, if it was refused for its content.

        A single segment is quarantined if it is refused, and retried later if it may have caused the failure.
        """
        is_alone = len(manifests) == 1
        if isinstance(error, RequestRefused) and error.is_about_content:
            if not is_alone:
                half = len(manifests) // 2
                return manifests[:half], manifests[half:]
            await self._quarantine(manifests[0], error.problem.code, str(error))
        elif is_alone and isinstance(error, (ServerInternalError, ServerTimeout)):
            self._defer(deferrals, manifests[0].segment_id, error, is_network=True)
        return ()

    # PUT.

    async def _send_segments(self) -> None:
        while True:
            manifest = await self._next()
            try:
                await self._send(manifest)
            finally:
                self._in_flight.pop(manifest.segment_id, None)

    async def _next(self) -> SegmentManifest:
        """Waits for and returns the next segment that has a target and a store that is up."""
        while True:
            news = self._send_signal.next()
            lanes = (await self._lanes()).ready(self._targets.is_sendable)
            chosen = lanes.choose(
                running_in_flight=sum(self._in_flight.values()), connections=self._connections
            )
            if chosen is not None and len(self._stored) < STORED_MOST:
                # No await between the choice and this entry, or two senders could choose the same segment.
                self._in_flight[chosen.segment_id] = chosen in lanes.running
                self._intent_signal.fire()
                return chosen
            await wait_for_any(news, most_s=self._idle_s(), sleep=self._sleep)

    async def _send(self, manifest: SegmentManifest) -> None:
        segment_id = manifest.segment_id
        target, path = self._targets[segment_id], self._outbox.path(manifest)
        try:
            await self._targets.endpoint_of(segment_id).call(lambda: self._client.put(target, path, manifest))
        except TargetExpired as error:
            self._targets.drop(segment_id)
            self._defer(self._retries, segment_id, error)
        except ObjectRefused as error:
            self._targets.drop(segment_id)
            await self._verify_local(manifest, str(error))
        except ServerError as error:
            self._defer(self._retries, segment_id, error, is_network=True)
        except OSError as error:
            log.error("a segment cannot be read back from the disk", extra={"error": str(error)})
            await self._verify_local(manifest, str(error))
        else:
            self._targets.drop(segment_id)
            self.bytes_sent += manifest.size_bytes
            self._stored[segment_id] = manifest
            self._commit_signal.fire()

    # Commit.

    async def _commit_stored(self) -> None:
        while True:
            news = self._commit_signal.next()
            now_ns = self._clock.monotonic_ns()
            due = [m for i, m in self._stored.items() if self._commit_retries.is_due(i, now_ns)]
            if due:
                await self._commit(due[: self._batch_size["commit"]])
                continue
            wait_s = self._commit_retries.next_in_s(now_ns) if self._stored else None
            await wait_for_any(news, most_s=wait_s or IDLE_S, sleep=self._sleep)

    async def _commit(self, manifests: Sequence[SegmentManifest]) -> None:
        items = [
            CommitItem(segment_id=m.segment_id, size_bytes=m.size_bytes, sha256=m.sha256) for m in manifests
        ]
        try:
            answers = await self._call_batch("commit", len(items), lambda: self._client.commit(items))
        except ServerError as error:
            for half in await self._split(manifests, error, self._commit_retries):
                await self._commit(half)
            return
        await self._committed([a.segment_id for a in answers if isinstance(a, AlreadyCommitted)])
        for manifest, answer in zip(manifests, answers, strict=True):
            self._stored.pop(manifest.segment_id, None)
            self._commit_retries.forget(manifest.segment_id)
            if isinstance(answer, Refused):
                await self._refused(manifest, answer)
        self._wake_senders()

    # Results.

    async def _committed(self, segment_ids: Sequence[SegmentId]) -> None:
        if not segment_ids:
            return
        # Durable first: a crash in between repeats a commit, which is idempotent.
        await self._outbox.mark_committed(segment_ids)
        self.segments_committed += len(segment_ids)
        for segment_id in segment_ids:
            self._forget(segment_id)

    async def _refused(self, manifest: SegmentManifest, refusal: Refused) -> None:
        said = f"{refusal.code}: {refusal.detail}".rstrip(": ")
        if refusal.code is Code.SEGMENT_NOT_WANTED:
            log.warning(
                "a segment is no longer wanted by the control plane",
                extra={"segment": str(manifest.segment_id)},
            )
            await self._committed([manifest.segment_id])
        elif refusal.code is Code.SEGMENT_CORRUPT:
            await self._verify_local(manifest, said)
        elif refusal.retryable or refusal.code in MENDABLE:
            self._defer(self._retries, manifest.segment_id, said)
        else:
            await self._quarantine(manifest, refusal.code, refusal.detail)

    async def _verify_local(self, manifest: SegmentManifest, said: str) -> None:
        """Checks the file of a refused segment: retries if it is intact, quarantines it if it is damaged."""
        path = self._outbox.path(manifest)
        if await asyncio.to_thread(_sha256_of, path) == manifest.sha256:
            self._defer(self._retries, manifest.segment_id, said)
            self._quarantine_report.store_refused(manifest, said, self._retries.failures(manifest.segment_id))
            return
        log.error(
            "a segment is damaged on the disk", extra={"segment": str(manifest.segment_id), "said": said}
        )
        await self._outbox.mark_damaged(manifest, f"the file on the disk is damaged ({said})")
        self._forget(manifest.segment_id)
        await self._quarantine_report.load()
        self._gap_sender.wake()

    async def _quarantine(self, manifest: SegmentManifest, code: Code, detail: str) -> None:
        log.error(
            "a segment is quarantined",
            extra={"segment": str(manifest.segment_id), "code": code, "detail": detail},
        )
        await self._outbox.mark_refused(manifest.segment_id, code, detail)
        self._forget(manifest.segment_id)
        await self._quarantine_report.load()

    def _defer(
        self, deferrals: RetrySchedule, segment_id: SegmentId, reason: object, *, is_network: bool = False
    ) -> None:
        wait_s = deferrals.defer(segment_id, self._clock.monotonic_ns(), is_network=is_network)
        log.info(
            "a segment will be retried",
            extra={"segment": str(segment_id), "reason": str(reason), "wait_s": wait_s},
        )
        self._wake_senders()

    def _forget(self, segment_id: SegmentId) -> None:
        self._pending.remove(segment_id)
        self._targets.drop(segment_id)
        self._stored.pop(segment_id, None)
        self._retries.forget(segment_id)
        self._commit_retries.forget(segment_id)
        self._quarantine_report.resolved(segment_id)


def _sha256_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
