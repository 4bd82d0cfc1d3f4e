"""A class from Record to its end: states, tallies, what is missing, and who may."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from control_plane.audit.models import Entry
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.fleet import services as fleet
from control_plane.fleet.events import HeartbeatReceived
from control_plane.fleet.models import Agent, RecordingOrder
from control_plane.ingest import services as ingest
from control_plane.recordings import heartbeats, services
from control_plane.recordings.models import (
    ENDED,
    AgentRecording,
    AgentRecordingState,
    ClassSession,
    ClassState,
    Gap,
    Track,
)
from control_plane.recordings.selectors import running_class, visible_classes
from shared.protocol.ids import CameraId, ClassSessionId, GapId, new_id
from shared.protocol.manifest import GapReason, GapRecord
from shared.protocol.status import RecordingState
from tests.control_plane.conftest import Cast
from tests.control_plane.footage import START_AT
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import upload


def say(scene: Scene, state: RecordingState, *, pending: int = 0) -> None:
    with studio_scope(scene.cast.studio.id):
        agent = Agent.objects.get(pk=scene.agent.pk)
        heartbeats.apply_heartbeat(
            HeartbeatReceived(agent, scene.status(state, pending=pending), scene.caller.actor)
        )


def gaps(scene: Scene) -> list[tuple[str, float, float, bool]]:
    with studio_scope(scene.cast.studio.id):
        return [
            (
                f"{gap.track.position} {gap.reason}",
                (gap.from_at - START_AT).total_seconds(),
                (gap.to_at - START_AT).total_seconds(),
                gap.inferred,
            )
            for gap in Gap.objects.select_related("track").order_by("track__position", "from_at")
        ]


def test_every_state_is_reached_from_the_first_and_none_follows_an_end() -> None:
    allowed, reached = ClassSession.transitions.allowed, {str(ClassState.REQUESTED)}
    while new := {move for state in reached for move in allowed[state]} - reached:
        reached |= new
    assert reached == set(ClassState)
    assert all(not allowed[state] for state in ENDED)


def test_record_makes_a_class_with_a_key_a_track_for_each_camera_and_an_order(scene: Scene) -> None:
    with studio_scope(scene.cast.studio.id):
        session = ClassSession.objects.get()
        assert (session.state, session.title) == (ClassState.REQUESTED, "Ballet")
        assert len(session.wrapped_key) > 60
        assert set(Track.objects.values_list("position", flat=True)) == {"left", "centre", "right"}
        assert AgentRecording.objects.get().agent_id == scene.agent.id
        assert RecordingOrder.objects.get().class_session_id == session.id
        assert running_class(scene.room) == session
        assert Entry.objects.order_by("-sequence")[0].action == "class.started"


def test_a_room_records_one_class_at_a_time(scene: Scene) -> None:
    with studio_scope(scene.cast.studio.id), pytest.raises(Conflict, match="already"):
        services.start_class(scene.room, actor=scene.cast.ivan.actor)
    scene.stop()
    with studio_scope(scene.cast.studio.id):
        again = services.start_class(scene.room, actor=scene.cast.ivan.actor)
        assert again.title.startswith("Big room, ")


def test_a_class_follows_what_its_agent_says(scene: Scene, tmp_path: Path) -> None:
    say(scene, RecordingState.WAITING)
    assert scene.reread().state == ClassState.REQUESTED
    say(scene, RecordingState.RECORDING)
    assert (scene.reread().state, scene.reread().started_at) == (ClassState.RECORDING, START_AT)
    say(scene, RecordingState.FINISHED)
    assert scene.reread().state == ClassState.RECORDING, "nobody has pressed Stop"
    scene.stop()
    scene.stop()
    assert scene.reread().state == ClassState.FINISHING
    say(scene, RecordingState.FINISHED, pending=2)
    assert scene.reread().state == ClassState.FINISHING
    for position in scene.cameras:
        upload(scene, *scene.cuts(tmp_path, position))
    say(scene, RecordingState.FINISHED)
    session = scene.reread()
    assert (session.state, session.started_at) == (ClassState.COMPLETE, START_AT)
    assert session.finished_at is not None
    assert gaps(scene) == []
    with studio_scope(scene.cast.studio.id):
        assert not RecordingOrder.objects.exists()
        acts = list(Entry.objects.order_by("sequence").values_list("action", flat=True))
    assert acts[-5:] == ["class.stopped", *["footage.committed"] * 3, "class.finished"]


def test_a_class_without_a_picture_ends_empty(scene: Scene) -> None:
    scene.stop()
    say(scene, RecordingState.FINISHED)
    assert scene.reread().state == ClassState.EMPTY


def test_what_is_missing_gets_a_row_whether_reported_or_not(scene: Scene, tmp_path: Path) -> None:
    left = scene.cuts(tmp_path, "left", seconds=8)
    upload(scene, *left)
    upload(scene, *scene.cuts(tmp_path, "centre", seconds=8)[:7])
    right = scene.cuts(tmp_path, "right", seconds=8)
    upload(scene, right[0], *right[5:])
    ingest.commit_gaps(
        [
            GapRecord(
                gap_id=GapId(new_id()),
                class_session_id=ClassSessionId(scene.session.id),
                camera_id=CameraId(scene.cameras["right"].id),
                from_at=START_AT + timedelta(seconds=1),
                to_at=START_AT + timedelta(seconds=2),
                reason=GapReason.CAMERA_OFFLINE,
            )
        ],
        scene.caller,
    )
    scene.stop()
    say(scene, RecordingState.FINISHED)
    assert gaps(scene) == [
        ("centre key_frame", 7, 8, True),
        ("right camera_offline", 1, 2, False),
        ("right unreported", 2, 5, True),
    ]


def test_a_class_of_a_revoked_agent_does_not_wait_for_it(scene: Scene, tmp_path: Path) -> None:
    upload(scene, *scene.cuts(tmp_path, "left", seconds=8))
    scene.stop()
    with studio_scope(scene.cast.studio.id):
        fleet.revoke_agent(scene.agent, reason="stolen", actor=scene.cast.alice.actor)
        assert heartbeats.settle_lost_recordings() == 1
        assert heartbeats.settle_lost_recordings() == 0
        assert AgentRecording.objects.get().state == AgentRecordingState.LOST
    assert scene.reread().state == ClassState.INCOMPLETE
    assert [gap[0] for gap in gaps(scene)] == ["centre agent_lost", "right agent_lost"]


def test_an_instructor_may_give_up_what_never_arrives(scene: Scene) -> None:
    actor = scene.cast.ivan.actor
    with studio_scope(scene.cast.studio.id), pytest.raises(Conflict):
        services.give_up_class(scene.session, actor=actor)
    scene.stop()
    with studio_scope(scene.cast.studio.id):
        services.give_up_class(scene.session, actor=actor)
        with pytest.raises(Conflict):
            services.give_up_class(scene.session, actor=actor)
    assert scene.reread().state == ClassState.INCOMPLETE


def test_footage_that_was_given_up_and_comes_after_all_is_taken_and_its_gaps_are_found_anew(
    scene: Scene, tmp_path: Path
) -> None:
    left = scene.cuts(tmp_path, "left", seconds=8)
    upload(scene, *left[:2], *left[6:])
    scene.stop()
    with studio_scope(scene.cast.studio.id):
        services.give_up_class(scene.session, actor=scene.cast.ivan.actor)
    assert gaps(scene)[1] == ("left agent_lost", 2, 6, True)
    upload(scene, *left[2:5])
    assert gaps(scene)[1] == ("left agent_lost", 5, 6, True)


def test_a_title_can_be_changed_and_has_bounds(scene: Scene) -> None:
    with studio_scope(scene.cast.studio.id):
        services.rename_class(scene.session, title=" Tap ", actor=scene.cast.ivan.actor)
        for wrong in ("", "x" * 121):
            with pytest.raises(BadRequest):
                services.rename_class(scene.session, title=wrong, actor=scene.cast.ivan.actor)
        with pytest.raises(BadRequest):
            services.start_class(scene.room, title="x" * 121, actor=scene.cast.ivan.actor)
    assert scene.reread().title == "Tap"


@pytest.mark.parametrize(("who", "error"), [("vera", Forbidden), ("gita", NotFound), ("sam", NotFound)])
def test_only_who_teaches_records(scene: Scene, who: str, error: type[Exception]) -> None:
    actor: Any = getattr(scene.cast, who).actor
    with studio_scope(scene.cast.studio.id):
        with pytest.raises(error):
            services.stop_class(scene.session, actor=actor)
        with pytest.raises(error):
            services.rename_class(scene.session, title="x", actor=actor)
        with pytest.raises(error):
            services.give_up_class(scene.session, actor=actor)
        assert visible_classes(actor).count() == (who == "vera")
    with studio_scope(scene.cast.studio.id), pytest.raises((Forbidden, NotFound)):
        services.start_class(scene.room, actor=actor)


def test_a_class_that_begins_later_is_ordered_for_then(cast: Cast) -> None:
    scene = make_scene(cast)
    scene.stop()
    later = timezone.now() + timedelta(hours=3)
    with studio_scope(cast.studio.id):
        session = services.start_class(scene.room, start_at=later, actor=cast.ivan.actor)
        assert RecordingOrder.objects.get(class_session_id=session.id).start_at == later
        services.stop_class(session, actor=cast.ivan.actor)
        order = RecordingOrder.objects.get(class_session_id=session.id)
        assert order.stop_at == order.start_at
