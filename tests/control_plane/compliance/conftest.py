"""Fixtures of the tests of compliance: a signing key, and a class in which Gita's daughter Ada was."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from control_plane.common.scoping import studio_scope
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, Relation
from control_plane.people.services import add_dancers, start_guardianship
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.recordings.rosters import save_roster
from tests.control_plane.conftest import Cast
from tests.control_plane.scenes import Scene, make_scene


@pytest.fixture(autouse=True)
def _signing_key(tmp_path: Path, settings: object) -> None:
    settings.CHECKPOINT_KEY_FILE = tmp_path / "keys" / "checkpoint.key"  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Lesson:
    """A class that has ended; `ada` is Gita's and was in it, `bea` is Pat's and was not."""

    scene: Scene
    ada: Dancer
    bea: Dancer

    @property
    def session(self) -> ClassSession:
        """The class as it is now."""
        return self.scene.reread()


@pytest.fixture
def lesson(cast: Cast) -> Lesson:
    """A confirmed class."""
    scene = make_scene(cast)
    ada, bea = add_dancers(
        cast.studio, [NewDancer("Ada", 2015), NewDancer("Bea", 2014)], actor=cast.alice.actor
    )[0]
    start_guardianship(ada, cast.gita, Relation.PARENT, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        ClassSession.objects.filter(pk=scene.session.pk).update(state=ClassState.COMPLETE)
    save_roster(scene.session, [ada.id], confirm=True, actor=cast.alice.actor)
    return Lesson(scene, ada, bea)
