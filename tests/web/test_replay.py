"""The replay of a class that really arrived: segments through ingest, keys from the vault, one uvicorn, one Chromium."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from control_plane.audit.models import Entry
from control_plane.common.scoping import studio_scope
from control_plane.fleet.events import HeartbeatReceived
from control_plane.fleet.models import Agent
from control_plane.recordings import heartbeats, services
from control_plane.tenancy.models import Membership
from shared.protocol.ids import CameraId, GapId, new_id
from shared.protocol.manifest import GapReason, GapRecord
from shared.protocol.status import RecordingState
from tests.control_plane.conftest import Cast
from tests.control_plane.footage import FPS, START_AT, clock, cut, film
from tests.control_plane.live import serve
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import upload
from tests.web.browser import CHROMIUM, Watched
from tests.web.conftest import SignIn
from tests.web.stage import DIST

pytestmark = [
    pytest.mark.web,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (THREEDANCE_TEST_CHROMIUM names one)"
    ),
    pytest.mark.skipif(not (DIST / "replay.js").exists(), reason="web assets are not built (nox -s assets)"),
]
SECONDS = 24
LATE_MS = {"left": 0, "centre": 4, "right": 11}
GAP_S = (5, 8)
"""The centre camera is away."""


@dataclass(frozen=True)
class Shown:
    """A recorded class, served."""

    scene: Scene
    address: str

    @property
    def path(self) -> str:
        """Where its replay is."""
        return f"/studio/{self.scene.cast.studio.slug}/classes/{self.scene.session.id}/"


def _record(scene: Scene, folder: Path) -> None:
    footage = film(folder, seconds=SECONDS)
    for position, late_ms in LATE_MS.items():
        line = clock(start_at=START_AT + timedelta(milliseconds=late_ms))
        spans = [(0, GAP_S[0]), (GAP_S[1], SECONDS - GAP_S[1])] if position == "centre" else [(0, SECONDS)]
        made = [
            cut(
                footage,
                first=first,
                count=count,
                sequence=sequence,
                line=line,
                class_session_id=scene.session.id,
                camera_id=scene.cameras[position].id,
                recipient=scene.recipient,
            )
            for sequence, (first, count) in enumerate(spans, start=1)
        ]
        upload(scene, *made)
    with studio_scope(scene.cast.studio.id):
        agent = Agent.objects.get(pk=scene.agent.pk)
        away = GapRecord(
            gap_id=GapId(new_id()),
            class_session_id=made[0].manifest.class_session_id,
            camera_id=CameraId(scene.cameras["centre"].id),
            from_at=START_AT + timedelta(seconds=GAP_S[0], milliseconds=4),
            to_at=START_AT + timedelta(seconds=GAP_S[1], milliseconds=4),
            reason=GapReason.CAMERA_OFFLINE,
        )
        services.add_gaps(scene.session, [away], agent, actor=scene.caller.actor)
        services.stop_class(scene.session, actor=scene.cast.ivan.actor)
        heartbeats.apply_heartbeat(
            HeartbeatReceived(agent, scene.status(RecordingState.FINISHED), scene.caller.actor)
        )


@pytest.fixture
def shown(committed: Cast, tmp_path: Path) -> Iterator[Shown]:
    scene = make_scene(committed)
    _record(scene, tmp_path)
    with serve() as address:
        yield Shown(scene, address)


def _open(shown: Shown, sign_in: SignIn, name: str, **options: Any) -> Watched:
    page: Page = sign_in(shown.address, getattr(shown.scene.cast, name), **options).new_page()
    viewer = Watched(page)
    page.goto(shown.path)
    viewer.until_state("paused", timeout_s=20)
    return viewer


def replays(cast: Cast) -> int:
    with studio_scope(cast.studio.id):
        return Entry.objects.filter(action="class.replayed").count()


def test_three_views_play_as_one_stop_as_one_and_a_gap_says_why(shown: Shown, sign_in: SignIn) -> None:
    viewer = _open(shown, sign_in, "vera")
    assert viewer.complaints == []
    assert replays(shown.scene.cast) == 1, "the look is on record before the first picture"
    viewer.seek(2.5 + 0.02)
    assert set(viewer.numbers().values()) == {75}
    viewer.page.keyboard.press(".")
    viewer.until(lambda: set(viewer.numbers().values()) == {76})

    viewer.seek(4.3)
    viewer.page.keyboard.press("Space")
    plate = viewer.page.locator('.tile[data-position="centre"] .overlay')
    viewer.until(plate.is_visible)
    assert plate.inner_text().split("\n") == [
        "centre wall camera: no picture",
        "12:03:05–12:03:08 · camera offline",
    ]
    before = viewer.number("left")
    viewer.page.wait_for_timeout(500)
    assert viewer.number("left") > before
    viewer.until(lambda: not plate.is_visible())

    viewer.until_settled()
    skews = []
    for _ in range(30):
        viewer.page.wait_for_timeout(80)
        skews.append(viewer.page.evaluate("window.threedance.player.syncGroup.skewMs"))
    # One picture, and what the cameras' exposures lie apart.
    allowed_ms = 1000 / FPS + max(LATE_MS.values()) + 1
    assert statistics.median(skew for skew in skews if skew is not None) <= allowed_ms, skews

    viewer.page.keyboard.press("Space")
    viewer.until_state("paused")
    numbers = viewer.numbers()
    assert len(set(numbers.values())) == 1, numbers
    assert replays(shown.scene.cast) == 1, "one look, one entry"


def test_the_class_page_tells_times_in_the_studios_time_zone(shown: Shown, sign_in: SignIn) -> None:
    viewer = _open(shown, sign_in, "ivan", timezone_id="Asia/Tokyo")
    assert "12:03:00" in viewer.page.locator(".controls__wall").inner_text()
    assert "12:03" in viewer.page.locator(".page-head").inner_text()


def test_a_right_that_is_taken_away_ends_the_replay_and_says_so(shown: Shown, sign_in: SignIn) -> None:
    viewer = _open(shown, sign_in, "vera")
    with studio_scope(shown.scene.cast.studio.id):
        Membership.objects.filter(user=shown.scene.cast.vera).delete()
    viewer.page.evaluate("void window.threedance.player.syncGroup.seek(22)")
    notice = viewer.page.locator(".notice")
    notice.wait_for(timeout=15_000)
    assert "Class not found" in notice.inner_text()
    assert set(viewer.numbers().values()) == {None}, "what was loaded can still be seen"
