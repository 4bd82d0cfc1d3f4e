"""Writes of ingest: announced, committed, and what is set aside. Every step may be sent again without harm.

Bytes are looked at outside of any transaction: an object store that is slow holds no lock here.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.core.cache import cache
from django.db.models import Count, Sum

from control_plane.common.errors import NotFound
from control_plane.common.scoping import studio_scope
from control_plane.fleet.authentication import Caller
from control_plane.fleet.models import Agent
from control_plane.ingest.manifests import fault, sound_gap
from control_plane.ingest.models import PendingSegment
from control_plane.ingest.quarantine import condemned, drop_pending, quarantine, refused, unsealed
from control_plane.ingest.readback import Turns
from control_plane.ingest.targets import LIFETIME, put_target
from control_plane.ingest.verification import verify
from control_plane.recordings import services as recordings
from control_plane.recordings.arrivals import ObjectPlace
from control_plane.recordings.models import ClassSession, Segment
from control_plane.recordings.repairs import faults_among, replace_segments
from control_plane.recordings.selectors import stored_bytes
from control_plane.storage.errors import KeyDestroyed, KeyLost, KeyRefused, RootRefused
from control_plane.studios import access, vault
from control_plane.studios.models import DisposalReason, Limit, StudioStorage
from control_plane.studios.quotas import allowance
from control_plane.studios.services.disposals import dispose, recall
from control_plane.studios.stores import open_store, region_fault, storage
from shared.protocol.codec import encode
from shared.protocol.errors import Code
from shared.protocol.ids import GapId
from shared.protocol.manifest import GapRecord, SegmentManifest
from shared.protocol.upload import AlreadyCommitted, CommitItem, PutTarget, Refused

log = logging.getLogger(__name__)

CLASS_IS_FULL = "The class holds as much footage as cameras can have made in its time."

ANNOUNCED_TOO_MUCH = "This agent has announced as much as it may before some of it is committed."
MOST_PENDING, MOST_PENDING_BYTES = 1024, 8 << 30
"""Announced by one agent and not committed. Honest ones have 320 at most: 256 without a receipt and a batch."""
STORAGE_IS_FULL = (
    "The storage of this studio's plan is used up. The agent keeps what it records until there is room."
)
USED_FOR_S = 60
"""How old the sum of a studio's bytes may be where it is held against its plan."""
LEAST_OVERDRAFT_BYTES = 20 * 10**9

_turns = Turns()

IntentResult = PutTarget | AlreadyCommitted | Refused
CommitResult = AlreadyCommitted | Refused


@dataclass(frozen=True, slots=True)
class _Verified:
    """A pending segment whose bytes lie in the store as announced."""

    pending: PendingSegment
    manifest: SegmentManifest


def announce_segments(manifests: Sequence[SegmentManifest], caller: Caller) -> list[IntentResult]:
    """Returns for each segment that will come whether it is here already, where to put it, or why it is not taken.

    Raises:
        NotFound, Forbidden: the caller may not upload.
    """
    with studio_scope(caller.studio_id):
        intent = _Intent(_uploader(caller), caller, storage(), manifests)
        return [intent.announce(manifest) for manifest in manifests]


def commit_segments(items: Sequence[CommitItem], caller: Caller) -> list[CommitResult]:
    """Returns a receipt for each segment whose bytes are in the store as announced, and a refusal for each other.

    Raises:
        Busy: a commit of this agent is under way, or as many of its studio as may be.
        NotFound, Forbidden: the caller may not upload.
    """
    with _turns.taken(caller.studio_id, caller.agent_id):
        return _commit_segments(items, caller)


def _commit_segments(items: Sequence[CommitItem], caller: Caller) -> list[CommitResult]:
    answers: dict[UUID, CommitResult] = {}
    ids = [item.segment_id for item in items]
    with studio_scope(caller.studio_id):
        agent = _uploader(caller)
        rows = PendingSegment.objects.filter(pk__in=ids, agent=agent).select_related("store")
        pending = {row.id: row for row in rows}
        pinned = storage().region
        damaged = faults_among(ids, agent)
        committed = {id_: sha256 for id_, sha256 in _hashes(ids, agent).items() if id_ not in damaged}
        stores = {store_id: open_store(store_id) for store_id in {row.store_id for row in pending.values()}}
    to_read = {item: pending.get(item.segment_id) for item in items if item.segment_id not in committed}
    refusals = verify(caller.studio_id, pinned, to_read, stores)
    verified = []
    for item in items:
        row = pending.get(item.segment_id)
        if item.segment_id in committed:
            answers[item.segment_id] = (
                AlreadyCommitted(segment_id=item.segment_id)
                if committed[item.segment_id] == item.sha256
                else refused(item, Code.SEGMENT_HASH_CONFLICT, "Another segment of this id is here.")
            )
        elif (refusal := refusals[item]) is not None:
            answers[item.segment_id] = refusal
        elif row is not None:
            verified.append(_Verified(row, row.manifest))
    if verified:
        with studio_scope(caller.studio_id):
            answers |= _commit(verified, agent, caller)
    return [answers[item.segment_id] for item in items]


def overdraft_bytes(most: int) -> int:
    """Returns by how much classes that were begun in time may go over a plan's storage: a tenth, and 20 GB at least."""
    return max(most // 10, LEAST_OVERDRAFT_BYTES)


def settle_gaps(gaps: Sequence[GapRecord], caller: Caller) -> list[GapId]:
    """Writes gaps down; returns those that need not be sent again, which is all of them.

    A gap of a class or camera that is not this agent's has no place to be written to, and will never have one; nor has
    one of a year that is not ours, or one more than its class can hold (`recordings.footage_limits`).

    Raises:
        NotFound, Forbidden: the caller may not upload.
    """
    by_class: defaultdict[UUID, list[GapRecord]] = defaultdict(list)
    for gap in map(sound_gap, gaps):
        if gap is not None:
            by_class[gap.class_session_id].append(gap)
    with studio_scope(caller.studio_id):
        agent = _uploader(caller)
        recordings.lock_classes(
            ClassSession.objects.filter(pk__in=list(by_class), recorders__agent=agent).values_list(
                "id", flat=True
            )
        )
        for class_session_id, of_class in by_class.items():
            if class_session := _class_of(class_session_id, agent):
                recordings.add_gaps(class_session, of_class, agent, actor=caller.actor)
    return [gap.gap_id for gap in gaps]


def forget_class(class_session_id: UUID) -> None:
    """Drops what was announced for a class and never committed, in scope: the class was destroyed."""
    rows = PendingSegment.objects.filter(class_session_id=class_session_id)
    dispose(rows.values_list("store_id", "object_key"), reason=DisposalReason.SHREDDED)
    rows.delete()


def leave_store(store_id: UUID) -> None:
    """Lets go of a store that nothing new goes to, in scope: what was announced for it is sent to the chosen one."""
    rows = PendingSegment.objects.filter(store_id=store_id)
    dispose(rows.values_list("store_id", "object_key"), reason=DisposalReason.REPLACED, after=LIFETIME)
    rows.update(store_id=storage().store_id)


def _uploader(caller: Caller) -> Agent:
    agent: Agent = Agent.objects.get(pk=caller.agent_id)
    access.require(caller.actor, access.Action.UPLOAD, agent)
    return agent


class _Intent:
    """One request of an agent: what is known of its segments before any is announced."""

    def __init__(
        self, agent: Agent, caller: Caller, chosen: StudioStorage, manifests: Sequence[SegmentManifest]
    ) -> None:
        self._agent, self._caller, self._chosen = agent, caller, chosen
        ids = [manifest.segment_id for manifest in manifests]
        self._committed, self._faults = _hashes(ids, agent), faults_among(ids, agent)
        self._condemned = condemned(manifests, agent)
        announced = PendingSegment.objects.filter(agent=agent)
        self._pending = set(announced.filter(pk__in=ids).values_list("pk", flat=True))
        total = announced.aggregate(count=Count("pk"), size_bytes=Sum("size_bytes"))
        self._count, self._size_bytes = total["count"], total["size_bytes"] or 0
        self._overdrawn: bool | None = None

    def announce(self, manifest: SegmentManifest) -> IntentResult:
        """Returns where one segment goes, or why it does not."""
        sha256 = self._committed.get(manifest.segment_id)
        fault_id = self._faults.get(manifest.segment_id) if sha256 is not None else None
        if sha256 is not None and sha256 != manifest.sha256:
            return quarantine(manifest, Code.SEGMENT_HASH_CONFLICT, self._agent, self._caller)
        if sha256 is not None and fault_id is None:
            return AlreadyCommitted(segment_id=manifest.segment_id)
        if refusal := self._condemned.get((manifest.segment_id, manifest.sha256)):
            return refusal
        if text := fault(manifest):
            return refused(manifest, Code.BAD_REQUEST, text)
        class_session = _class_of(manifest.class_session_id, self._agent)
        if (
            class_session is None
            or recordings.track_for(class_session, self._agent, manifest.camera_id) is None
        ):
            return refused(
                manifest, Code.SEGMENT_NOT_WANTED, "This agent does not record this camera for this class."
            )
        if fault_id is None and (refusal := self._out_of_place(manifest, class_session)):
            return refusal
        return self._pend(manifest, class_session, fault_id)

    def _out_of_place(self, manifest: SegmentManifest, class_session: ClassSession) -> Refused | None:
        """Returns why a new segment cannot be taken: its place has another one, or there is no more of it."""
        if not recordings.fitting(class_session, [manifest]):
            return refused(manifest, Code.TOO_MANY_REQUESTS, CLASS_IS_FULL, retryable=True)
        if Segment.objects.filter(pk=manifest.segment_id).exists():
            # Another box's: its bytes would be taken for a bad upload of these, and deleted at the commit.
            return quarantine(manifest, Code.SEGMENT_HASH_CONFLICT, self._agent, self._caller)
        if _place_is_taken(manifest, self._agent):
            return quarantine(manifest, Code.SEGMENT_SEQUENCE_CONFLICT, self._agent, self._caller)
        return None

    def _pend(
        self, manifest: SegmentManifest, class_session: ClassSession, fault_id: UUID | None
    ) -> IntentResult:
        agent, chosen = self._agent, self._chosen
        if text := region_fault(chosen.store, chosen.region):
            # The box keeps it and asks again: nothing is lost while an admin puts the region right.
            return refused(manifest, Code.STORE_UNAVAILABLE, text, retryable=True)
        if manifest.segment_id not in self._pending and self._is_overdrawn():
            return refused(manifest, Code.TOO_MANY_REQUESTS, STORAGE_IS_FULL, retryable=True)
        if manifest.segment_id not in self._pending and not self._takes(manifest):
            return refused(manifest, Code.TOO_MANY_REQUESTS, ANNOUNCED_TOO_MUCH, retryable=True)
        # Keys are immutable: what takes the place of a damaged object has one of its own.
        again = f"-{fault_id.hex}" if fault_id else ""
        key = f"{agent.studio_id}/{class_session.id}/{manifest.segment_id}{again}.seg"
        if recall(chosen.store_id, [key]):
            return refused(
                manifest, Code.STORE_UNAVAILABLE, "An older object is being deleted.", retryable=True
            )
        pending, made = PendingSegment.objects.get_or_create(
            pk=manifest.segment_id,
            defaults={
                "studio_id": agent.studio_id,
                "agent": agent,
                "class_session": class_session,
                "sha256": manifest.sha256,
                "size_bytes": manifest.size_bytes,
                "store_id": chosen.store_id,
                "object_key": key,
                "manifest_json": encode(unsealed(manifest)).decode(),
                # The content key of what was committed once is here already.
                "wrapped_seal": b"" if fault_id else lambda: _held(manifest, class_session, self._caller),
            },
        )
        if not made and (pending.sha256, pending.agent_id) != (manifest.sha256, agent.id):
            return quarantine(manifest, Code.SEGMENT_HASH_CONFLICT, agent, self._caller)
        place = ObjectPlace(chosen.store_id, key if fault_id else pending.object_key)
        if place != (pending.store_id, pending.object_key):
            # Announced before the studio moved, or before this damage: it goes to the new place, the old one is
            # forgotten.
            dispose([(pending.store_id, pending.object_key)], reason=DisposalReason.REPLACED, after=LIFETIME)
            PendingSegment.objects.filter(pk=pending.pk).update(store_id=place.store_id, object_key=place.key)
        return put_target(
            manifest.segment_id,
            place.key,
            store_id=place.store_id,
            size_bytes=manifest.size_bytes,
            sha256=manifest.sha256,
        )

    def _is_overdrawn(self) -> bool:
        """Says whether the studio has more in the platform's store than its plan lets a running class add."""
        if self._chosen.store_id is not None:
            return False
        if self._overdrawn is None:
            most = allowance().most(Limit.STORAGE_BYTES)
            self._overdrawn = most is not None and self._used_bytes() >= most + overdraft_bytes(most)
        return self._overdrawn

    def _used_bytes(self) -> int:
        key = f"threedance:stored:{self._agent.studio_id}"
        return int(cache.get_or_set(key, stored_bytes, USED_FOR_S) or 0) + self._size_bytes

    def _takes(self, manifest: SegmentManifest) -> bool:
        """Counts one more segment that is announced; says whether the agent may."""
        if self._count >= MOST_PENDING or self._size_bytes + manifest.size_bytes > MOST_PENDING_BYTES:
            return False
        self._count += 1
        self._size_bytes += manifest.size_bytes
        return True


def _commit(verified: Sequence[_Verified], agent: Agent, caller: Caller) -> dict[UUID, CommitResult]:
    answers: dict[UUID, CommitResult] = {}
    by_class: dict[UUID, list[_Verified]] = defaultdict(list)
    for item in verified:
        by_class[item.pending.class_session_id].append(item)
    # All of them before anything is recorded: who holds the audit chain waits for no class.
    recordings.lock_classes(by_class)
    for items in by_class.values():
        answers |= _commit_to(items[0].pending.class_session, items, agent, caller)
    done = [key for key, answer in answers.items() if isinstance(answer, AlreadyCommitted)]
    PendingSegment.objects.filter(pk__in=done).delete()
    for_good = [
        item.pending
        for item in verified
        if isinstance(answer := answers[item.manifest.segment_id], Refused) and not answer.retryable
    ]
    if for_good:
        drop_pending(for_good)
    return answers


def _commit_to(
    class_session: ClassSession, items: Sequence[_Verified], agent: Agent, caller: Caller
) -> dict[UUID, CommitResult]:
    """Opens what was sealed to the studio, keeps it under the class's key, and adds the segments to the class."""
    answers: dict[UUID, CommitResult] = {}
    known = _hashes([item.manifest.segment_id for item in items], agent)
    again = [item for item in items if item.manifest.segment_id in known]
    items = [item for item in items if item.manifest.segment_id not in known]
    if again:
        places = [
            (i.manifest.segment_id, ObjectPlace(i.pending.store_id, i.pending.object_key)) for i in again
        ]
        replace_segments(class_session, agent, places, actor=caller.actor)
        answers |= {item.manifest.segment_id: _second(item.manifest, agent, caller) for item in again}
    if not items:
        return answers
    fits = recordings.fitting(recordings.lock_class(class_session.id), [item.manifest for item in items])
    for item in items:
        if item.manifest.segment_id not in fits:
            answers[item.manifest.segment_id] = refused(
                item.manifest, Code.TOO_MANY_REQUESTS, CLASS_IS_FULL, retryable=True
            )
    items = [item for item in items if item.manifest.segment_id in fits]
    arrived = []
    with vault.opening(caller.actor, vault.Purpose.INGEST, class_session) as opening:
        for item in items:
            manifest = item.manifest
            try:
                wrapped = _rewrapped(item.pending, manifest, opening)
            except KeyDestroyed as error:
                answers[manifest.segment_id] = refused(manifest, Code.SEGMENT_NOT_WANTED, error.detail)
            except (KeyLost, RootRefused):
                # The box has done nothing wrong: it keeps its copy until somebody has mended our keys.
                log.exception("a content key cannot be taken over", extra={"class": str(class_session.id)})
                detail = "The keys of this studio cannot be used now."
                answers[manifest.segment_id] = refused(manifest, Code.UNAVAILABLE, detail, retryable=True)
            except (KeyRefused, NotFound) as error:
                answers[manifest.segment_id] = quarantine(
                    manifest, Code.SEGMENT_CORRUPT, agent, caller, detail=error.detail
                )
            else:
                place = ObjectPlace(item.pending.store_id, item.pending.object_key)
                arrived.append((manifest, place, wrapped))
        taken = set(recordings.add_segments(class_session, agent, arrived, actor=caller.actor))
        for manifest, _, _ in arrived:
            answers[manifest.segment_id] = (
                _second(manifest, agent, caller)
                if manifest.segment_id in taken
                else AlreadyCommitted(segment_id=manifest.segment_id)
            )
    return answers


def _rewrapped(pending: PendingSegment, manifest: SegmentManifest, opening: vault.Opening) -> bytes:
    sealed = manifest.sealed_key
    if pending.wrapped_seal:
        sealed = opening.let_go(bytes(pending.wrapped_seal), segment_id=manifest.segment_id)
    return opening.rewrapped(
        sealed, recipient_key_id=manifest.recipient_key_id, segment_id=manifest.segment_id
    )


def _held(manifest: SegmentManifest, class_session: ClassSession, caller: Caller) -> bytes:
    with vault.opening(caller.actor, vault.Purpose.INGEST, class_session) as opening:
        return opening.held(manifest.sealed_key, segment_id=manifest.segment_id)


def _second(manifest: SegmentManifest, agent: Agent, caller: Caller) -> CommitResult:
    """Answers a segment that lost against another commit: itself, sent twice at once, or another in its place."""
    if _hashes([manifest.segment_id], agent).get(manifest.segment_id) == manifest.sha256:
        return AlreadyCommitted(segment_id=manifest.segment_id)
    return quarantine(manifest, Code.SEGMENT_SEQUENCE_CONFLICT, agent, caller)


def _hashes(segment_ids: Sequence[UUID], agent: Agent) -> dict[UUID, str]:
    rows = Segment.objects.filter(pk__in=segment_ids, agent=agent).values_list("id", "sha256")
    return dict(rows)


def _place_is_taken(manifest: SegmentManifest, agent: Agent) -> bool:
    return bool(
        Segment.objects.filter(agent=agent, camera_id=manifest.camera_id, sequence=manifest.sequence)
        .exclude(pk=manifest.segment_id)
        .exists()
    )


def _class_of(class_session_id: UUID, agent: Agent) -> ClassSession | None:
    found: ClassSession | None = (
        ClassSession.objects.filter(pk=class_session_id, recorders__agent=agent)
        .exclude(wrapped_key=b"")
        .first()
    )
    return found
