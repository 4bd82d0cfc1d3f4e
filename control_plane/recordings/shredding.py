"""The end of recordings: a class, or all classes of a studio, whose keys are destroyed so that no copy shows anything.

The key goes first and at once. What it opened is unreadable from then on, wherever it lies; removing it is housework,
done by a job that is repeated until it is through.
"""

from datetime import timedelta
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from control_plane.access import access
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Conflict, Forbidden
from control_plane.common.scoping import current_studio_id, studio_scope
from control_plane.keys.events import GenerationNeeded
from control_plane.keys.models import KeyTombstone, Shredded, StudioKey
from control_plane.keys.services import generations
from control_plane.keys.services.tombstones import entomb, settle_shelf
from control_plane.recordings.events import ClassShredded
from control_plane.recordings.models import (
    ENDED,
    RUNNING,
    SETTLED,
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

SYSTEM = Actor.system("recordings.shredding")
LATE_UPLOAD_WINDOW = timedelta(days=2)
"""How long after a class was destroyed a commit that was under way may have left something behind."""
CLASSES_PER_BATCH = 50
"""Of classes of a shredded studio, in one transaction: each has a row, an entry, and a half on the shelf."""
_ERASED_VALUES = {"wrapped_key": b"", "title": "Destroyed"}


def shred_class(class_session: ClassSession, *, confirmation: str, reason: str, actor: Actor) -> KeyTombstone:
    """Destroys the recording of a class for good, in every copy and backup.

    Args:
        confirmation: the title of the class, as the person has typed it.
        reason: the person's own words, for the record; may be empty.

    Raises:
        BadRequest: `confirmation` is not the title.
        Conflict: the class is being recorded.
        NotFound, Forbidden: `actor` may not manage the studio as its member.
    """
    with studio_scope(class_session.studio_id):
        _require_member(actor, class_session)
        _require_confirmation(confirmation, class_session.title, "the title of the class")
        return _shred(class_session.id, reason=reason, actor=actor)


def shred_studio(studio: Studio, *, confirmation: str, reason: str, actor: Actor) -> KeyTombstone:
    """Destroys every recording of a studio for good. People, rooms and boxes stay; new keys take the old ones' place.

    Nothing opens from then on, in no copy, however many classes there are; a job goes through them one by one.

    Args:
        confirmation: the name of the studio, as the person has typed it.

    Raises:
        BadRequest: `confirmation` is not the name.
        Conflict: a class is being recorded.
        NotFound, Forbidden: `actor` may not manage the studio as its member.
        KeysUnavailable, KeyRefused: root key or shelf cannot be used; nothing is changed.
    """
    with studio_scope(studio.id):
        _require_member(actor, studio)
        _require_confirmation(confirmation, studio.name, "the name of the studio")
        # First of all: a class that begins at this moment is either seen here, or begins under the new keys.
        generations.alone(studio.id)
        if ClassSession.objects.filter(state__in=RUNNING).exists():
            raise Conflict("A class is being recorded. Stop it first.")
        old = list(StudioKey.objects.filter(destroyed_at=None).select_for_update())
        new = generations.follow_with(studio, actor=actor)
        # With the generations all class keys are gone that lie under them. What is left to do for each class
        # (its own entry, its half, its rows) grows with the studio, and is `remove_shredded`'s.
        classes = ClassSession.objects.exclude(wrapped_key=b"").select_for_update().order_by("id")
        ClassSession.objects.filter(pk__in=list(classes.values_list("id", flat=True))).update(
            **_ERASED_VALUES
        )
        # What is no footage (a store's password, say) goes on under the new keys.
        while generations.rewrap_batch(actor=SYSTEM):
            pass
        for key in old:
            generations.destroy_generation(key, actor=actor, reason=reason)
        return entomb(Shredded.STUDIO, new.id, reason=reason, actor=actor, studio_id=studio.id)


def awaits_footage(question: GenerationNeeded) -> bool:
    """Returns whether footage that was sealed to the generation may arrive: a class of its time has not ended."""
    key = question.generation
    if key.retired_at is None:
        return True
    # The hour is for boxes that heard of the next generation late.
    begun = Q(requested_at__lt=key.retired_at + timedelta(hours=1))
    return bool(ClassSession.objects.filter(begun).exclude(state__in=ENDED).exists())


def remove_shredded() -> int:
    """Goes on with what follows from tombstones of the studio in scope; returns how many classes it went on with.

    One class in one call, or a batch of those of a shredded studio that have no tombstone yet: a worker that dies
    leaves the others as they are.

    Raises:
        KeysUnavailable: the shelf cannot be used; nothing is removed before the key is destroyed.
    """
    settle_shelf()
    KeyTombstone.objects.filter(what=Shredded.GENERATION, removed_at=None).update(removed_at=timezone.now())
    if entombed := _record_class_tombstones():
        return entombed
    late = Q(created_at__gt=timezone.now() - LATE_UPLOAD_WINDOW) & Q(
        object_id__in=Segment.objects.values("class_session_id")
    )
    tombstone: KeyTombstone | None = (
        KeyTombstone.objects.filter(Q(removed_at=None) | late, what=Shredded.CLASS, shelf_at__isnull=False)
        .select_for_update(skip_locked=True)
        .order_by("failures", "created_at")
        .first()
    )
    if tombstone is None:
        return 0
    class_id = tombstone.object_id
    removed = Segment.objects.filter(class_session_id=class_id)
    objects = list(removed.values_list("store_id", "object_key"))
    schedule_deletion(objects, reason=DeletionReason.SHREDDED)
    ClassShredded(class_id).publish()
    for model in (Segment, Gap, Replay, Track):
        model._default_manager.filter(class_session_id=class_id).delete()
    KeyTombstone.objects.filter(pk=tombstone.pk).update(removed_at=timezone.now())
    record(
        Act.FOOTAGE_REMOVED,
        actor=SYSTEM,
        studio_id=current_studio_id(),
        object_type="recordings.ClassSession",
        object_id=class_id,
        details={"objects": len(objects)},
    )
    return 1


def count_pending_classes() -> int:
    """Returns how many classes of the studio in scope lost their key with the whole studio and wait for their turn."""
    return _without_tombstone().count()


def _without_tombstone() -> QuerySet[ClassSession]:
    done = KeyTombstone.objects.filter(what=Shredded.CLASS).values("object_id")
    found: QuerySet[ClassSession] = ClassSession.objects.filter(wrapped_key=b"").exclude(pk__in=done)
    return found


def _record_class_tombstones() -> int:
    """Gives a batch of classes of a shredded studio what a class that is shredded alone gets; returns how many."""
    studio: KeyTombstone | None = (
        KeyTombstone.objects.filter(what=Shredded.STUDIO, removed_at=None)
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
        raise Conflict("The recording of this class has been destroyed already.")
    return _record_class_tombstone(locked, reason=reason, actor=actor)


def _record_class_tombstone(locked: ClassSession, *, reason: str, actor: Actor) -> KeyTombstone:
    class_id = UUID(str(locked.id))
    if not locked.has_ended:
        locked.agent_recordings.exclude(state__in=SETTLED).update(state=AgentRecordingState.LOST)
        finish_if_settled(locked, actor=actor)
    ClassSession.objects.filter(pk=class_id).update(**_ERASED_VALUES)
    # Every copy of a content key in the database goes with it, in the same transaction.
    Segment.objects.filter(class_session_id=class_id).update(wrapped_key=b"")
    return entomb(Shredded.CLASS, class_id, reason=reason, actor=actor, studio_id=UUID(str(locked.studio_id)))


def _require_member(actor: Actor, obj: ClassSession | Studio) -> None:
    access.require(actor, access.Action.MANAGE_STUDIO, obj)
    # Support staff may be let in for a while; what cannot be undone stays with the studio's own people.
    if actor.kind is not ActorKind.USER or access.role_of(actor, UUID(str(obj.studio_id))) is None:
        raise Forbidden("Only an admin of the studio itself destroys recordings.")


def _require_confirmation(typed: str, wanted: str, what: str) -> None:
    if typed.strip() != wanted.strip():
        raise BadRequest(f"Type {what} exactly as it stands, to confirm.")
