"""Applies heartbeats of agents to classes: first picture, progress of the upload, completion."""

from uuid import UUID

from django.utils import timezone

from control_plane.common.actors import Actor
from control_plane.fleet.events import AgentReplaced, HeartbeatReceived
from control_plane.fleet.models import AgentState
from control_plane.recordings.models import (
    RUNNING,
    SETTLED,
    AgentRecording,
    AgentRecordingState,
    ClassSession,
    ClassState,
)
from control_plane.recordings.services import finish_if_settled, lock_class
from shared.protocol.status import RecordingState, RecordingStatus


def apply_heartbeat(heartbeat: HeartbeatReceived) -> None:
    """Updates the agent's progress with each of its classes from a heartbeat, in scope."""
    reports: dict[UUID, RecordingStatus] = {
        item.class_session_id: item for item in heartbeat.status.recordings
    }
    mine = AgentRecording.objects.filter(agent=heartbeat.agent, class_session__in=list(reports)).exclude(
        state__in=SETTLED
    )
    for recording in mine.order_by("id"):
        # Lock order: the class before its recordings. Two agents of one class may report at the same time.
        class_session = lock_class(recording.class_session_id)
        if _update_recording(recording, class_session, reports[recording.class_session_id]):
            _update_class(class_session, heartbeat.actor)


def transfer_recordings(replacement: AgentReplaced) -> None:
    """Adds the new agent to every running class that the old one records, in scope."""
    old, new = replacement.old, replacement.new
    running = AgentRecording.objects.filter(agent=old, class_session__state__in=RUNNING).exclude(
        state__in=SETTLED
    )
    for class_session_id in running.order_by("class_session_id").values_list("class_session_id", flat=True):
        class_session = lock_class(class_session_id)
        if class_session.is_running:
            AgentRecording.objects.get_or_create(
                class_session=class_session, agent=new, defaults={"studio_id": new.studio_id}
            )


def settle_lost_recordings() -> int:
    """Marks recordings of revoked agents as lost, in the studio in scope; returns how many classes that finished."""
    ended = 0
    lost = AgentRecording.objects.filter(agent__state=AgentState.REVOKED).exclude(state__in=SETTLED)
    for recording in lost.order_by("id"):
        class_session = lock_class(recording.class_session_id)
        AgentRecording.transition_rows(
            AgentRecording.objects.filter(pk=recording.pk), AgentRecordingState.LOST
        )
        ended += finish_if_settled(class_session, actor=Actor.system("recordings.sweep_recordings"))
    return ended


def _update_recording(
    recording: AgentRecording, class_session: ClassSession, report: RecordingStatus
) -> bool:
    """Stores the progress of one agent; returns whether anything changed."""
    tally = report.tally
    state = _recording_state(report, class_session)
    new = {
        "cameras_recording": report.cameras_recording,
        "segments_made": tally.segments_made,
        "segments_pending": tally.segments_pending,
        "gaps_pending": tally.gaps_pending,
        "first_picture_at": report.first_picture_at or recording.first_picture_at,
    }
    if recording.state == state and all(getattr(recording, name) == value for name, value in new.items()):
        return False
    # The class may have been given up while this transaction waited for its lock; a settled recording stays settled.
    mine = AgentRecording.objects.filter(pk=recording.pk)
    return AgentRecording.transition_rows(mine, state, **new, reported_at=timezone.now()) == 1


def _recording_state(report: RecordingStatus, class_session: ClassSession) -> AgentRecordingState:
    match report.state:
        case RecordingState.WAITING:
            return AgentRecordingState.WAITING
        case RecordingState.RECORDING:
            return AgentRecordingState.RECORDING
        case RecordingState.FINISHED:
            nothing_left = report.tally.segments_pending == report.tally.gaps_pending == 0
            # An agent cannot have finished a class that still runs: the report predates a restore of the database.
            stopped = not class_session.is_running
            return AgentRecordingState.DONE if nothing_left and stopped else AgentRecordingState.UPLOADING


def _update_class(class_session: ClassSession, actor: Actor) -> None:
    recordings = list(class_session.agent_recordings.all())
    firsts = [item.first_picture_at for item in recordings if item.first_picture_at]
    started_at = min(firsts, default=None)
    is_recording = any(item.state == AgentRecordingState.RECORDING for item in recordings)
    if class_session.state == ClassState.REQUESTED and is_recording and started_at:
        class_session.transition(ClassState.RECORDING, started_at=started_at)
    elif started_at != class_session.started_at:
        class_session.started_at = started_at
        class_session.save(update_fields=["started_at"])
    finish_if_settled(class_session, actor=actor)
