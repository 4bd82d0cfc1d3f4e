"""Reads of recordings, inside the studio in scope. Those that take an actor show what that actor may see."""

from collections import defaultdict
from uuid import UUID

from django.db.models import QuerySet

from control_plane.common.actors import Actor
from control_plane.common.errors import NotFound
from control_plane.recordings.models import ClassSession, ClassState, Gap, Segment, Track
from control_plane.recordings.reasons import InferredReason
from control_plane.recordings.timeline import (
    ClassTimeline,
    GapFacts,
    SegmentFacts,
    TrackFacts,
    lay_out,
    unbroken,
)
from control_plane.studios import access
from control_plane.studios.models import Room


def visible_classes(actor: Actor) -> QuerySet[ClassSession]:
    """Returns the classes that `actor` may see, newest first, with their rooms loaded."""
    return access.visible(actor, ClassSession).select_related("room").order_by("-requested_at")


def class_for(actor: Actor, class_session_id: UUID) -> ClassSession:
    """Returns one class that `actor` may see.

    Raises:
        NotFound: there is none, or the actor may not know of it.
    """
    found = visible_classes(actor).filter(pk=class_session_id).first()
    if found is None:
        raise NotFound
    return found


def running_class(room: Room) -> ClassSession | None:
    """Returns the class that is recorded in a room now."""
    running: ClassSession | None = ClassSession.objects.filter(
        room=room, state__in=[ClassState.REQUESTED, ClassState.RECORDING]
    ).first()
    return running


def class_timeline(class_session: ClassSession) -> ClassTimeline:
    """Returns when everything of a class happened, from what has arrived of it so far."""
    arriving = not class_session.has_ended
    segments: dict[UUID, list[SegmentFacts]] = defaultdict(list)
    # A class key that is no more: the rows may still be there, the footage is not.
    rows = Segment.objects.filter(class_session=class_session).order_by("sequence").defer("wrapped_key")
    for row in rows:
        segments[row.track_id].append(
            SegmentFacts(
                row.id, row.agent_id, row.sequence, row.run, row.init_sha256, row.clock, row.fragments
            )
        )
    gaps: dict[UUID, list[GapFacts]] = defaultdict(list)
    for gap in Gap.objects.filter(class_session=class_session, inferred=False):
        gaps[gap.track_id].append(GapFacts(gap.from_at, gap.to_at, gap.reason, gap.detail))
    return lay_out(
        [
            TrackFacts(
                track.id,
                unbroken(segments[track.id]) if arriving else segments[track.id],
                gaps[track.id],
            )
            for track in Track.objects.filter(class_session=class_session)
        ],
        missing=_missing(class_session),
    )


def _missing(class_session: ClassSession) -> InferredReason:
    match ClassState(class_session.state):
        case ClassState.COMPLETE | ClassState.EMPTY:
            return InferredReason.UNREPORTED
        case ClassState.INCOMPLETE:
            return InferredReason.AGENT_LOST
        case _:
            return InferredReason.PENDING
