"""Reads of clips, inside the studio in scope. Functions with an actor return only clips that the actor may see."""

from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from control_plane.access import access
from control_plane.clips.models import Clip, ClipDancer, ClipSegment
from control_plane.clips.stored_timeline import StoredSegment, decode_timeline
from control_plane.common.actors import Actor
from control_plane.common.errors import NotFound
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import current_studio_id
from control_plane.keys.errors import KeyDestroyed
from control_plane.people.models import Guardianship
from control_plane.recordings.damage_models import SegmentDamage
from control_plane.recordings.events import ObjectsInUse
from control_plane.recordings.fragments import decode_fragments
from control_plane.recordings.models import Appearance, Segment
from control_plane.recordings.presence import dancers_in, enrolled_in
from control_plane.recordings.timeline import ClassTimeline


def visible_clips(actor: Actor, *, to: StudioPermission | None = None) -> QuerySet[Clip]:
    """Returns the clips that `actor` may see (or `to`) and that still play, newest first, with their classes loaded.

    A guardian sees the clips that show a dancer of theirs.
    """
    shown = _known_to(actor, access.visible(actor, Clip, to=to)).exclude(wrapped_key=b"")
    return shown.filter(expires_at__gt=timezone.now()).select_related("class_session__room")


def clip_for(actor: Actor, clip_id: UUID) -> Clip:
    """Returns one clip that `actor` may see.

    Raises:
        KeyDestroyed: the actor could see it, but it was deleted or its date is over.
        NotFound: it does not exist, or the actor may not know of it.
    """
    found = _known_to(actor, access.visible(actor, Clip)).select_related("class_session__room")
    clip = found.filter(pk=clip_id).first()
    if clip is None:
        raise NotFound
    if not clip.is_playable(timezone.now()):
        raise KeyDestroyed("This clip was deleted, or its date is over. It cannot be played any more.")
    return clip


def dancers_of_clip(clip: Clip) -> set[UUID]:
    """Returns the dancers whom a clip shows: those chosen for it, or else everyone in the class."""
    if not clip.has_chosen_dancers:
        return dancers_in(clip.class_session)
    return set(ClipDancer.objects.filter(clip=clip).values_list("dancer_id", flat=True))


def clips_of_dancer(dancer_id: UUID) -> QuerySet[Clip]:
    """Returns the clips that show, or may show, a dancer, whatever their date."""
    chosen = ClipDancer.objects.filter(clip=OuterRef("pk"), dancer_id=dancer_id)
    listed = Appearance.objects.filter(class_session=OuterRef("class_session_id"), dancer_id=dancer_id)
    enrolled = enrolled_in(OuterRef("class_session_id")).filter(dancer_id=dancer_id)
    anyone = Q(has_chosen_dancers=False) & (Q(Exists(listed)) | Q(Exists(enrolled)))
    found: QuerySet[Clip] = Clip.objects.filter(Q(Exists(chosen)) | anyone).exclude(wrapped_key=b"")
    return found


def clip_timeline(clip: Clip) -> ClassTimeline:
    """Returns what a clip shows."""
    rows = Segment.objects.filter(pk__in=ClipSegment.objects.filter(clip=clip).values("segment_id"))
    damaged = set(SegmentDamage.objects.filter(segment__in=rows).values_list("segment_id", flat=True))
    segments = {
        id_: StoredSegment(init_sha256, decode_fragments(fragments), id_ in damaged)
        for id_, init_sha256, fragments in rows.values_list("id", "init_sha256", "fragments_json")
    }
    return decode_timeline(clip.timeline_json, segments)


def objects_of_clips(question: ObjectsInUse) -> set[str]:
    """Answers which objects a clip needs, including one whose key is still to be destroyed."""
    rows = ClipSegment.objects.filter(segment__object_key__in=question.object_keys)
    return set(rows.values_list("segment__object_key", flat=True))


def _known_to(actor: Actor, clips: QuerySet[Clip]) -> QuerySet[Clip]:
    if access.role_of(actor, current_studio_id()) is not Role.GUARDIAN:
        return clips
    theirs = Guardianship.objects.filter(user_id=actor.id, ended_at__isnull=True)
    mine = ClipDancer.objects.filter(clip=OuterRef("pk"), dancer_id__in=theirs.values("dancer_id"))
    return clips.filter(Q(has_chosen_dancers=False) | Q(Exists(mine)))
