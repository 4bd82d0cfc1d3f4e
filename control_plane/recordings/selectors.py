"""Reads of recordings, inside the studio in scope. Those that take an actor show what that actor may see."""

from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from django.db.models import QuerySet

from control_plane.common.actors import Actor
from control_plane.common.errors import NotFound
from control_plane.recordings.fragments import decode_fragments
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
from shared.protocol.media import ClockEstimate, ClockMethod


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
    for track_id, facts in _segment_facts(class_session):
        segments[track_id].append(facts)
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


def _segment_facts(class_session: ClassSession) -> Iterator[tuple[UUID, SegmentFacts]]:
    # As tuples: making 1,800 model instances for an hour of three cameras takes longer than all that follows.
    rows = (
        Segment.objects.filter(class_session=class_session)
        .order_by("sequence")
        .values_list(
            "track_id",
            "id",
            "agent_id",
            "sequence",
            "run",
            "init_sha256",
            "fragments_json",
            "clock_method",
            "clock_anchor_pts_90k",
            "clock_anchor_at",
            "clock_rate_ppb",
            "clock_error_bound_us",
            "clock_provisional",
        )
    )
    for track_id, id_, agent_id, sequence, run, init_sha256, fragments, method, *line in rows:
        anchor_pts_90k, anchor_at, rate_ppb, error_bound_us, provisional = line
        clock = ClockEstimate(
            method=ClockMethod(method),
            anchor_pts_90k=anchor_pts_90k,
            anchor_at=anchor_at,
            rate_ppb=rate_ppb,
            error_bound_us=error_bound_us,
            provisional=provisional,
        )
        rows_ = decode_fragments(fragments)
        yield track_id, SegmentFacts(id_, agent_id, sequence, run, init_sha256, clock, rows_)


def _missing(class_session: ClassSession) -> InferredReason:
    match ClassState(class_session.state):
        case ClassState.COMPLETE | ClassState.EMPTY:
            return InferredReason.UNREPORTED
        case ClassState.INCOMPLETE:
            return InferredReason.AGENT_LOST
        case _:
            return InferredReason.PENDING
