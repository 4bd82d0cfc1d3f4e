"""What agents say of the classes they record, followed up: the class begins, goes on, and is complete."""

from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from control_plane.common.actors import Actor
from control_plane.fleet.events import AgentReplaced, HeartbeatReceived
from control_plane.fleet.models import AgentState
from control_plane.recordings.models import (
    RUNNING,
    SETTLED,
    ClassSession,
    ClassState,
    Recorder,
    RecorderState,
)
from control_plane.recordings.services import finish_if_settled, lock_class
from shared.protocol.status import RecordingState, RecordingStatus


def apply_heartbeat(heartbeat: HeartbeatReceived) -> None:
    """Updates the agent's progress with each of its classes from a heartbeat, in scope."""
    said: dict[UUID, RecordingStatus] = {item.class_session_id: item for item in heartbeat.status.recordings}
    mine = Recorder.objects.filter(agent=heartbeat.agent, class_session__in=list(said)).exclude(
        state__in=SETTLED
    )
    for recorder in mine.order_by("id"):
        # The class is locked first, always: two agents of one class report at the same time.
        class_session = lock_class(recorder.class_session_id)
        if _update(recorder, class_session, said[recorder.class_session_id]):
            _follow(class_session, heartbeat.actor)


def transfer_recordings(replacement: AgentReplaced) -> None:
    """Adds the new agent to every running class that the old one records, in scope."""
    old, new = replacement.old, replacement.new
    running = Recorder.objects.filter(agent=old, class_session__state__in=RUNNING).exclude(state__in=SETTLED)
    for class_session_id in running.order_by("class_session_id").values_list("class_session_id", flat=True):
        class_session = lock_class(class_session_id)
        if class_session.is_running:
            Recorder.objects.get_or_create(
                class_session=class_session, agent=new, defaults={"studio_id": new.studio_id}
            )


def settle_lost_recorders() -> int:
    """Gives up the footage of revoked agents, in the studio in scope; returns how many classes that ended."""
    ended = 0
    lost = Recorder.objects.filter(agent__state=AgentState.REVOKED).exclude(state__in=SETTLED)
    for recorder in lost.order_by("id"):
        class_session = lock_class(recorder.class_session_id)
        _unsettled(recorder).update(state=RecorderState.LOST)
        ended += finish_if_settled(class_session, actor=Actor.system("recordings.sweep"))
    return ended


def _update(recorder: Recorder, class_session: ClassSession, said: RecordingStatus) -> bool:
    """Writes one agent's tally down; says whether anything is new."""
    tally = said.tally
    new = {
        "state": _state(said, class_session),
        "cameras_recording": said.cameras_recording,
        "segments_made": tally.segments_made,
        "segments_pending": tally.segments_pending,
        "gaps_pending": tally.gaps_pending,
        "first_picture_at": said.first_picture_at or recorder.first_picture_at,
    }
    if all(getattr(recorder, name) == value for name, value in new.items()):
        return False
    # While we waited for the class it may have been given up: that is the last word on this recorder.
    return _unsettled(recorder).update(**new, reported_at=timezone.now()) == 1


def _unsettled(recorder: Recorder) -> "QuerySet[Recorder]":
    return Recorder.objects.filter(pk=recorder.pk).exclude(state__in=SETTLED)


def _state(said: RecordingStatus, class_session: ClassSession) -> RecorderState:
    match said.state:
        case RecordingState.WAITING:
            return RecorderState.WAITING
        case RecordingState.RECORDING:
            return RecorderState.RECORDING
        case RecordingState.FINISHED:
            nothing_left = said.tally.segments_pending == said.tally.gaps_pending == 0
            # Before Stop was pressed nothing can be finished: a word from before a restore, say.
            stopped = not class_session.is_running
            return RecorderState.DONE if nothing_left and stopped else RecorderState.UPLOADING


def _follow(class_session: ClassSession, actor: Actor) -> None:
    recorders = list(class_session.recorders.all())
    firsts = [item.first_picture_at for item in recorders if item.first_picture_at]
    started_at = min(firsts, default=None)
    state = class_session.state
    if state == ClassState.REQUESTED and any(item.state == RecorderState.RECORDING for item in recorders):
        state = ClassState.RECORDING if started_at else state
    if (state, started_at) != (class_session.state, class_session.started_at):
        class_session.state, class_session.started_at = state, started_at
        class_session.save(update_fields=["state", "started_at"])
    finish_if_settled(class_session, actor=actor)
