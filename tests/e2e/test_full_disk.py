"""A full disk of the server costs a class nothing, and ends by itself with the cause."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.playback import Viewer
from tests.e2e.footage import fragments_of
from tests.e2e.full_disk import DISK_MIB, Figures, fill_and_free
from tests.e2e.installation import CONTROL_PLANE, Installation, installation
from tests.rigs.small_disk import small_disk, why_no_small_disk
from tools.demo_scene.loop import CAMERAS, FRAMES
from tools.demo_scene.render import default_cache, ensure_media

HELD_S = 15.0
"""The long run is `nox -s faults -- disk`."""

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.faults,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(why_no_small_disk()), reason=why_no_small_disk() or "-"),
]


@pytest.fixture(scope="module")
def through() -> Iterator[tuple[Installation, Figures]]:
    """An installation that went through a full disk."""
    media = ensure_media(default_cache(), lambda part, what: None)
    with tempfile.TemporaryDirectory(prefix="threedance-full-") as made:
        folder = Path(made)
        folder.chmod(0o711)
        with small_disk(folder / "state", DISK_MIB), installation(folder, media) as installed:
            yield installed, fill_and_free(installed, held_s=HELD_S)


def test_every_request_is_answered_and_the_page_says_what_is_wrong(
    through: tuple[Installation, Figures],
) -> None:
    _, figures = through
    assert set(figures.seen.statuses) == {200, 503}
    assert any("disk is full" in body for body in figures.seen.bodies)


def test_it_goes_on_by_itself_within_a_minute(through: tuple[Installation, Figures]) -> None:
    _, figures = through
    assert figures.back_s < 60


def test_no_picture_is_missing_and_none_is_there_twice(through: tuple[Installation, Figures]) -> None:
    installed, figures = through
    assert figures.kept_segments > 0
    assert installed.ask("progress", class_id=figures.class_id)["state"] == "complete"
    viewer = Viewer(installed.ask("links")["instructor"])
    address = figures.address.replace(installed.line.url, installed.url)
    timeline = viewer.timeline(address)
    assert {track["position"] for track in timeline["tracks"]} == set(CAMERAS)
    for track in timeline["tracks"]:
        frames = [frame for one in fragments_of(viewer, address, track) for frame in one.frames]
        assert frames == [(frames[0] + step) % FRAMES for step in range(len(frames))]
        assert track["gaps"] == []


def test_every_object_is_what_arrived(through: tuple[Installation, Figures]) -> None:
    installed, _ = through
    command = [*CONTROL_PLANE, "fsck", "--state", str(installed.state), "--depth", "hash"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stdout + done.stderr
