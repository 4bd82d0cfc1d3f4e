"""The media of the demo cameras, rendered once and shared by all tests."""

from pathlib import Path

import pytest

from deploy.demo.cameras import Camera, make_cameras
from deploy.demo.footage import load_footage
from deploy.demo.loop import CAMERAS
from deploy.demo.render import default_cache, ensure_media

# 2026-11-21T12:00:00Z, a whole number of loops, and 5.21 s.
STARTED_NS = 1_795_262_400 * 1_000_000_000 + 5_210_000_000


@pytest.fixture(scope="session")
def media() -> Path:
    return ensure_media(default_cache(), lambda part, what: None)


@pytest.fixture(scope="session")
def cameras(media: Path) -> dict[str, Camera]:
    footage = {name: load_footage(media / f"{name}.mp4") for name in CAMERAS}
    return {camera.name: camera for camera in make_cameras(footage, {}, STARTED_NS)}
