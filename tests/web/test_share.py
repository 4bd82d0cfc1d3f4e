"""A share link on a phone: the PIN, then three views in sync, without an account; revoked while it plays."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from control_plane.common.scoping import studio_scope
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.recordings.rosters import save_roster
from control_plane.sharing.links import LinkFacts, MadeLink, make_link, revoke_link
from control_plane.sharing.models import ShareLink
from tests.control_plane.conftest import Cast
from tests.control_plane.live import serve
from tests.control_plane.scenes import POSITIONS, Scene, make_scene
from tests.control_plane.sending import upload
from tests.web.browser import CHROMIUM, Watched
from tests.web.conftest import SignIn
from tests.web.stage import DIST

pytestmark = [
    pytest.mark.web,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (THREEDANCE_TEST_CHROMIUM names one)"
    ),
    pytest.mark.skipif(not (DIST / "share.js").exists(), reason="web assets are not built (nox -s assets)"),
]
WATERMARKS_OUTSIDE = """[...document.querySelectorAll('.tile')].filter(tile => {
    const [picture, mark] = [tile, tile.querySelector('.watermark')].map(one => one.getBoundingClientRect());
    return mark.top < picture.top || mark.bottom > picture.bottom || mark.width === 0;
}).map(tile => tile.className)"""
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True}


def _shared(cast: Cast, folder: Path) -> tuple[Scene, MadeLink]:
    scene = make_scene(cast)
    for position in POSITIONS:
        upload(scene, *scene.cuts(folder, position, seconds=24, each=6))
    scene.stop()
    with studio_scope(cast.studio.id):
        ClassSession.objects.update(state=ClassState.COMPLETE)
        save_roster(scene.session, [], confirm=True, actor=cast.alice.actor)
    return scene, make_link(scene.reread(), LinkFacts(from_s=2.0), actor=cast.alice.actor)


def _views(scene: Scene) -> int:
    with studio_scope(scene.cast.studio.id):
        return int(ShareLink.objects.get().views)


def _open(page: Page, made: MadeLink) -> Watched:
    watched = Watched(page)
    page.goto(made.address)
    expect(page.get_by_label("PIN")).to_be_visible()
    page.get_by_label("PIN").fill("wrong")
    page.get_by_role("button", name="Watch").click()
    expect(page.get_by_text("This PIN is not right.")).to_be_visible()
    page.get_by_label("PIN").fill(made.pin)
    page.get_by_role("button", name="Watch").click()
    expect(page.get_by_role("heading", name="Ballet")).to_be_visible()
    return watched


def test_a_link_with_a_pin_plays_on_a_phone_and_stops_when_it_is_revoked(
    committed: Cast, tmp_path: Path, sign_in: SignIn, settings: Any
) -> None:
    with serve() as address:
        settings.PUBLIC_URL = address
        scene, made = _shared(committed, tmp_path)
        asked: list[str] = []
        page = sign_in(address, None, **PHONE).new_page()
        page.on(
            "request", lambda request: asked.append(f"{request.url} {request.headers.get('referer', '')}")
        )
        watched = _open(page, made)
        watched.until_state("paused", timeout_s=20)
        watched.seek(1.5)
        watched.page.keyboard.press("Space")
        watched.until(lambda: watched.time_s() > 2.5)
        assert page.locator("video").count() == 3
        expect(page.locator(".watermark")).to_have_text([made.link.public_id] * 3)
        assert page.evaluate(WATERMARKS_OUTSIDE) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        secret = made.address.partition("#")[2]
        assert not [
            line for line in asked if secret in line.partition("#")[0] or "/s/" in line.partition(" ")[2]
        ]
        assert _views(scene) == 1
        page.reload()
        expect(page.get_by_role("heading", name="Ballet")).to_be_visible()
        assert _views(scene) == 1, "a reload is no second opening"
        revoke_link(made.link, actor=committed.alice.actor)
        expect(page.locator(".notice")).to_be_visible(timeout=5000)
