"""Shreds the recordings of a class or of a whole studio: destroys their keys, so that no copy can be decrypted.

The key is destroyed first and at once; every copy of the footage is unreadable from then on. A job then removes rows and
objects; it is repeated until it is complete.
"""

from datetime import timedelta
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from control_plane.access import access
from control_plane.access.permissions import MAINTAIN
from control_plane.audit.events import AuditEvent
from control_plane.audit.services import record
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Conflict, Forbidden
from control_plane.common.scoping import current_studio_id, studio_scope
from control_plane.keys.audit_events import CLASS_SHREDDED
from control_plane.keys.events import GenerationNeeded
from control_plane.keys.models import KeyTombstone, StudioKey, TombstoneKind
from control_plane.keys.services import generations
from control_plane.keys.services.tombstones import destroy_recorded_shares, record_tombstone
from control_plane.recordings.audit_events import CLASS_EXPIRED, FOOTAGE_REMOVED
from control_plane.recordings.events import ClassShredded, FootageDestroyed, ObjectsInUse
from control_plane.recordings.models import (
    ENDED,
    RUNNING,
    AgentRecording,
    AgentRecordingState,
    ClassSession,
    Gap,
    Replay,
    Segment,
    Track,
)
from control_plane.recordings.services import finish_if_settled, lock_class
from control_plane.storage.deletion_queue import schedule_deletion
from control_plane.storage.models import DeletionReason
from control_plane.tenancy.models import Studio
from control_plane.tenancy.permissions import MANAGE_STUDIO

SYSTEM = Actor.system("recordings.sweep_shredded")
LATE_UPLOAD_WINDOW = timedelta(days=2)
"""How long after the destruction of a class a concurrent commit may still leave rows or objects."""
CLASSES_PER_BATCH = 50
"""Classes of a shredded studio per transaction: each has a row, an audit event and a key share."""
_ERASED_VALUES = {"wrapped_key": b"", "title": "Destroyed"}


def shred_class(class_session: ClassSession, *, confirmation: str, reason: str, actor: Actor) -> KeyTombstone:
    """Destroys the recording of a class permanently, in every copy and backup.

    Args:
        confirmation: the title of the class, as typed by the person.
        reason: free text for the audit log; may be empty.

    Raises:
        BadRequest: `confirmation` is not the title.
        Conflict: the class is being recorded.
        NotFound, Forbidden: `actor` may not manage the studio as its member.
    """
    with studio_scope(class_session.studio_id):
        _require_member(actor, class_session)
        _require_confirmation(confirmation, class_session.title, "the title of the class")
        return _shred(class_session.id, reason=reason, actor=actor)


def expire_class(class_session: ClassSession, *, reason: str, actor: Actor) -> KeyTombstone:
    """Destroys the recording of a class at the end of its retention, in every copy and backup. Idempotent.

    It does what `shred_class` does, without a person's confirmation; `remove_shredded` removes the rest. Clips, which have
    keys of their own, stay.

    Args:
        reason: the rule that ended its retention, for the tombstone.

    Raises:
        Conflict: the class is being recorded.
        Forbidden: `actor` is not the system.
    """
    with studio_scope(class_session.studio_id):
        access.require(actor, MAINTAIN, class_session)
        # `remove_shredded` tells the end of a retention from a deliberate destruction by the kind of actor.
        if actor.kind is not ActorKind.SYSTEM:
            raise Forbidden("Only the system ends the retention of a class.")
        locked = lock_class(class_session.id)
        if locked.is_running:
            raise Conflict("This class is being recorded.")
        return _record_class_tombstone(locked, reason=reason, actor=actor, event=CLASS_EXPIRED)


def shred_studio(studio: Studio, *, confirmation: str, reason: str, actor: Actor) -> KeyTombstone:
    """Destroys every recording of a studio permanently. People, rooms and agents stay; new keys replace the old ones.

    No copy of any class can be decrypted from then on. A job removes the rows and objects of each class afterwards.

    Args:
        confirmation: the name of the studio, as typed by the person.

    Raises:
        BadRequest: `confirmation` is not the name.
        Conflict: a class is being recorded.
        NotFound, Forbidden: `actor` may not manage the studio as its member.
        KeysUnavailable, KeyRefused: the root key or the key share store cannot be used; nothing is changed.
    """
    with studio_scope(studio.id):
        _require_member(actor, studio)
        _require_confirmation(confirmation, studio.name, "the name of the studio")
        # Lock first: a class that starts now is either included, or starts under the new keys.
        generations.lock_keys(studio.id)
        if ClassSession.objects.filter(state__in=RUNNING).exists():
            raise Conflict("A class is being recorded. Stop it first.")
        old = list(StudioKey.objects.filter(destroyed_at=None).select_for_update())
        new = generations.replace_generation(studio, actor=actor)
        # Ending the generations destroys all class keys under them. The rest grows with the number of classes (event, key
        # share and rows of each) and is left to `remove_shredded`.
        classes = ClassSession.objects.exclude(wrapped_key=b"").select_for_update().order_by("id")
        ClassSession.objects.filter(pk__in=list(classes.values_list("id", flat=True))).update(
            **_ERASED_VALUES
        )
        FootageDestroyed(None, reason, actor).publish()
        # Other secrets, such as the password of a store, continue under the new keys.
        while generations.rewrap_batch(actor=SYSTEM):
            pass
        for key in old:
            generations.destroy_generation(key, actor=actor, reason=reason)
        return record_tombstone(TombstoneKind.STUDIO, new.id, reason=reason, actor=actor, studio_id=studio.id)


def awaits_footage(question: GenerationNeeded) -> bool:
    """Returns whether footage sealed to the generation may still arrive: a class of its time has not ended."""
    key = question.generation
    if key.retired_at is None:
        return True
    # An hour of tolerance for agents that received the next generation late.
    begun = Q(requested_at__lt=key.retired_at + timedelta(hours=1))
    return bool(ClassSession.objects.filter(begun).exclude(state__in=ENDED).exists())


def remove_shredded() -> int:
    """Removes the remains of shredded classes of the studio in scope; returns how many classes it worked on.

    Each call handles one class, or a batch of classes of a shredded studio without tombstones, so a worker that dies
    affects no others.

    Raises:
        KeysUnavailable: the key share store cannot be used; nothing is removed before the key is destroyed.
    """
    destroy_recorded_shares()
    KeyTombstone.objects.filter(kind=TombstoneKind.GENERATION, removed_at=None).update(
        removed_at=timezone.now()
    )
    if recorded := _record_class_tombstones():
        return recorded
    # The content keys of all earlier segments are empty, also of those that a clip keeps.
    late = Q(created_at__gt=timezone.now() - LATE_UPLOAD_WINDOW) & Q(
        object_id__in=Segment.objects.exclude(wrapped_key=b"").values("class_session_id")
    )
    tombstone: KeyTombstone | None = (
        KeyTombstone.objects.filter(
            Q(removed_at=None) | late, kind=TombstoneKind.CLASS, share_destroyed_at__isnull=False
        )
        .select_for_update(skip_locked=True)
        .order_by("failures", "created_at")
        .first()
    )
    if tombstone is None:
        return 0
    class_id = tombstone.object_id
    # First: subscribers may give up what they need of the class.
    ClassShredded(class_id, expired=tombstone.actor_kind == ActorKind.SYSTEM).publish()
    removed, kept = remove_unneeded(class_id)
    for model in (Gap, Replay):
        model._default_manager.filter(class_session_id=class_id).delete()
    KeyTombstone.objects.filter(pk=tombstone.pk).update(removed_at=timezone.now())
    record(
        FOOTAGE_REMOVED,
        actor=SYSTEM,
        studio_id=current_studio_id(),
        object_type="recordings.ClassSession",
        object_id=class_id,
        details={"objects": removed, "kept": kept},
    )
    return 1


def remove_unneeded(class_id: UUID) -> tuple[int, int]:
    """Removes the segments of a destroyed class that nothing else needs, with their objects; returns how many were removed
    and how many stay. Called when the class is removed, and again by who no longer needs some of them.

    A segment that stays keeps its row, so that its object is migrated, checked and counted as before.
    """
    rows = Segment.objects.filter(class_session_id=class_id)
    objects = list(rows.values_list("store_id", "object_key"))
    needed = ObjectsInUse(tuple(key for _, key in objects)).all()
    unneeded = [item for item in objects if item[1] not in needed]
    schedule_deletion(unneeded, reason=DeletionReason.SHREDDED)
    rows.exclude(object_key__in=needed).delete()
    rows.update(wrapped_key=b"", kept=True)
    Track.objects.filter(class_session_id=class_id).exclude(pk__in=rows.values("track_id")).delete()
    return len(unneeded), len(needed)


def count_pending_classes() -> int:
    """Returns how many classes of the shredded studio in scope still wait for their tombstone."""
    return _without_tombstone().count()


def _without_tombstone() -> QuerySet[ClassSession]:
    done = KeyTombstone.objects.filter(kind=TombstoneKind.CLASS).values("object_id")
    found: QuerySet[ClassSession] = ClassSession.objects.filter(wrapped_key=b"").exclude(pk__in=done)
    return found


def _record_class_tombstones() -> int:
    """Writes tombstones and audit events for a batch of classes of a shredded studio; returns how many."""
    studio: KeyTombstone | None = (
        KeyTombstone.objects.filter(kind=TombstoneKind.STUDIO, removed_at=None)
        .select_for_update(skip_locked=True)
        .order_by("created_at")
        .first()
    )
    if studio is None:
        return 0
    actor = Actor(ActorKind(studio.actor_kind), id=studio.actor_id)
    found = list(_without_tombstone().order_by("id").values_list("id", flat=True)[:CLASSES_PER_BATCH])
    for class_id in found:
        _record_class_tombstone(lock_class(class_id), reason=studio.reason, actor=actor)
    if len(found) < CLASSES_PER_BATCH:
        KeyTombstone.objects.filter(pk=studio.pk).update(removed_at=timezone.now())
    return len(found)


def _shred(class_id: UUID, *, reason: str, actor: Actor) -> KeyTombstone:
    locked = lock_class(class_id)
    if locked.is_running:
        raise Conflict("This class is being recorded. Stop it first.")
    if not locked.wrapped_key:
        raise Conflict("The recording of this class is already destroyed.")
    return _record_class_tombstone(locked, reason=reason, actor=actor)


def _record_class_tombstone(
    locked: ClassSession, *, reason: str, actor: Actor, event: AuditEvent = CLASS_SHREDDED
) -> KeyTombstone:
    class_id = UUID(str(locked.id))
    if not locked.has_ended:
        AgentRecording.transition_rows(locked.agent_recordings.all(), AgentRecordingState.LOST)
        finish_if_settled(locked, actor=actor)
    ClassSession.objects.filter(pk=class_id).update(**_ERASED_VALUES)
    # Every content key in the database is deleted in the same transaction.
    Segment.objects.filter(class_session_id=class_id).update(wrapped_key=b"")
    if event is CLASS_SHREDDED:
        FootageDestroyed(class_id, reason, actor).publish()
    return record_tombstone(
        TombstoneKind.CLASS,
        class_id,
        reason=reason,
        actor=actor,
        studio_id=UUID(str(locked.studio_id)),
        event=event,
    )


def _require_member(actor: Actor, obj: ClassSession | Studio) -> None:
    access.require(actor, MANAGE_STUDIO, obj)
    # Break-glass access must not permit what cannot be undone: only the studio's own admins may.
    if actor.kind is not ActorKind.USER or access.role_of(actor, UUID(str(obj.studio_id))) is None:
        raise Forbidden("Only an admin of the studio itself can destroy recordings.")


def _require_confirmation(typed: str, wanted: str, what: str) -> None:
    if typed.strip() != wanted.strip():
        raise BadRequest(f"Type {what} exactly as shown, to confirm.")
