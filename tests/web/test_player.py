"""The player in a real browser, against footage that numbers its own pictures."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from tests.web.browser import CHROMIUM, Watched
from tests.web.footage import FPS, Scene, film
from tests.web.stage import DIST, Stage, serve

pytestmark = [
    pytest.mark.web,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (THREEDANCE_TEST_CHROMIUM names one)"
    ),
    pytest.mark.skipif(not (DIST / "replay.js").exists(), reason="web assets are not built (nox -s assets)"),
]

GAP = frozenset({8, 9, 10})


@pytest.fixture(scope="module")
def scenes() -> dict[str, Scene]:
    return {
        "left": Scene("Left", "left", film(30, tint=(235, 110, 95))),
        "centre": Scene("Centre", "centre", film(30, tint=(240, 180, 80)), late_s=0.004, missing=GAP),
        "right": Scene(
            "Right", "right", film(30, tint=(80, 200, 190), audio=False), late_s=0.011, audio=False
        ),
    }


@pytest.fixture
def stage(scenes: dict[str, Scene]) -> Iterator[Stage]:
    with serve(Stage(dict(scenes), 30.011)) as stage:
        yield stage


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, timezone_id="Asia/Tokyo")
    yield context.new_page()
    context.close()


@pytest.fixture
def viewer(stage: Stage, page: Page) -> Watched:
    viewer = Watched(page)
    page.goto(stage.address)
    viewer.until_state("paused")
    return viewer


def _all_show(viewer: Watched, number: int) -> bool:
    return set(viewer.numbers().values()) == {number}


def test_three_views_open_on_the_same_picture_without_a_complaint_of_the_page(viewer: Watched) -> None:
    assert viewer.numbers() == {"left": 0, "centre": 0, "right": 0}
    first_ms = viewer.page.evaluate("window.threedance.player.trackPlayers.map(s => s.firstPictureMs)")
    assert all(0 < value < 8000 for value in first_ms)
    assert viewer.complaints == []


def test_a_seek_shows_exactly_the_picture_asked_for_in_every_view(viewer: Watched) -> None:
    for number in (17, 100, 29, 30, 449, 59):
        viewer.seek((number + 0.6) / FPS)
        viewer.until_state("paused")
        assert set(viewer.numbers().values()) == {number}


def test_a_link_to_a_moment_opens_there_and_exactly(stage: Stage, page: Page) -> None:
    viewer = Watched(page)
    page.goto(f"{stage.address}/#t=13.35")
    viewer.until_state("paused")
    assert set(viewer.numbers().values()) == {int((13.35) * FPS)}


def test_a_pause_shows_exactly_one_instant_in_every_view(viewer: Watched) -> None:
    for _ in range(4):
        viewer.page.keyboard.press("Space")
        viewer.until_state("playing")
        viewer.page.wait_for_timeout(370)
        viewer.page.keyboard.press("Space")
        viewer.until_state("paused")
        numbers = viewer.numbers()
        assert len(set(numbers.values())) == 1, numbers


def test_while_playing_the_views_come_together_on_one_picture(viewer: Watched) -> None:
    """How far apart they are for how long depends on the machine: `nox -s bench` measures that."""
    viewer.seek(11.5)
    viewer.page.keyboard.press("Space")
    viewer.until_state("playing")
    viewer.until_settled()
    in_a_row = 0

    def are_together() -> bool:
        nonlocal in_a_row
        shown = [number for number in viewer.numbers().values() if number is not None]
        in_a_row = in_a_row + 1 if len(shown) == 3 and max(shown) - min(shown) <= 1 else 0
        return in_a_row == 5

    viewer.until(are_together, timeout_s=15)
    skew_ms = viewer.until(lambda: viewer.page.evaluate("threedance.player.syncGroup.skewMs"), timeout_s=15)
    assert skew_ms < 300, "a view that is further off seeks"
    assert viewer.time_s() > 11.5


def test_steps_go_one_picture_at_a_time_in_every_view(viewer: Watched) -> None:
    viewer.seek(58.6 / FPS)
    for key, number in ((".", 59), (".", 60), (".", 61), (",", 60), (",", 59), (",", 58)):
        viewer.page.keyboard.press(key)
        viewer.until(partial(_all_show, viewer, number))


def test_a_view_without_picture_says_so_and_freezes_while_the_others_go_on(viewer: Watched) -> None:
    viewer.seek(7.2)
    viewer.page.keyboard.press("Space")
    plate = viewer.page.locator('.tile[data-position="centre"] .overlay')
    said = ["Centre camera: no picture", "12:03:08–12:03:11 · camera offline"]
    viewer.until(lambda: plate.is_visible() and plate.inner_text().split("\n") == said)
    # A view that this machine could not show in time has no last picture to keep.
    was_late = viewer.page.locator('.tile[data-position="centre"][data-late]').count() > 0
    assert was_late or viewer.page.locator('.tile[data-position="centre"] .tile__freeze').is_visible()
    before = viewer.number("left"), viewer.number("right")
    viewer.page.wait_for_timeout(700)
    assert viewer.number("left") > before[0] + 10
    assert viewer.number("right") > before[1] + 10
    viewer.until(lambda: not plate.is_visible())
    viewer.until_settled()
    viewer.page.keyboard.press("Space")
    viewer.until_state("paused")
    assert len(set(viewer.numbers().values())) == 1


def test_every_gap_is_explained_on_its_lane_and_in_words(viewer: Watched) -> None:
    mark = viewer.page.get_by_role("button", name="Centre camera: no picture")
    assert "12:03:08–12:03:11 (3 s) · camera offline" in (mark.get_attribute("aria-label") or "")
    mark.focus()
    viewer.page.locator(".lane__tip").wait_for()
    missing = viewer.page.get_by_role("region", name="Missing parts")
    assert "Centre · 3 s" in missing.inner_text()
    assert "camera offline" in missing.inner_text()


def test_keys_choose_views_rate_and_time(viewer: Watched) -> None:
    keys = viewer.page.keyboard
    keys.press("1")
    assert viewer.page.locator(".tile[data-lead=true]").get_attribute("data-position") == "left"
    keys.press("Shift+Digit3")
    assert viewer.page.locator(".tile:visible").count() == 2
    keys.press("Shift+Digit3")
    keys.press("e")
    assert viewer.page.locator(".stage__grid").get_attribute("data-shape") == "row"
    keys.press("e")
    keys.press("-")
    keys.press("-")
    assert viewer.page.evaluate("threedance.player.syncGroup.rate") == 0.5
    keys.press("ArrowRight")
    viewer.until(lambda: abs(viewer.time_s() - 5) < 0.1)
    keys.press("?")
    viewer.page.get_by_role("dialog").wait_for()
    keys.press("Escape")
    keys.press("End")
    assert not viewer.page.get_by_role("dialog").is_visible()
    viewer.until(lambda: viewer.time_s() > 29.9)


def test_slow_play_runs_at_its_rate(viewer: Watched) -> None:
    viewer.page.get_by_label("Speed", exact=True).select_option("0.25")
    viewer.page.get_by_role("button", name="Play", exact=True).first.click()
    viewer.until_state("playing")
    viewer.page.wait_for_timeout(600)
    start_s, start_ms = viewer.page.evaluate("[threedance.player.syncGroup.timeS, performance.now()]")
    viewer.page.wait_for_timeout(2000)
    end_s, end_ms = viewer.page.evaluate("[threedance.player.syncGroup.timeS, performance.now()]")
    assert (end_s - start_s) / ((end_ms - start_ms) / 1000) == pytest.approx(0.25, rel=0.15)


def test_sound_comes_from_one_view_only(viewer: Watched) -> None:
    muted = "threedance.player.tiles.map(t => t.video.muted)"
    assert viewer.page.evaluate(muted) == [True, False, True]
    viewer.page.keyboard.press("Alt+Digit1")
    assert viewer.page.evaluate(muted) == [False, True, True]
    viewer.page.keyboard.press("m")
    assert viewer.page.evaluate(muted) == [True, True, True]
    assert viewer.page.get_by_role("button", name="Sound from Right").count() == 0, (
        "the right camera has no sound"
    )


def test_it_plays_to_the_end_and_begins_again(viewer: Watched) -> None:
    viewer.seek(29.2)
    viewer.page.keyboard.press("Space")
    viewer.until_state("ended")
    viewer.page.keyboard.press("Space")
    viewer.until(lambda: viewer.state() == "playing" and viewer.time_s() < 5)


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (401, "You are signed out"),
        (404, "Class not found"),
        (403, "You no longer have access to this class"),
    ],
)
def test_a_timeline_that_is_refused_says_what_to_do(
    stage: Stage, page: Page, status: int, title: str
) -> None:
    stage.faults["/timeline.json"] = status
    page.goto(stage.address)
    page.get_by_role("alert").wait_for()
    assert title in page.get_by_role("alert").inner_text()


def test_a_sign_in_that_ends_while_watching_offers_the_way_back(stage: Stage, page: Page) -> None:
    stage.faults["/media/left/key"] = 401
    page.goto(stage.address)
    notice = page.locator(".notice")
    notice.wait_for()
    assert "You are signed out" in notice.inner_text()
    assert notice.get_by_role("link", name="Sign in").get_attribute("href") == "/sign-in"


def test_a_server_that_gives_nothing_is_asked_again_until_it_does(stage: Stage, page: Page) -> None:
    viewer = Watched(page)
    stage.set_faults({"/media/": 503})
    page.goto(stage.address)
    viewer.until(page.locator(".notice").is_visible, timeout_s=40)
    assert "server is busy" in page.locator(".notice").inner_text()
    stage.set_faults({})
    viewer.until_state("paused", timeout_s=30)
    viewer.until(lambda: set(viewer.numbers().values()) == {0}, timeout_s=30)
    assert page.locator(".notice").count() == 0


def test_a_codec_this_browser_lacks_is_named_and_the_other_views_play(stage: Stage, page: Page) -> None:
    stage.scenes["right"] = replace(stage.scenes["right"], codec="h265")
    viewer = Watched(page)
    page.goto(stage.address)
    viewer.until_state("paused")
    plate = page.locator('.tile[data-position="right"] .overlay').inner_text()
    assert "cannot play H.265" in plate
    page.keyboard.press("Space")
    viewer.until_state("playing")
    assert viewer.numbers()["right"] is None


def test_a_phone_in_either_hand_shows_everything_without_scrolling_sideways(
    stage: Stage, browser: Browser
) -> None:
    for viewport in (ViewportSize(width=360, height=740), ViewportSize(width=740, height=360)):
        context = browser.new_context(viewport=viewport, has_touch=True, is_mobile=True)
        viewer = Watched(context.new_page())
        viewer.page.goto(stage.address)
        viewer.until_state("paused")
        assert viewer.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        for name in ("Play", "Next frame", "Full screen"):
            bounds = viewer.page.get_by_role("button", name=name, exact=True).last.bounding_box()
            assert bounds is not None
            assert bounds["x"] >= 0
            assert bounds["x"] + bounds["width"] <= viewport["width"]
            assert min(bounds["width"], bounds["height"]) >= 40
        context.close()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_serious(stage: Stage, browser: Browser, scheme: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    # The policy of the page would refuse the script that the checker injects.
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    viewer = Watched(context.new_page())
    viewer.page.goto(stage.address)
    viewer.until_state("paused")
    found = Axe().run(viewer.page).response["violations"]
    context.close()
    assert [(item["id"], item["help"]) for item in found if item["impact"] in {"serious", "critical"}] == []
