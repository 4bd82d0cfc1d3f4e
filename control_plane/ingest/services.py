"""Writes of ingest: announced, committed, and what is set aside. Every step may be sent again without harm.

Bytes are looked at outside of any transaction: an object store that is slow holds no lock here.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import msgspec

from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.errors import ControlPlaneError, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.fleet.authentication import Caller
from control_plane.fleet.models import Agent
from control_plane.ingest.manifests import fault, sound_gap
from control_plane.ingest.models import PendingSegment, QuarantinedSegment
from control_plane.ingest.targets import LIFETIME, put_target
from control_plane.recordings import services as recordings
from control_plane.recordings.arrivals import ObjectPlace
from control_plane.recordings.models import ClassSession, Segment
from control_plane.recordings.repairs import faults_among, replace_segments
from control_plane.storage.errors import KeyDestroyed, KeyLost, KeyRefused, ObjectMissing, RootRefused
from control_plane.storage.objects import ObjectStore
from control_plane.studios import access, vault
from control_plane.studios.models import DisposalReason, StudioStorage
from control_plane.studios.services.disposals import dispose, recall
from control_plane.studios.stores import open_store, region_fault, server_side_fault, storage
from shared.protocol.codec import encode
from shared.protocol.errors import Code
from shared.protocol.ids import GapId
from shared.protocol.manifest import GapRecord, SegmentManifest
from shared.protocol.upload import AlreadyCommitted, CommitItem, PutTarget, Refused

log = logging.getLogger(__name__)

READERS = 4
"""How many segments of all batches are read back at a time: hashing runs beside other work, and memory stays small."""
_READERS = ThreadPoolExecutor(READERS, thread_name_prefix="ingest-read-back")

CLASS_IS_FULL = "The class holds as much footage as cameras can have made in its time."

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
        agent, chosen = _uploader(caller), storage()
        return [_announce(manifest, agent, caller, chosen) for manifest in manifests]


def commit_segments(items: Sequence[CommitItem], caller: Caller) -> list[CommitResult]:
    """Returns a receipt for each segment whose bytes are in the store as announced, and a refusal for each other.

    Raises:
        NotFound, Forbidden: the caller may not upload.
    """
    answers: dict[UUID, CommitResult] = {}
    with studio_scope(caller.studio_id):
        agent = _uploader(caller)
        pending = {
            row.id: row
            for row in PendingSegment.objects.filter(
                pk__in=[i.segment_id for i in items], agent=agent
            ).select_related("store")
        }
        pinned = storage().region
        ids = [item.segment_id for item in items]
        damaged = faults_among(ids, agent)
        committed = {id_: sha256 for id_, sha256 in _hashes(ids, agent).items() if id_ not in damaged}
        stores = {store_id: open_store(store_id) for store_id in {row.store_id for row in pending.values()}}
    to_read = {item: pending.get(item.segment_id) for item in items if item.segment_id not in committed}
    lies_in = [stores[row.store_id] if row else None for row in to_read.values()]
    refusals = dict(
        zip(
            to_read,
            _READERS.map(partial(_verify, pinned), to_read.keys(), to_read.values(), lies_in),
            strict=True,
        )
    )
    verified = []
    for item in items:
        if item.segment_id in committed:
            same = committed[item.segment_id] == item.sha256
            answers[item.segment_id] = (
                AlreadyCommitted(segment_id=item.segment_id)
                if same
                else _refused(item, Code.SEGMENT_HASH_CONFLICT, "Another segment of this id is here.")
            )
            continue
        row = pending.get(item.segment_id)
        refusal = refusals[item]
        if refusal is not None:
            answers[item.segment_id] = refusal
        elif row is not None:
            verified.append(_Verified(row, row.manifest))
    if verified:
        with studio_scope(caller.studio_id):
            answers |= _commit(verified, agent, caller)
    return [answers[item.segment_id] for item in items]


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


def _announce(manifest: SegmentManifest, agent: Agent, caller: Caller, chosen: StudioStorage) -> IntentResult:
    committed = _hashes([manifest.segment_id], agent)
    fault_id: UUID | None = None
    if manifest.segment_id in committed:
        if committed[manifest.segment_id] != manifest.sha256:
            return _quarantine(manifest, Code.SEGMENT_HASH_CONFLICT, agent, caller)
        fault_id = faults_among([manifest.segment_id], agent).get(manifest.segment_id)
        if fault_id is None:
            return AlreadyCommitted(segment_id=manifest.segment_id)
    if text := fault(manifest):
        return _refused(manifest, Code.BAD_REQUEST, text)
    class_session = _class_of(manifest.class_session_id, agent)
    if class_session is None or recordings.track_for(class_session, agent, manifest.camera_id) is None:
        return _refused(
            manifest, Code.SEGMENT_NOT_WANTED, "This agent does not record this camera for this class."
        )
    if fault_id is None and not recordings.fitting(class_session, [manifest]):
        return _refused(manifest, Code.TOO_MANY_REQUESTS, CLASS_IS_FULL, retryable=True)
    if fault_id is None and Segment.objects.filter(pk=manifest.segment_id).exists():
        # Another box's: its bytes would be taken for a bad upload of these, and deleted at the commit.
        return _quarantine(manifest, Code.SEGMENT_HASH_CONFLICT, agent, caller)
    if _place_is_taken(manifest, agent):
        return _quarantine(manifest, Code.SEGMENT_SEQUENCE_CONFLICT, agent, caller)
    if text := region_fault(chosen.store, chosen.region):
        # The box keeps it and asks again: nothing is lost while an admin puts the region right.
        return _refused(manifest, Code.STORE_UNAVAILABLE, text, retryable=True)
    # Keys are immutable: what takes the place of a damaged object has one of its own.
    again = f"-{fault_id.hex}" if fault_id else ""
    key = f"{agent.studio_id}/{class_session.id}/{manifest.segment_id}{again}.seg"
    if recall(chosen.store_id, [key]):
        return _refused(manifest, Code.STORE_UNAVAILABLE, "An older object is being deleted.", retryable=True)
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
            "manifest_json": encode(_unsealed(manifest)).decode(),
            # The content key of what was committed once is here already.
            "wrapped_seal": b"" if fault_id else lambda: _held(manifest, class_session, caller),
        },
    )
    if not made and (pending.sha256, pending.agent_id) != (manifest.sha256, agent.id):
        return _quarantine(manifest, Code.SEGMENT_HASH_CONFLICT, agent, caller)
    place = ObjectPlace(chosen.store_id, key if fault_id else pending.object_key)
    if place != (pending.store_id, pending.object_key):
        # Announced before the studio moved, or before this damage: it goes to the new place, the old one is forgotten.
        dispose([(pending.store_id, pending.object_key)], reason=DisposalReason.REPLACED, after=LIFETIME)
        PendingSegment.objects.filter(pk=pending.pk).update(store_id=place.store_id, object_key=place.key)
    return put_target(
        manifest.segment_id,
        place.key,
        store_id=place.store_id,
        size_bytes=manifest.size_bytes,
        sha256=manifest.sha256,
    )


def _verify(
    pinned: str, item: CommitItem, row: PendingSegment | None, store: ObjectStore | None
) -> Refused | None:
    """Returns why a segment gets no receipt now; None where its bytes are in the store as announced."""
    if row is None or store is None:
        return _refused(item, Code.SEGMENT_MISSING, "It was never announced.", retryable=True)
    if (row.size_bytes, row.sha256) != (item.size_bytes, item.sha256):
        return _refused(item, Code.SEGMENT_HASH_CONFLICT, "It was announced with another size or hash.")
    try:
        if text := region_fault(row.store, pinned):
            # It was sent by an address that was signed before the region was set: the box is told a new one when it
            # asks again, and nothing stays here.
            store.delete(row.object_key)
            return _refused(item, Code.STORE_UNAVAILABLE, text, retryable=True)
        facts = store.head(row.object_key)
        if text := server_side_fault(store, facts):
            store.delete(row.object_key)
            return _refused(item, Code.STORE_UNAVAILABLE, text, retryable=True)
        # Not every store checks what it is sent, so all of it is read back before the only other copy may go.
        if facts.size_bytes != row.size_bytes or store.sha256(row.object_key) != row.sha256:
            store.delete(row.object_key)
            return _refused(item, Code.SEGMENT_CORRUPT, "The stored bytes were other ones.", retryable=True)
    except ObjectMissing:
        return _refused(item, Code.SEGMENT_MISSING, "There is no such object.", retryable=True)
    except ControlPlaneError as error:
        return _refused(item, error.code, error.detail, retryable=True)
    return None


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
            answers[item.manifest.segment_id] = _refused(
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
                answers[manifest.segment_id] = _refused(manifest, Code.SEGMENT_NOT_WANTED, error.detail)
            except (KeyLost, RootRefused):
                # The box has done nothing wrong: it keeps its copy until somebody has mended our keys.
                log.exception("a content key cannot be taken over", extra={"class": str(class_session.id)})
                detail = "The keys of this studio cannot be used now."
                answers[manifest.segment_id] = _refused(manifest, Code.UNAVAILABLE, detail, retryable=True)
            except (KeyRefused, NotFound) as error:
                answers[manifest.segment_id] = _quarantine(
                    manifest, Code.SEGMENT_CORRUPT, agent, caller, detail=error.detail
                )
            else:
                place = ObjectPlace(item.pending.store_id, item.pending.object_key)
                arrived.append((manifest, place, wrapped))
        refused = set(recordings.add_segments(class_session, agent, arrived, actor=caller.actor))
        for manifest, _, _ in arrived:
            answers[manifest.segment_id] = (
                _second(manifest, agent, caller)
                if manifest.segment_id in refused
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


def _unsealed(manifest: SegmentManifest) -> SegmentManifest:
    # A sealed key in a backup would open with the studio's key alone, long after its class was shredded.
    return msgspec.structs.replace(manifest, sealed_key=bytes(len(manifest.sealed_key)))


def _second(manifest: SegmentManifest, agent: Agent, caller: Caller) -> CommitResult:
    """Answers a segment that lost against another commit: itself, sent twice at once, or another in its place."""
    if _hashes([manifest.segment_id], agent).get(manifest.segment_id) == manifest.sha256:
        return AlreadyCommitted(segment_id=manifest.segment_id)
    return _quarantine(manifest, Code.SEGMENT_SEQUENCE_CONFLICT, agent, caller)


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


def _quarantine(
    manifest: SegmentManifest, code: Code, agent: Agent, caller: Caller, *, detail: str = ""
) -> Refused:
    _, made = QuarantinedSegment.objects.get_or_create(
        agent=agent,
        segment_id=manifest.segment_id,
        sha256=manifest.sha256,
        defaults={
            "studio_id": agent.studio_id,
            "code": code.value,
            "detail": detail,
            "manifest_json": encode(_unsealed(manifest)).decode(),
        },
    )
    if made:
        record(
            Act.SEGMENT_QUARANTINED,
            actor=caller.actor,
            studio_id=agent.studio_id,
            object_type="recordings.Segment",
            object_id=manifest.segment_id,
            details={"code": code.value, "sha256": manifest.sha256},
        )
    return _refused(manifest, code, detail)


def _refused(
    item: SegmentManifest | CommitItem, code: Code, detail: str, *, retryable: bool = False
) -> Refused:
    return Refused(segment_id=item.segment_id, code=code, detail=detail, retryable=retryable)
