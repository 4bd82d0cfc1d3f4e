"""The media of the demo cameras, rendered once and shared by all tests."""

from pathlib import Path

import pytest

from tools.demo_scene.camera_server import Camera, make_cameras
from tools.demo_scene.coded_loop import load_coded_loop
from tools.demo_scene.loop import CAMERAS
from tools.demo_scene.render import default_cache, ensure_media

# 2026-11-21T12:00:00Z, a whole number of loops, and 5.21 s.
STARTED_NS = 1_795_262_400 * 1_000_000_000 + 5_210_000_000


@pytest.fixture(scope="session")
def media() -> Path:
    return ensure_media(default_cache(), lambda part, what: None)


@pytest.fixture(scope="session")
def cameras(media: Path) -> dict[str, Camera]:
    loops = {name: load_coded_loop(media / f"{name}.mp4") for name in CAMERAS}
    return {camera.name: camera for camera in make_cameras(loops, {}, STARTED_NS)}
