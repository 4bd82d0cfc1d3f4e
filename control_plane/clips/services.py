"""Makes clips. `endings` has what ends them."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.clips.audit_events import CLIP_MADE
from control_plane.clips.models import LONGEST_DAYS, Clip, ClipDancer, ClipSegment
from control_plane.clips.permissions import MAKE_CLIPS
from control_plane.clips.stored_timeline import encode_timeline
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Conflict, Forbidden
from control_plane.common.saving import check
from control_plane.common.scoping import studio_scope
from control_plane.keys import vault
from control_plane.people.permissions import MANAGE_DANCERS
from control_plane.plans.rate_limits import require_rate
from control_plane.recordings.models import ClassSession, Segment
from control_plane.recordings.part import shown_fragments
from control_plane.recordings.part_choice import choose_part
from control_plane.recordings.presence import dancers_in, roster_is_confirmed
from control_plane.recordings.services import lock_class
from shared.protocol.ids import new_id

COPY_KEYS = vault.Purpose("clip", MAKE_CLIPS, frozenset({CLIP_MADE}), audited_before=True)


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """The wishes of the person who makes a clip.

    Attributes:
        from_s, to_s: the bounds in seconds of class time.
        title: empty: that of the class.
        track_ids: the cameras; empty: all.
        dancer_ids: the dancers whom it shows; None: everyone in the class.
        days: how long it is kept.
    """

    from_s: float
    to_s: float
    title: str = ""
    track_ids: Collection[UUID] = ()
    dancer_ids: Collection[UUID] | None = None
    days: int = 30


def make_clip(class_session: ClassSession, facts: ClipFacts, *, actor: Actor) -> Clip:
    """Makes a clip of a class. No bytes are copied: its key wraps the content keys of the segments that it touches.

    Raises:
        BadRequest: a value is out of its bounds; the message says which.
        Conflict: the class is not complete, is destroyed, or its roster is not confirmed.
        NotFound, Forbidden: `actor` may not make clips of this class, or not choose dancers.
        TooManyRequests: too many were made within an hour.
        KeysUnavailable: the root key or the key share store does not answer; nothing is changed.
    """
    with studio_scope(class_session.studio_id):
        access.require(actor, MAKE_CLIPS, class_session)
        require_rate(CLIP_MADE, actor=actor)
        if actor.kind is not ActorKind.USER or actor.id is None:
            raise Forbidden(_("Only a person can make a clip."))
        # Locked: its retention cannot end before the clip is on record.
        locked = lock_class(class_session.id)
        _require_ready(locked)
        if not 1 <= facts.days <= LONGEST_DAYS:
            raise BadRequest(_("A clip is kept for 1 to %(days)d days.") % {"days": LONGEST_DAYS})
        part, cut = choose_part(locked, facts.track_ids, facts.from_s, facts.to_s)
        if part.from_at is None or part.to_at is None:
            raise BadRequest(_("Enter where the clip begins and ends."))
        # A camera without a picture here has no segment that would keep it when the class is gone.
        timeline = replace(cut, tracks={id_: track for id_, track in cut.tracks.items() if track.placed})
        dancer_ids = _chosen_dancers(locked, facts.dancer_ids, actor=actor)
        clip_id = new_id()
        clip = Clip(
            id=clip_id,
            studio_id=locked.studio_id,
            class_session=locked,
            title=facts.title.strip() or locked.title,
            created_by=actor.id,
            track_ids=sorted(timeline.tracks),
            from_at=part.from_at,
            to_at=part.to_at,
            expires_at=timezone.now() + timedelta(days=facts.days),
            has_chosen_dancers=dancer_ids is not None,
            timeline_json=encode_timeline(timeline),
            wrapped_key=vault.new_class_key(
                clip_id, actor=actor, permission=MAKE_CLIPS, subject=locked, kind=vault.CLIP
            ),
        )
        check(clip)
        clip.save(force_insert=True)
        ClipDancer.objects.bulk_create(
            ClipDancer(studio_id=clip.studio_id, clip=clip, dancer_id=id_) for id_ in sorted(dancer_ids or ())
        )
        details = {
            "clip": str(clip_id),
            "cameras": len(timeline.tracks),
            "seconds": round(timeline.duration_us / 1_000_000),
            "days": facts.days,
            "dancers": None if dancer_ids is None else len(dancer_ids),
        }
        entry = record_for(CLIP_MADE, locked, actor=actor, details=details)
        _copy_keys(locked, clip, shown_fragments(timeline).keys(), actor=actor, entry_id=entry.id)
    return clip


def _require_ready(locked: ClassSession) -> None:
    if not locked.wrapped_key:
        raise Conflict(_("The recording of this class was destroyed or has expired."))
    if not locked.has_ended:
        raise Conflict(_("This class is not complete yet. Make clips when its footage has arrived."))
    if not roster_is_confirmed(locked):
        raise Conflict(
            _("Nobody has confirmed who was in this class. Confirm the roster of the class first.")
        )


def _chosen_dancers(
    class_session: ClassSession, wanted: Collection[UUID] | None, *, actor: Actor
) -> set[UUID] | None:
    if wanted is None:
        return None
    access.require(actor, MANAGE_DANCERS, class_session)
    if not set(wanted) <= dancers_in(class_session):
        raise BadRequest(_("A chosen dancer was not in this class. Reload the page."))
    return set(wanted)


def _copy_keys(
    class_session: ClassSession, clip: Clip, segment_ids: Collection[UUID], *, actor: Actor, entry_id: UUID
) -> None:
    rows = Segment.objects.filter(
        pk__in=list(segment_ids), class_session=class_session, track__in=clip.track_ids
    )
    with vault.release_keys(actor, COPY_KEYS, class_session, entry_id=entry_id) as release:
        ClipSegment.objects.bulk_create(
            ClipSegment(
                studio_id=clip.studio_id,
                clip=clip,
                segment_id=id_,
                wrapped_key=release.wrap_for(clip, bytes(wrapped_key), segment_id=id_),
            )
            for id_, wrapped_key in rows.order_by("id").values_list("id", "wrapped_key")
        )
