"""Reads of recordings, inside the studio in scope. Functions with an actor return only rows that the actor may see."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import QuerySet, Sum
from django.utils import timezone

from control_plane.access import access
from control_plane.common.actors import Actor
from control_plane.common.dates import format_clock, format_weekday
from control_plane.common.errors import NotFound
from control_plane.common.turns import in_passing
from control_plane.keys.errors import KeyDestroyed
from control_plane.recordings.damage_models import DamageKind
from control_plane.recordings.fragments import decode_fragments
from control_plane.recordings.gap_reasons import InferredReason
from control_plane.recordings.models import (
    RUNNING,
    SETTLED,
    AgentRecording,
    ClassSession,
    ClassState,
    Gap,
    Segment,
    Track,
)
from control_plane.recordings.timeline import (
    ClassTimeline,
    GapFacts,
    SegmentFacts,
    TrackFacts,
    build_timeline,
    contiguous_prefix,
)
from control_plane.tenancy.models import Room, Studio
from shared.protocol.media import ClockEstimate, ClockMethod

MISDATED_AFTER = timedelta(hours=1)
"""A picture dated further than this from its class was dated by a wrong clock."""
DAMAGE_REASONS = {
    DamageKind.MISSING: InferredReason.STORE_MISSING,
    DamageKind.SIZE: InferredReason.STORE_DAMAGED,
    DamageKind.HASH: InferredReason.STORE_DAMAGED,
}
"""Labels of gaps whose object in the store is missing or damaged."""


def visible_classes(actor: Actor) -> QuerySet[ClassSession]:
    """Returns the classes that `actor` may see, newest first, with their rooms loaded."""
    shown = access.visible(actor, ClassSession).exclude(wrapped_key=b"")
    return shown.select_related("room").order_by("-requested_at")


def class_for(actor: Actor, class_session_id: UUID) -> ClassSession:
    """Returns one class that `actor` may see.

    Raises:
        KeyDestroyed: the actor could see it, but it was destroyed.
        NotFound: it does not exist, or the actor may not know of it.
    """
    found = access.visible(actor, ClassSession).select_related("room").filter(pk=class_session_id).first()
    if found is None:
        raise NotFound
    if not found.wrapped_key:
        raise KeyDestroyed("The recording of this class was destroyed. It cannot be replayed any more.")
    return found


def running_class(room: Room) -> ClassSession | None:
    """Returns the class that is being recorded in a room; None: no class."""
    running: ClassSession | None = ClassSession.objects.filter(room=room, state__in=RUNNING).first()
    return running


def unsettled_recordings(class_session: ClassSession) -> list[AgentRecording]:
    """Returns the agent recordings of a class that are not settled, with the agents and their last status."""
    waiting = AgentRecording.objects.filter(class_session=class_session).exclude(state__in=SETTLED)
    return list(waiting.select_related("agent__status_report").order_by("agent__name"))


def stored_bytes() -> int:
    """Returns the bytes of the studio in scope in the platform's store; its own stores do not count."""
    return int(Segment.objects.filter(store=None).aggregate(sum=Sum("size_bytes"))["sum"] or 0)


def class_timeline(class_session: ClassSession) -> ClassTimeline:
    """Returns the timeline of a class from the footage received so far.

    While a class is still arriving, its timeline only grows, and only at the end: class time begins when Record was
    pressed, and a track contains its first segment and those that follow it without a gap in the sequence numbers.
    """
    arriving = not class_session.has_ended
    segments: dict[UUID, list[SegmentFacts]] = defaultdict(list)
    for track_id, facts in _segment_facts(class_session):
        segments[track_id].append(facts)
    gaps: dict[UUID, list[GapFacts]] = defaultdict(list)
    for gap in Gap.objects.filter(class_session=class_session, inferred=False):
        gaps[gap.track_id].append(GapFacts(gap.from_at, gap.to_at, gap.reason, gap.detail))
    tracks = list(Track.objects.filter(class_session=class_session))
    waits = _waiting_successors(class_session) if arriving else frozenset()
    return build_timeline(
        [
            TrackFacts(
                track.id,
                _stable_segments(track, segments[track.id], waits) if arriving else segments[track.id],
                gaps[track.id],
            )
            for track in tracks
        ],
        missing=_default_gap_reason(class_session),
        window=(
            class_session.requested_at - MISDATED_AFTER,
            (class_session.stop_requested_at or timezone.now()) + MISDATED_AFTER,
        ),
        growing_from=class_session.requested_at if arriving else None,
    )


def _stable_segments(
    track: Track, segments: list[SegmentFacts], waits: frozenset[UUID]
) -> list[SegmentFacts]:
    """Returns the segments of an arriving track that can be shown without any later correction.

    An agent numbers the segments of a camera across classes. So a first segment is known by its predecessor, which belongs
    to another class.
    """
    follow = contiguous_prefix(item for item in segments if item.agent_id not in waits)
    firsts: dict[UUID, int] = {}
    for item in follow:
        firsts.setdefault(item.agent_id, item.sequence)
    known = {
        agent_id
        for agent_id, sequence in firsts.items()
        if sequence == 1
        or Segment.objects.filter(agent=agent_id, camera_id=track.camera_id, sequence=sequence - 1).exists()
    }
    return [item for item in follow if item.agent_id in known]


def _waiting_successors(class_session: ClassSession) -> frozenset[UUID]:
    """Returns the agents that took over during a class from an agent that has not uploaded everything yet."""
    unsettled = AgentRecording.objects.filter(class_session=class_session).exclude(state__in=SETTLED)
    return frozenset(
        unsettled.filter(agent__replaced_by__isnull=False).values_list("agent__replaced_by_id", flat=True)
    )


def _segment_facts(class_session: ClassSession) -> Iterator[tuple[UUID, SegmentFacts]]:
    # As tuples: creating 1,800 model instances for an hour of three cameras takes longer than everything else here.
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
            "damage__kind",
        )
    )
    for row in in_passing(rows, every=8):
        track_id, id_, agent_id, sequence, run, init_sha256, fragments, method, *line = row
        anchor_pts_90k, anchor_at, rate_ppb, error_bound_us, provisional, fault = line
        clock = ClockEstimate(
            method=ClockMethod(method),
            anchor_pts_90k=anchor_pts_90k,
            anchor_at=anchor_at,
            rate_ppb=rate_ppb,
            error_bound_us=error_bound_us,
            provisional=provisional,
        )
        rows_ = decode_fragments(fragments)
        missing = DAMAGE_REASONS[DamageKind(fault)] if fault else ""
        yield track_id, SegmentFacts(id_, agent_id, sequence, run, init_sha256, clock, rows_, missing)


def _default_gap_reason(class_session: ClassSession) -> InferredReason:
    match ClassState(class_session.state):
        case ClassState.COMPLETE | ClassState.EMPTY:
            return InferredReason.UNREPORTED
        case ClassState.INCOMPLETE:
            return InferredReason.AGENT_LOST
        case _:
            return InferredReason.PENDING


def default_title(room: Room, start_at: datetime) -> str:
    """Returns the title of a class that is given none: the room, the weekday and the time, in the studio's zone."""
    zone = ZoneInfo(Studio.objects.values_list("time_zone", flat=True).get(pk=room.studio_id))
    return f"{room.name}, {format_weekday(start_at, zone)} {format_clock(start_at, zone)}"
