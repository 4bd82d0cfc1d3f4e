"""Fixtures of the tests of exports."""

from pathlib import Path

import pytest

from control_plane.common.scoping import studio_scope
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.recordings.rosters import save_roster
from tests.control_plane.conftest import Cast
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import upload


@pytest.fixture
def scene(committed: Cast, tmp_path: Path) -> Scene:
    """A complete class of two cameras, six fragments of one second each, with a confirmed roster of nobody."""
    made = make_scene(committed)
    for position in ("left", "centre"):
        upload(made, *made.cuts(tmp_path, position, seconds=6, each=3))
    made.stop()
    with studio_scope(committed.studio.id):
        ClassSession.objects.filter(pk=made.session.pk).update(state=ClassState.COMPLETE)
        save_roster(made.session, [], confirm=True, actor=committed.alice.actor)
    made.session = made.reread()
    return made
