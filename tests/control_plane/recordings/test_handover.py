"""An agent that fails in the middle of a class and is replaced: the class goes on with the footage of both."""

from pathlib import Path

from control_plane.common.scoping import studio_scope
from control_plane.fleet import pairing
from control_plane.fleet.models import Agent, Camera, RecordingOrder
from control_plane.ingest import services as ingest
from control_plane.keys import vault
from control_plane.recordings import heartbeats, services
from control_plane.recordings.models import AgentRecording, AgentRecordingState, ClassState, Segment
from control_plane.recordings.selectors import class_timeline
from shared.protocol.errors import Code
from shared.protocol.status import RecordingState
from shared.protocol.upload import Refused
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.recordings.test_services import say
from tests.control_plane.scenes import Scene
from tests.control_plane.sending import upload


def replaced(scene: Scene) -> Scene:
    """Returns the scene as the new agent sees it."""
    cast, agent_client = scene.cast, AgentClient()
    with studio_scope(cast.studio.id):
        old = Agent.objects.get(pk=scene.agent.pk)
        code = pairing.create_pairing_code(cast.studio, actor=cast.alice.actor, replaces=old).text
    agent_client.answer = pairing.claim_pairing_code(agent_client.pair_request(code))
    with studio_scope(cast.studio.id):
        return Scene(
            cast,
            agent_client,
            Agent.objects.get(pk=agent_client.agent_id),
            scene.room,
            {place: Camera.objects.get(pk=camera.pk) for place, camera in scene.cameras.items()},
            scene.session,
            vault.recipient(),
        )


def test_the_class_goes_on_with_the_new_agent_and_the_old_one_sends_what_it_has(
    scene: Scene, tmp_path: Path
) -> None:
    say(scene, RecordingState.RECORDING)
    new = replaced(scene)
    studio_id = scene.cast.studio.id
    with studio_scope(studio_id):
        old_order = RecordingOrder.objects.get(agent=scene.agent)
        new_order = RecordingOrder.objects.get(agent=new.agent)
        assert (new_order.class_session_id, new_order.stop_at) == (scene.session.id, None)
        assert old_order.stop_at is not None
        assert old_order.stop_at <= new_order.start_at
        (sent,) = new.agent.desired.document.body.recordings
        assert sent.class_session_id == scene.session.id
        assert AgentRecording.objects.get(agent=new.agent).state == AgentRecordingState.WAITING
    upload(scene, *scene.cuts(tmp_path, seconds=2))
    upload(new, *new.cuts(tmp_path, seconds=2, run=1))
    scene.stop()
    with studio_scope(studio_id):
        assert RecordingOrder.objects.get(agent=new.agent).stop_at is not None
    say(scene, RecordingState.FINISHED)
    assert scene.reread().state == ClassState.FINISHING, "the new agent has not reported that it is done"
    say(new, RecordingState.FINISHED)
    assert scene.reread().state == ClassState.COMPLETE
    with studio_scope(studio_id):
        assert Segment.objects.values("agent").distinct().count() == 2
        assert not RecordingOrder.objects.exists()


def test_until_the_old_agent_has_sent_everything_an_arriving_track_does_not_begin_with_the_new_one(
    scene: Scene, tmp_path: Path
) -> None:
    say(scene, RecordingState.RECORDING)
    new = replaced(scene)
    upload(new, *new.cuts(tmp_path, seconds=2, run=1))

    def placed() -> int:
        with studio_scope(scene.cast.studio.id):
            return sum(len(track.placed) for track in class_timeline(scene.reread()).tracks.values())

    assert placed() == 0
    upload(scene, *scene.cuts(tmp_path, seconds=2))
    assert placed() == 2
    scene.stop()
    say(scene, RecordingState.FINISHED)
    assert placed() == 4


def test_an_agent_of_the_class_cannot_write_to_another_ones_track(scene: Scene, tmp_path: Path) -> None:
    cast = scene.cast
    with studio_scope(cast.studio.id):
        code = pairing.create_pairing_code(cast.studio, actor=cast.alice.actor).text
    stranger = AgentClient()
    stranger.answer = pairing.claim_pairing_code(stranger.pair_request(code))
    with studio_scope(cast.studio.id):
        agent = Agent.objects.get(pk=stranger.agent_id)
        AgentRecording.objects.create(studio_id=cast.studio.id, class_session=scene.session, agent=agent)
        assert services.track_for(scene.session, agent, scene.cameras["left"].id) is None
        assert services.track_for(scene.session, scene.agent, scene.cameras["left"].id) is not None
    other = Scene(cast, stranger, agent, scene.room, scene.cameras, scene.session, scene.recipient)
    (answer,) = ingest.announce_segments([other.cuts(tmp_path, seconds=1)[0].manifest], other.caller)
    assert isinstance(answer, Refused)
    assert answer.code is Code.SEGMENT_NOT_WANTED


def test_a_class_that_was_given_up_is_not_taken_back_by_a_report_from_before(scene: Scene) -> None:
    say(scene, RecordingState.RECORDING)
    scene.stop()
    with studio_scope(scene.cast.studio.id):
        stale = AgentRecording.objects.get(agent=scene.agent)
        services.give_up_class(scene.session, actor=scene.cast.ivan.actor)
        said = scene.status(RecordingState.FINISHED, pending=3).recordings[0]
        assert not heartbeats._update_recording(stale, scene.reread(), said)
        assert AgentRecording.objects.get().state == AgentRecordingState.LOST
