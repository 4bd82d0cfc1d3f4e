"""Ends clips: deletes them, ends their retention, and removes what is left of them.

A clip dies like a class: its key first, at once; then, by a job, the rows and the objects that nobody else needs.
"""

from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from control_plane.access import access
from control_plane.access.permissions import MAINTAIN
from control_plane.audit.events import AuditEvent
from control_plane.audit.services import record_for
from control_plane.clips.audit_events import CLIP_DELETED, CLIP_EXPIRED
from control_plane.clips.events import ClipDestroyed
from control_plane.clips.models import Clip, ClipDancer, ClipSegment
from control_plane.clips.permissions import MAKE_CLIPS
from control_plane.clips.selectors import clips_of_dancer
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.keys.models import KeyTombstone, TombstoneKind
from control_plane.keys.services.tombstones import destroy_recorded_shares, record_tombstone
from control_plane.people.events import DancerErased
from control_plane.recordings.events import FootageDestroyed
from control_plane.recordings.services import lock_class
from control_plane.recordings.shredding import remove_unneeded

SYSTEM = Actor.system("clips")
CLIPS_PER_BATCH = 50


def delete_clip(clip: Clip, *, actor: Actor) -> None:
    """Deletes a clip: its key at once, what is left by a job. Idempotent.

    Raises:
        NotFound, Forbidden: `actor` may not make clips of the class.
    """
    with studio_scope(clip.studio_id):
        access.require(actor, MAKE_CLIPS, clip)
        _destroy(Clip.objects.filter(pk=clip.pk), CLIP_DELETED, reason="", actor=actor)


def expire_clip(clip: Clip, *, reason: str, actor: Actor) -> None:
    """Deletes a clip at the end of its retention. Idempotent.

    Args:
        reason: the rule that ended its retention, for the tombstone.

    Raises:
        Forbidden: `actor` is not the system.
    """
    with studio_scope(clip.studio_id):
        access.require(actor, MAINTAIN, clip)
        _destroy(Clip.objects.filter(pk=clip.pk), CLIP_EXPIRED, reason=reason, actor=actor)


def destroy_of_footage(event: FootageDestroyed) -> None:
    """Destroys the clips of a class that a person destroys: a deliberate destruction leaves nothing."""
    if event.class_session_id is None:
        # Their tombstones follow class by class; what counts is that no new key of the studio wraps them again.
        Clip.objects.update(wrapped_key=b"")
        ClipSegment.objects.update(wrapped_key=b"")
        return
    rows = Clip.objects.filter(class_session_id=event.class_session_id)
    _destroy(rows, CLIP_DELETED, reason=event.reason, actor=event.actor)


def destroy_of_dancer(event: DancerErased) -> None:
    """Destroys the clips that show a dancer who is erased."""
    ids = list(clips_of_dancer(event.dancer_id).values_list("pk", flat=True))
    _destroy(Clip.objects.filter(pk__in=ids), CLIP_DELETED, reason="erasure", actor=SYSTEM)


def remove_destroyed() -> int:
    """Removes the rows and objects of one destroyed clip of the studio in scope; returns 0 if nothing is left to do.

    Clips of a destroyed studio first get their tombstones, in batches.

    Raises:
        KeysUnavailable: the key share store cannot be used; nothing is removed before the key is destroyed.
    """
    unrecorded = Clip.objects.filter(wrapped_key=b"").exclude(pk__in=_known_dead())
    if ids := list(unrecorded.values_list("pk", flat=True)[:CLIPS_PER_BATCH]):
        _destroy(Clip.objects.filter(pk__in=ids), CLIP_DELETED, reason="", actor=SYSTEM)
        return len(ids)
    destroy_recorded_shares()
    tombstone: KeyTombstone | None = (
        KeyTombstone.objects.filter(
            kind=TombstoneKind.CLIP, removed_at=None, share_destroyed_at__isnull=False
        )
        .select_for_update(skip_locked=True)
        .order_by("created_at")
        .first()
    )
    if tombstone is None:
        return 0
    clip = Clip.objects.filter(pk=tombstone.object_id).first()
    if clip is not None:
        # Locked: if the class is destroyed at this moment, one of the two sees what the other leaves.
        class_session = lock_class(clip.class_session_id)
        clip.delete()
        if not class_session.wrapped_key:
            remove_unneeded(class_session.id)
    KeyTombstone.objects.filter(pk=tombstone.pk).update(removed_at=timezone.now())
    return 1


def _destroy(clips: QuerySet[Clip], event: AuditEvent, *, reason: str, actor: Actor) -> None:
    """Destroys the keys of clips. Those whose shred of the studio emptied them already only get their tombstones."""
    rows = clips.exclude(pk__in=_known_dead()).select_for_update(of=("self",)).order_by("id")
    for clip in rows.select_related("class_session"):
        ClipSegment.objects.filter(clip=clip).update(wrapped_key=b"")
        ClipDancer.objects.filter(clip=clip).delete()
        Clip.objects.filter(pk=clip.pk).update(wrapped_key=b"", title="Destroyed")
        record_for(
            event,
            clip.class_session,
            actor=actor,
            details={"clip": str(clip.id), "reason_given": bool(reason)},
        )
        record_tombstone(TombstoneKind.CLIP, clip.id, reason=reason, actor=actor, studio_id=clip.studio_id)
        ClipDestroyed(clip.id).publish()


def _known_dead() -> QuerySet[KeyTombstone, UUID]:
    return KeyTombstone.objects.filter(kind=TombstoneKind.CLIP).values_list("object_id", flat=True)
