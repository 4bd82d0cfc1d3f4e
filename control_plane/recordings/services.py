"""Writes of recordings: start, stop and completion of classes, and the segments and gaps that `ingest` adds.

Call inside `studio_scope` of the class's studio.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Conflict
from control_plane.common.scoping import studio_scope
from control_plane.fleet import services as fleet
from control_plane.fleet.models import Agent, Camera
from control_plane.fleet.permissions import RECORD
from control_plane.fleet.selectors import cameras_of_room
from control_plane.keys import vault
from control_plane.plans.models import Limit
from control_plane.plans.quotas import require_quota
from control_plane.plans.rate_limits import require_rate
from control_plane.recordings.audit_events import (
    CLASS_CHANGED,
    CLASS_FINISHED,
    CLASS_STARTED,
    CLASS_STOPPED,
    FOOTAGE_COMMITTED,
)
from control_plane.recordings.footage_limits import (
    MAX_INFERRED_GAPS,
    MAX_TRACKS,
    FootageLimits,
    footage_limits,
)
from control_plane.recordings.gap_reasons import INFERRED
from control_plane.recordings.models import (
    SETTLED,
    AgentRecording,
    AgentRecordingState,
    ClassSession,
    ClassState,
    Gap,
    Track,
)
from control_plane.recordings.permissions import MANAGE_CLASS, UPLOAD
from control_plane.recordings.segment_factory import ObjectLocation, segment_from_manifest
from control_plane.recordings.selectors import class_timeline, default_title, stored_bytes
from control_plane.recordings.timeline import ClassTimeline
from control_plane.tenancy.models import Room
from shared.protocol.ids import new_id
from shared.protocol.manifest import GapRecord, SegmentManifest

MAX_STARTS_PER_HOUR = 240
MAX_UNFINISHED = 200
"""Per room. An agent's configuration is one message of at most 1 MiB, and each class takes 0.2 kB of it."""

log = logging.getLogger(__name__)


def start_class(
    room: Room, *, actor: Actor, title: str = "", start_at: datetime | None = None
) -> ClassSession:
    """Starts a class: all cameras of the room record from `start_at` (None: now) until `stop_class`.

    Args:
        title: empty: the room's name with weekday and time, in the studio's time zone.

    Raises:
        BadRequest: the title is longer than 120 characters.
        Conflict: a class is being recorded in this room, no agent has a camera there, too many classes were started in
            the last hour, or too many of the room are unfinished.
        NotFound, Forbidden: `actor` may not record here.
        TooManyRequests: too many classes were started within an hour.
    """
    with studio_scope(room.studio_id):
        access.require(actor, RECORD, room)
        require_rate(CLASS_STARTED, actor=actor)
        start_at = start_at or timezone.now()
        title = title.strip() or default_title(room, start_at)
        if len(title) > 120:
            raise BadRequest("title: at most 120 characters")
        require_quota(Limit.STORAGE_BYTES, stored_bytes)
        _require_start_rate(room)
        class_id = new_id()
        class_session = ClassSession(
            id=class_id,
            studio_id=room.studio_id,
            room=room,
            title=title,
            requested_at=start_at,
            requested_by=actor.id if actor.kind is ActorKind.USER else None,
            wrapped_key=vault.new_class_key(class_id, actor=actor, permission=RECORD, subject=room),
        )
        try:
            with transaction.atomic():
                class_session.save(force_insert=True)
        except IntegrityError as error:
            raise Conflict("A class is being recorded in this room already. Stop it first.") from error
        agents = fleet.order_recording(class_id, room, start_at=start_at, actor=actor)
        AgentRecording.objects.bulk_create(
            AgentRecording(studio_id=room.studio_id, class_session=class_session, agent=agent)
            for agent in agents
        )
        cameras = cameras_of_room(room)
        Track.objects.bulk_create(
            Track(class_session=class_session, camera_id=camera.id, **_track_values(camera))
            for camera in cameras
        )
        record_for(
            CLASS_STARTED,
            class_session,
            actor=actor,
            details={"room": str(room.id), "cameras": len(cameras)},
        )
    return class_session


def _require_start_rate(room: Room) -> None:
    """Checks that another class of a room may start.

    Raises:
        Conflict: too many were started or are unfinished. Each class is an order in the agents' configuration.
    """
    hour_ago = timezone.now() - timedelta(hours=1)
    if ClassSession.objects.filter(created_at__gt=hour_ago).count() >= MAX_STARTS_PER_HOUR:
        raise Conflict(f"{MAX_STARTS_PER_HOUR} classes were started in the last hour. Try again later.")
    waiting = ClassSession.objects.filter(room=room, state=ClassState.FINISHING).count()
    if waiting >= MAX_UNFINISHED:
        raise Conflict(
            f"{waiting} classes of this room still wait for footage. Wait for their upload, or give up some of them."
        )


def stop_class(class_session: ClassSession, *, actor: Actor) -> ClassSession:
    """Stops the recording of a class now. Idempotent.

    Raises:
        NotFound, Forbidden: `actor` may not record here.
    """
    with studio_scope(class_session.studio_id):
        access.require(actor, RECORD, class_session)
        locked = lock_class(class_session.id)
        if locked.is_running:
            now = timezone.now()
            locked.transition(ClassState.FINISHING, stop_requested_at=now)
            fleet.stop_recording(
                locked.id,
                locked.room,
                stop_at=max(now, locked.requested_at),
                actor=actor,
            )
            record_for(CLASS_STOPPED, locked, actor=actor)
        return locked


def rename_class(class_session: ClassSession, *, title: str, actor: Actor) -> ClassSession:
    """Renames a class.

    Raises:
        BadRequest: the title is empty or longer than 120 characters.
        NotFound, Forbidden: `actor` may not manage classes.
    """
    with studio_scope(class_session.studio_id):
        access.require(actor, MANAGE_CLASS, class_session)
        title = title.strip()
        if not 1 <= len(title) <= 120:
            raise BadRequest("title: 1 to 120 characters")
        class_session.title = title
        class_session.save(update_fields=["title"])
        record_for(CLASS_CHANGED, class_session, actor=actor, details={"fields": ["title"]})
    return class_session


def give_up_class(class_session: ClassSession, *, actor: Actor) -> ClassSession:
    """Ends the wait for footage of a stopped class: missing footage becomes gaps.

    Raises:
        Conflict: the class still records, or has ended already.
        NotFound, Forbidden: `actor` may not manage classes.
    """
    with studio_scope(class_session.studio_id):
        access.require(actor, MANAGE_CLASS, class_session)
        locked = lock_class(class_session.id)
        if locked.state != ClassState.FINISHING:
            raise Conflict("Only a stopped class that still waits for footage can be given up.")
        AgentRecording.transition_rows(locked.agent_recordings.all(), AgentRecordingState.LOST)
        finish_if_settled(locked, actor=actor)
        return locked


def add_segments(
    class_session: ClassSession,
    agent: Agent,
    arrived: Sequence[tuple[SegmentManifest, ObjectLocation, bytes]],
    *,
    actor: Actor,
) -> list[UUID]:
    """Adds verified segments to a class; returns the ids of those whose sequence number is taken by another segment.

    The class stays locked until the transaction ends, so a segment arrives either before the class is given up or finished,
    or after it. A caller that adds to several classes locks all of them first (`lock_classes`).

    Args:
        arrived: manifest, location of the object, and content key as wrapped by `keys.vault`.

    Raises:
        NotFound, Forbidden: `actor` may not upload to this class.
    """
    access.require(actor, UPLOAD, class_session)
    class_session = lock_class(class_session.id)
    refused, added = [], []
    tracks = {
        camera_id: track_for(class_session, agent, camera_id)
        for camera_id in {manifest.camera_id for manifest, _, _ in arrived}
    }
    for manifest, place, wrapped_key in arrived:
        row = segment_from_manifest(
            class_session, agent, tracks[manifest.camera_id], manifest, place, wrapped_key
        )
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            refused.append(row.id)
        else:
            added.append(row)
            class_session.fragment_count += len(manifest.fragments)
            class_session.footage_bytes += manifest.size_bytes
    if added:
        class_session.save(update_fields=["fragment_count", "footage_bytes"])
        record_for(
            FOOTAGE_COMMITTED,
            class_session,
            actor=actor,
            details={
                "segments": [{"id": str(row.id), "sha256": row.sha256} for row in added],
                "bytes": sum(row.size_bytes for row in added),
            },
        )
        if class_session.has_ended:
            # Footage of a given-up class arrived after all: infer its gaps again.
            infer_gaps(class_session, class_timeline(class_session))
    return refused


def add_gaps(
    class_session: ClassSession, gaps: Sequence[GapRecord], agent: Agent, *, actor: Actor
) -> list[UUID]:
    """Stores reported gaps of this agent's cameras, up to the limit of the class; returns their ids.

    Idempotent. The class stays locked until the transaction ends. Gaps beyond the limit are logged: their stretch is still
    shown as missing, without a reason.

    Raises:
        NotFound, Forbidden: `actor` may not upload to this class.
    """
    access.require(actor, UPLOAD, class_session)
    class_session = lock_class(class_session.id)
    known = set(Gap.objects.filter(pk__in=[gap.gap_id for gap in gaps]).values_list("pk", flat=True))
    tracks = {id_: track_for(class_session, agent, id_) for id_ in {gap.camera_id for gap in gaps}}
    new = {gap.gap_id: gap for gap in gaps if gap.gap_id not in known and tracks[gap.camera_id]}
    left = class_limits(class_session).gaps - class_session.gaps.filter(inferred=False).count()
    taken = list(new.values())[: max(0, left)]
    if len(taken) < len(new):
        log.warning(
            "gaps beyond the limit of the class were dropped",
            extra={"class": class_session.id, "agent": agent.id},
        )
    if not taken:
        return []
    Gap.objects.bulk_create(
        [
            Gap(
                id=gap.gap_id,
                studio_id=class_session.studio_id,
                class_session=class_session,
                track=tracks[gap.camera_id],
                from_at=gap.from_at,
                to_at=max(gap.from_at, gap.to_at),
                reason=gap.reason.value,
                # PostgreSQL text cannot contain NUL.
                detail=gap.detail.replace("\0", "")[:500],
            )
            for gap in taken
        ],
        ignore_conflicts=True,
    )
    if class_session.has_ended:
        infer_gaps(class_session, class_timeline(class_session))
    return [gap.gap_id for gap in taken]


def class_limits(class_session: ClassSession) -> FootageLimits:
    """Returns the current limits of a class."""
    return footage_limits(
        begun_at=class_session.requested_at,
        until_at=class_session.stop_requested_at or timezone.now(),
        tracks=class_session.tracks.count(),
    )


def segments_within_limits(
    class_session: ClassSession, manifests: Iterable[SegmentManifest], *, limits: FootageLimits | None = None
) -> set[UUID]:
    """Returns the ids of the segments that still fit the limits of a class, in their order.

    Exact only if the caller holds the lock on the row of the class.

    Args:
        limits: the limits of the class; None: queried now.
    """
    limits, fits = limits or class_limits(class_session), set[UUID]()
    fragments, size_bytes = class_session.fragment_count, class_session.footage_bytes
    for manifest in manifests:
        fragments += len(manifest.fragments)
        size_bytes += manifest.size_bytes
        if fragments > limits.fragments or size_bytes > limits.size_bytes:
            break
        fits.add(manifest.segment_id)
    return fits


def track_for(class_session: ClassSession, agent: Agent, camera_id: UUID) -> Track | None:
    """Returns the track of a camera if `agent` may add to it; created if the camera was added after the class began.

    The previous agent of the camera, its current one, and an agent that replaced either of them may add to a track.

    None: the camera is not in this class or not of this agent, or the class has the maximum number of tracks.
    """
    track: Track | None = class_session.tracks.select_related("agent").filter(camera_id=camera_id).first()
    camera: Camera | None
    if track is not None:
        if track.agent is None or agent.id in (track.agent_id, track.agent.replaced_by_id):
            return track
        # The camera may have another agent by now: a second replacement, or a manual change.
        owners = Agent.objects.filter(cameras=camera_id).values_list("id", flat=True)
        return track if agent.id in owners else None
    camera = Camera.objects.filter(pk=camera_id, room_id=class_session.room_id, agent=agent).first()
    if camera is not None and class_session.tracks.count() < MAX_TRACKS:
        track, _ = Track.objects.get_or_create(
            class_session=class_session, camera_id=camera_id, defaults=_track_values(camera)
        )
    return track


def finish_if_settled(class_session: ClassSession, *, actor: Actor) -> bool:
    """Finishes a stopped class when no agent has more footage, and stores its gaps; returns whether it did.

    The caller holds the lock on the row of the class.
    """
    states = set(class_session.agent_recordings.values_list("state", flat=True))
    if class_session.state != ClassState.FINISHING or not states <= set(SETTLED):
        return False
    if AgentRecordingState.LOST in states:
        end = ClassState.INCOMPLETE
    elif class_session.segments.exists():
        end = ClassState.COMPLETE
    else:
        end = ClassState.EMPTY
    class_session.transition(end, finished_at=timezone.now())
    timeline = class_timeline(class_session)  # reads the state: a class that has ended expects no footage
    # The start reported by agents is provisional; the footage decides.
    class_session.started_at = timeline.start_at or class_session.started_at
    class_session.save(update_fields=["started_at"])
    for recording in class_session.agent_recordings.select_related("agent").order_by("agent_id"):
        fleet.drop_order(class_session.id, recording.agent)
    gaps_found = infer_gaps(class_session, timeline)
    record_for(
        CLASS_FINISHED,
        class_session,
        actor=actor,
        details={"state": end.value, "gaps_found": gaps_found},
    )
    return True


def infer_gaps(class_session: ClassSession, timeline: ClassTimeline) -> int:
    """Stores a row for each missing stretch that no agent reported; returns the number of such stretches.

    Replaces earlier inferred rows. Beyond `MAX_INFERRED_GAPS`, which only a misbehaving agent can cause, the longest get a
    row; the timeline shows all of them. The caller holds the lock on the row of the class.
    """
    Gap.objects.filter(class_session=class_session, inferred=True).delete()
    if timeline.start_at is None:
        return 0
    uncovered = [
        (track.id, span)
        for track in timeline.tracks.values()
        for span in track.uncovered
        if span.reason in INFERRED
    ]
    longest = sorted(uncovered, key=lambda item: item[1].from_us - item[1].to_us)[:MAX_INFERRED_GAPS]
    Gap.objects.bulk_create(
        Gap(
            studio_id=class_session.studio_id,
            class_session=class_session,
            track_id=track_id,
            from_at=timeline.start_at + timedelta(microseconds=span.from_us),
            to_at=timeline.start_at + timedelta(microseconds=span.to_us),
            reason=span.reason,
            detail=span.detail,
            inferred=True,
        )
        for track_id, span in longest
    )
    return len(uncovered)


def _track_values(camera: Camera) -> dict[str, Any]:
    """Returns the values that a track copies from its camera, which may change or be deleted later."""
    return {
        "studio_id": camera.studio_id,
        "agent_id": camera.agent_id,
        "name": camera.name,
        "position": camera.position,
        "record_audio": camera.record_audio,
    }


def lock_classes(class_session_ids: Iterable[UUID]) -> None:
    """Locks several classes in the order of their ids. Lock order: classes before the audit chain."""
    for class_session_id in sorted(set(class_session_ids)):
        lock_class(class_session_id)


def lock_class(class_session_id: UUID) -> ClassSession:
    """Returns a class, locked until the transaction ends: its state and footage cannot change meanwhile."""
    row: ClassSession = (
        ClassSession.objects.select_for_update(of=("self",), no_key=True)
        .select_related("room")
        .get(pk=class_session_id)
    )
    return row
