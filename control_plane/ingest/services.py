"""Writes of ingest: announce, commit and quarantine segments. Every step is idempotent.

Bytes are read outside of any transaction, so a slow object store holds no lock.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from control_plane.access import access
from control_plane.common.errors import NotFound
from control_plane.common.scoping import studio_scope
from control_plane.fleet.authentication import Caller
from control_plane.fleet.models import Agent
from control_plane.ingest.intents import (
    CLASS_IS_FULL,
    INGEST_KEYS,
    Intent,
    IntentResult,
    committed_hashes,
    recordable_class,
)
from control_plane.ingest.manifests import normalized_gap
from control_plane.ingest.models import PendingSegment
from control_plane.ingest.quarantine import drop_pending, quarantine, refused
from control_plane.ingest.readback import CommitSlots
from control_plane.ingest.targets import LIFETIME
from control_plane.ingest.verification import verify
from control_plane.integrity.repairs import damage_ids, replace_segments
from control_plane.keys import vault
from control_plane.keys.errors import KeyDestroyed, KeyLost, KeyRefused, RootRefused
from control_plane.recordings import services as recordings
from control_plane.recordings.events import ClassShredded, StoreRetiring
from control_plane.recordings.models import ClassSession
from control_plane.recordings.permissions import UPLOAD
from control_plane.recordings.segment_factory import ObjectLocation
from control_plane.storage.deletion_queue import schedule_deletion
from control_plane.storage.models import DeletionReason
from control_plane.storage.stores import open_store, storage
from shared.protocol.errors import Code
from shared.protocol.ids import GapId
from shared.protocol.manifest import GapRecord, SegmentManifest
from shared.protocol.upload import AlreadyCommitted, CommitItem, Refused

log = logging.getLogger(__name__)

_commit_slots = CommitSlots()

CommitResult = AlreadyCommitted | Refused


@dataclass(frozen=True, slots=True)
class _Verified:
    """A pending segment whose bytes are in the store as announced."""

    pending: PendingSegment
    manifest: SegmentManifest


def announce_segments(manifests: Sequence[SegmentManifest], caller: Caller) -> list[IntentResult]:
    """Returns for each announced segment an upload target, a receipt if it is committed already, or a refusal.

    Raises:
        NotFound, Forbidden: the caller may not upload.
    """
    with studio_scope(caller.studio_id):
        return Intent(_uploader(caller), caller, storage(), manifests).announce()


def commit_segments(items: Sequence[CommitItem], caller: Caller) -> list[CommitResult]:
    """Returns a receipt for each segment whose bytes are in the store as announced, and a refusal for the others.

    Raises:
        Busy: this agent has a commit in progress, or its studio the maximum number.
        NotFound, Forbidden: the caller may not upload.
    """
    with _commit_slots.hold(caller.studio_id, caller.agent_id):
        return _commit_segments(items, caller)


def _commit_segments(items: Sequence[CommitItem], caller: Caller) -> list[CommitResult]:
    answers: dict[UUID, CommitResult] = {}
    ids = [item.segment_id for item in items]
    with studio_scope(caller.studio_id):
        agent = _uploader(caller)
        rows = PendingSegment.objects.filter(pk__in=ids, agent=agent).select_related("store")
        pending = {row.id: row for row in rows}
        pinned = storage().region
        damaged = damage_ids(ids, agent)
        committed = {
            id_: sha256 for id_, sha256 in committed_hashes(ids, agent).items() if id_ not in damaged
        }
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
                else refused(item, Code.SEGMENT_HASH_CONFLICT, "Another segment has this id.")
            )
        elif (refusal := refusals[item]) is not None:
            answers[item.segment_id] = refusal
        elif row is not None:
            verified.append(_Verified(row, row.manifest))
    if verified:
        with studio_scope(caller.studio_id):
            # Checked again: the agent may have been revoked while objects were read back.
            answers |= _commit(verified, _uploader(caller), caller)
    return [answers[item.segment_id] for item in items]


def commit_gaps(gaps: Sequence[GapRecord], caller: Caller) -> list[GapId]:
    """Stores gaps; returns the acknowledged ones, which is all of them.

    Acknowledged without being stored: gaps of a class or camera that is not this agent's, of an impossible year, or
    beyond the limits of the class (`recordings.footage_limits`).

    Raises:
        NotFound, Forbidden: the caller may not upload.
    """
    by_class: defaultdict[UUID, list[GapRecord]] = defaultdict(list)
    for gap in map(normalized_gap, gaps):
        if gap is not None:
            by_class[gap.class_session_id].append(gap)
    with studio_scope(caller.studio_id):
        agent = _uploader(caller)
        recordings.lock_classes(
            ClassSession.objects.filter(pk__in=list(by_class), agent_recordings__agent=agent).values_list(
                "id", flat=True
            )
        )
        for class_session_id, of_class in by_class.items():
            if class_session := recordable_class(class_session_id, agent):
                recordings.add_gaps(class_session, of_class, agent, actor=caller.actor)
    return [gap.gap_id for gap in gaps]


def forget_class(event: ClassShredded) -> None:
    """Deletes the announced and never committed segments of a destroyed class, in scope."""
    rows = PendingSegment.objects.filter(class_session_id=event.class_session_id)
    schedule_deletion(rows.values_list("store_id", "object_key"), reason=DeletionReason.SHREDDED)
    rows.delete()


def withdraw_pending(event: StoreRetiring) -> None:
    """Redirects segments that were announced for a retiring store to the studio's current store, in scope."""
    rows = PendingSegment.objects.filter(store_id=event.store_id)
    schedule_deletion(
        rows.values_list("store_id", "object_key"), reason=DeletionReason.REPLACED, after=LIFETIME
    )
    rows.update(store_id=storage().store_id)


def _uploader(caller: Caller) -> Agent:
    agent: Agent = Agent.objects.get(pk=caller.agent_id)
    if not agent.is_trusted:
        # Revoked since its token was verified: its next call gets the signed revocation.
        raise NotFound
    access.require(caller.actor, UPLOAD, agent)
    return agent


def _commit(verified: Sequence[_Verified], agent: Agent, caller: Caller) -> dict[UUID, CommitResult]:
    answers: dict[UUID, CommitResult] = {}
    by_class: dict[UUID, list[_Verified]] = defaultdict(list)
    for item in verified:
        by_class[item.pending.class_session_id].append(item)
    # Lock order: all classes before the audit chain, so that no holder of the chain waits for a class.
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
    """Unseals content keys, rewraps them with the class key, and adds the segments to the class."""
    answers: dict[UUID, CommitResult] = {}
    known = committed_hashes([item.manifest.segment_id for item in items], agent)
    again = [item for item in items if item.manifest.segment_id in known]
    items = [item for item in items if item.manifest.segment_id not in known]
    if again:
        places = [
            (i.manifest.segment_id, ObjectLocation(i.pending.store_id, i.pending.object_key)) for i in again
        ]
        replace_segments(class_session, agent, places, actor=caller.actor)
        answers |= {
            item.manifest.segment_id: _answer_lost_race(item.manifest, agent, caller) for item in again
        }
    if not items:
        return answers
    fits = recordings.segments_within_limits(
        recordings.lock_class(class_session.id), [item.manifest for item in items]
    )
    for item in items:
        if item.manifest.segment_id not in fits:
            answers[item.manifest.segment_id] = refused(
                item.manifest, Code.TOO_MANY_REQUESTS, CLASS_IS_FULL, retryable=True
            )
    items = [item for item in items if item.manifest.segment_id in fits]
    arrived = []
    with vault.release_keys(caller.actor, INGEST_KEYS, class_session) as release:
        for item in items:
            manifest = item.manifest
            try:
                wrapped = _rewrapped_key(item.pending, manifest, release)
            except KeyDestroyed as error:
                answers[manifest.segment_id] = refused(manifest, Code.SEGMENT_NOT_WANTED, error.detail)
            except (KeyLost, RootRefused):
                # Not the agent's fault: it keeps its copy until an operator has repaired the keys.
                log.exception("content key cannot be rewrapped", extra={"class": str(class_session.id)})
                detail = "The keys of this studio are unavailable."
                answers[manifest.segment_id] = refused(manifest, Code.UNAVAILABLE, detail, retryable=True)
            except (KeyRefused, NotFound) as error:
                answers[manifest.segment_id] = quarantine(
                    manifest, Code.SEGMENT_CORRUPT, agent, caller, detail=error.detail
                )
            else:
                place = ObjectLocation(item.pending.store_id, item.pending.object_key)
                arrived.append((manifest, place, wrapped))
        taken = set(recordings.add_segments(class_session, agent, arrived, actor=caller.actor))
        for manifest, _, _ in arrived:
            answers[manifest.segment_id] = (
                _answer_lost_race(manifest, agent, caller)
                if manifest.segment_id in taken
                else AlreadyCommitted(segment_id=manifest.segment_id)
            )
    return answers


def _rewrapped_key(pending: PendingSegment, manifest: SegmentManifest, release: vault.KeyRelease) -> bytes:
    sealed = manifest.sealed_key
    if pending.wrapped_seal:
        sealed = release.unwrap_sealed(bytes(pending.wrapped_seal), segment_id=manifest.segment_id)
    return release.rewrap(sealed, recipient_key_id=manifest.recipient_key_id, segment_id=manifest.segment_id)


def _answer_lost_race(manifest: SegmentManifest, agent: Agent, caller: Caller) -> CommitResult:
    """Answers a segment that lost a race: against a concurrent commit of itself, or of another with its sequence number."""
    if committed_hashes([manifest.segment_id], agent).get(manifest.segment_id) == manifest.sha256:
        return AlreadyCommitted(segment_id=manifest.segment_id)
    return quarantine(manifest, Code.SEGMENT_SEQUENCE_CONFLICT, agent, caller)
