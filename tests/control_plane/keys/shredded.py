"""A stopped class to shred, and how it is shredded."""

from pathlib import Path
from typing import Any

from control_plane.keys.models import KeyTombstone
from control_plane.recordings.shredding import shred_class
from tests.control_plane.conftest import Cast
from tests.control_plane.footage import Cut
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import announce, put, upload

WHY = "asked for by a family"


def announced(scene: Scene, made: Cut) -> None:
    """Has a segment lie in the store that was never committed."""
    (target,) = announce(scene, made)
    assert put(target, made.content).status_code == 201


def shred(scene: Scene, **changes: Any) -> KeyTombstone:
    given: dict[str, Any] = {"confirmation": "Ballet", "reason": WHY, "actor": scene.cast.alice.actor}
    return shred_class(scene.reread(), **(given | changes))


def stopped(committed: Cast, tmp_path: Path) -> Scene:
    """Returns a class of two segments that has been stopped."""
    made = make_scene(committed)
    made.stop()
    upload(made, *made.cuts(tmp_path))
    return made
