"""Writes of ingest: announced, committed, and what is set aside. Every step may be sent again without harm.

Bytes are looked at outside of any transaction: an object store that is slow holds no lock here.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.errors import ControlPlaneError, StoreUnavailable
from control_plane.common.scoping import studio_scope
from control_plane.fleet.authentication import Caller
from control_plane.fleet.models import Agent
from control_plane.ingest.manifests import fault
from control_plane.ingest.models import PendingSegment, QuarantinedSegment
from control_plane.ingest.targets import put_target
from control_plane.recordings import services as recordings
from control_plane.recordings.models import ClassSession, Segment
from control_plane.storage.configured import object_store
from control_plane.storage.errors import KeyRefused, ObjectMissing
from control_plane.studios import access, vault
from shared.protocol.codec import encode
from shared.protocol.errors import Code
from shared.protocol.ids import GapId
from shared.protocol.manifest import GapRecord, SegmentManifest
from shared.protocol.upload import AlreadyCommitted, CommitItem, PutTarget, Refused

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
        agent = _uploader(caller)
        return [_announce(manifest, agent, caller) for manifest in manifests]


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
            for row in PendingSegment.objects.filter(pk__in=[i.segment_id for i in items], agent=agent)
        }
        committed = _hashes([item.segment_id for item in items], agent)
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
        refusal = _verify(item, row)
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

    A gap of a class or camera that is not this agent's has no place to be written to, and will never have one.

    Raises:
        NotFound, Forbidden: the caller may not upload.
    """
    with studio_scope(caller.studio_id):
        agent = _uploader(caller)
        for gap in gaps:
            class_session = _class_of(gap.class_session_id, agent)
            if class_session and recordings.track_for(class_session, agent, gap.camera_id):
                recordings.add_gap(class_session, gap, agent, actor=caller.actor)
    return [gap.gap_id for gap in gaps]


def _uploader(caller: Caller) -> Agent:
    agent: Agent = Agent.objects.get(pk=caller.agent_id)
    access.require(caller.actor, access.Action.UPLOAD, agent)
    return agent


def _announce(manifest: SegmentManifest, agent: Agent, caller: Caller) -> IntentResult:
    committed = _hashes([manifest.segment_id], agent)
    if manifest.segment_id in committed:
        if committed[manifest.segment_id] == manifest.sha256:
            return AlreadyCommitted(segment_id=manifest.segment_id)
        return _quarantine(manifest, Code.SEGMENT_HASH_CONFLICT, agent, caller)
    if text := fault(manifest):
        return _refused(manifest, Code.BAD_REQUEST, text)
    class_session = _class_of(manifest.class_session_id, agent)
    if class_session is None or recordings.track_for(class_session, agent, manifest.camera_id) is None:
        return _refused(
            manifest, Code.SEGMENT_NOT_WANTED, "This agent does not record this camera for this class."
        )
    if Segment.objects.filter(pk=manifest.segment_id).exists():
        # Another box's: its bytes would be taken for a bad upload of these, and deleted at the commit.
        return _quarantine(manifest, Code.SEGMENT_HASH_CONFLICT, agent, caller)
    if _place_is_taken(manifest, agent):
        return _quarantine(manifest, Code.SEGMENT_SEQUENCE_CONFLICT, agent, caller)
    key = f"{agent.studio_id}/{class_session.id}/{manifest.segment_id}.seg"
    pending, made = PendingSegment.objects.get_or_create(
        pk=manifest.segment_id,
        defaults={
            "studio_id": agent.studio_id,
            "agent": agent,
            "class_session": class_session,
            "sha256": manifest.sha256,
            "size_bytes": manifest.size_bytes,
            "object_key": key,
            "manifest_json": encode(manifest).decode(),
        },
    )
    if not made and (pending.sha256, pending.agent_id) != (manifest.sha256, agent.id):
        return _quarantine(manifest, Code.SEGMENT_HASH_CONFLICT, agent, caller)
    return put_target(
        manifest.segment_id, pending.object_key, size_bytes=manifest.size_bytes, sha256=manifest.sha256
    )


def _verify(item: CommitItem, row: PendingSegment | None) -> Refused | None:
    """Returns why a segment gets no receipt now; None where its bytes are in the store as announced."""
    if row is None:
        return _refused(item, Code.SEGMENT_MISSING, "It was never announced.", retryable=True)
    if (row.size_bytes, row.sha256) != (item.size_bytes, item.sha256):
        return _refused(item, Code.SEGMENT_HASH_CONFLICT, "It was announced with another size or hash.")
    store = object_store()
    try:
        # Not every store checks what it is sent, so all of it is read back before the only other copy may go.
        if (
            store.head(row.object_key).size_bytes != row.size_bytes
            or store.sha256(row.object_key) != row.sha256
        ):
            store.delete(row.object_key)
            return _refused(item, Code.SEGMENT_CORRUPT, "The stored bytes were other ones.", retryable=True)
    except ObjectMissing:
        return _refused(item, Code.SEGMENT_MISSING, "There is no such object.", retryable=True)
    except StoreUnavailable as error:
        return _refused(item, Code.STORE_UNAVAILABLE, error.detail, retryable=True)
    except ControlPlaneError as error:
        return _refused(item, error.code, error.detail, retryable=True)
    return None


def _commit(verified: Sequence[_Verified], agent: Agent, caller: Caller) -> dict[UUID, CommitResult]:
    answers: dict[UUID, CommitResult] = {}
    by_class: dict[UUID, list[tuple[SegmentManifest, str, bytes]]] = defaultdict(list)
    classes: dict[UUID, ClassSession] = {}
    for item in verified:
        manifest = item.manifest
        class_session = classes.setdefault(item.pending.class_session_id, item.pending.class_session)
        try:
            wrapped = vault.rewrap_segment_key(
                manifest.sealed_key,
                recipient_key_id=manifest.recipient_key_id,
                class_key=bytes(class_session.wrapped_key),
                class_session_id=class_session.id,
                segment_id=manifest.segment_id,
                actor=caller.actor,
                subject=class_session,
            )
        except KeyRefused as error:
            answers[manifest.segment_id] = _quarantine(
                manifest, Code.SEGMENT_CORRUPT, agent, caller, detail=error.detail
            )
            continue
        by_class[class_session.id].append((manifest, item.pending.object_key, wrapped))
    for class_id, arrived in by_class.items():
        refused = set(recordings.add_segments(classes[class_id], agent, arrived, actor=caller.actor))
        for manifest, _, _ in arrived:
            answers[manifest.segment_id] = (
                _second(manifest, agent, caller)
                if manifest.segment_id in refused
                else AlreadyCommitted(segment_id=manifest.segment_id)
            )
    done = [key for key, answer in answers.items() if isinstance(answer, AlreadyCommitted)]
    PendingSegment.objects.filter(pk__in=done).delete()
    return answers


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
    found: ClassSession | None = ClassSession.objects.filter(
        pk=class_session_id, recorders__agent=agent
    ).first()
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
            "manifest_json": encode(manifest).decode(),
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
