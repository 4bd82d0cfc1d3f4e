"""Fixtures of the tests of classes."""

import pytest

from tests.control_plane.conftest import Cast
from tests.control_plane.scenes import Scene, make_scene


@pytest.fixture
def scene(cast: Cast) -> Scene:
    """A class under way in a room with three cameras."""
    return make_scene(cast)
