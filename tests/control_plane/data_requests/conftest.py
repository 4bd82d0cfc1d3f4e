"""A studio with a recorded class that shows two dancers."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from control_plane.common.scoping import studio_scope
from control_plane.fleet.events import HeartbeatReceived
from control_plane.people import services as people
from control_plane.people.consent_models import ConsentAnswer, ConsentPurpose
from control_plane.people.consent_services import record_paper
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, Relation
from control_plane.recordings.heartbeats import apply_heartbeat
from control_plane.recordings.models import ClassSession
from control_plane.recordings.rosters import save_roster
from shared.protocol.status import RecordingState
from tests.control_plane.conftest import Cast
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import upload


@dataclass
class Shown:
    """A finished class of the scene, and the two dancers in it."""

    scene: Scene
    class_session: ClassSession
    mia: Dancer
    noa: Dancer


@pytest.fixture
def scene(cast: Cast) -> Scene:
    """A class under way."""
    return make_scene(cast)


@pytest.fixture
def shown(scene: Scene, tmp_path: Path) -> Shown:
    cast = scene.cast
    alice = cast.alice.actor
    upload(scene, *scene.cuts(tmp_path, seconds=4))
    scene.stop()
    with studio_scope(cast.studio.id):
        apply_heartbeat(
            HeartbeatReceived(scene.agent, scene.status(RecordingState.FINISHED), scene.caller.actor)
        )
    with studio_scope(cast.studio.id):
        mia = people.add_dancer(
            cast.studio, NewDancer("Mia", birth_year=2016, note="likes jumps"), actor=alice
        )
        noa = people.add_dancer(cast.studio, NewDancer("Noa"), actor=alice)
        people.start_guardianship(mia, cast.gita, Relation.PARENT, actor=alice)
        record_paper(
            mia,
            {ConsentPurpose.REPLAY: ConsentAnswer.GRANTED},
            signed_by="Gita",
            signed_on=timezone.localdate() - timedelta(days=1),
            actor=alice,
        )
        row = save_roster(scene.reread(), [mia.id, noa.id], confirm=True, actor=alice)
    return Shown(scene, row, mia, noa)
