"""What the tests of who may see what begin with."""

from pathlib import Path
from typing import Any

import pytest

from control_plane.storage.roots.file import create_root_key
from control_plane.studios import services
from control_plane.studios.access import Action
from control_plane.studios.dancer_list import NewDancer
from control_plane.studios.models import Dancer, Relation, Role, Room
from tests.control_plane.conftest import Cast

FAMILY = {Action.VIEW_STUDIO, Action.VIEW_CLASS, Action.REPLAY}


@pytest.fixture
def room(cast: Cast) -> Room:
    """A room of the studio."""
    return services.create_room(cast.studio, name="Big room", actor=cast.alice.actor)


@pytest.fixture
def family(cast: Cast) -> Dancer:
    """A dancer of Gita's, in a studio that lets guardians replay."""
    services.set_role_actions(cast.studio, Role.GUARDIAN, FAMILY, actor=cast.alice.actor)
    dancer = services.add_dancer(cast.studio, NewDancer("Dana", 2015), actor=cast.alice.actor)
    services.start_guardianship(dancer, cast.gita, Relation.PARENT, actor=cast.alice.actor)
    return dancer


@pytest.fixture
def own_root(settings: Any, tmp_path: Path) -> Path:
    """A root key and a shelf of this test alone: it changes them."""
    path: Path = tmp_path / "keys" / "root.key"
    create_root_key(path)
    settings.ROOT_KEY_FILE = path
    return path
