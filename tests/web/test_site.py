"""The real site in a real browser: no page breaks the policy, none is closed to some, none is wider than a phone."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from control_plane.accounts.services import create_signin_link
from control_plane.recordings.models import ClassState
from tests.control_plane.conftest import SETUP
from tests.control_plane.portal.conftest import FurnishedStudio, record
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
PORTAL = (
    "/?all=1",
    "{base}/classes/",
    "{base}/classes/{class}/",
    "{base}/rooms/",
    "{base}/rooms/{room}/",
    "{base}/agents/",
    "{base}/agents/add/",
    "{base}/agents/{agent}/uploads/",
    "{base}/people/",
    "{base}/leave/",
    "/accounts/profile/",
    "/accounts/sessions/",
)
CONSOLE = (
    "/admin/",
    "/admin/fleet/camera/",
    "/admin/fleet/camera/add/",
    "/admin/fleet/camera/{camera}/change/",
    "/admin/fleet/agent/{agent}/change/",
    "/admin/tenancy/membership/",
    "/admin/audit/entry/",
)
OPEN = ("/accounts/login/", "/accounts/link/?token=x", "/accounts/password/reset/", "/nothing/here/")


def addresses(site: FurnishedStudio, pages: tuple[str, ...]) -> list[str]:
    row = record(site, ClassState.FINISHING)
    known = {"base": site.base, "class": row.id, "room": site.room.id}
    known |= {"camera": site.cameras[0].id, "agent": site.agent.id}
    return [page.format_map(known) for page in pages]


@pytest.mark.parametrize(("pages", "name"), [(PORTAL, "alice"), (CONSOLE, "alice"), (OPEN, None)])
def test_no_page_breaks_the_policy_or_fails_a_script(
    pages: tuple[str, ...], name: str | None, site: FurnishedStudio, live_server: Any, sign_in: SignIn
) -> None:
    page = sign_in(live_server.url, getattr(site.cast, name) if name else None).new_page()
    viewer = Watched(page)
    for address in addresses(site, pages):
        page.goto(address)
        page.wait_for_timeout(120)
    expected = [text for text in viewer.complaints if "404 (Not Found)" in text]
    assert viewer.complaints == expected
    assert len(expected) == ("/nothing/here/" in pages)


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize(("pages", "name"), [(PORTAL, "alice"), (OPEN, None)])
def test_axe_finds_nothing_serious(
    scheme: Any,
    pages: tuple[str, ...],
    name: str | None,
    site: FurnishedStudio,
    live_server: Any,
    sign_in: SignIn,
) -> None:
    who = getattr(site.cast, name) if name else None
    page = sign_in(live_server.url, who, color_scheme=scheme, bypass_csp=True).new_page()
    found = {}
    for address in addresses(site, pages):
        page.goto(address)
        for item in Axe().run(page).response["violations"]:
            if item["impact"] in {"serious", "critical"}:
                found[address, item["id"]] = [node["html"][:120] for node in item["nodes"]]
    assert found == {}


@pytest.mark.parametrize(("pages", "name"), [(PORTAL, "alice"), (OPEN, None)])
def test_no_page_scrolls_sideways_on_a_small_phone(
    pages: tuple[str, ...], name: str | None, site: FurnishedStudio, live_server: Any, sign_in: SignIn
) -> None:
    who = getattr(site.cast, name) if name else None
    page = sign_in(
        live_server.url, who, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True
    ).new_page()
    for address in addresses(site, pages):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, address
    if name:
        page.goto(f"{site.base}/agents/add/")
        page.get_by_role("button", name="Create pairing code").click()
        page.locator("#pairing-code").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_record_and_stop_by_hand(site: FurnishedStudio, live_server: Any, sign_in: SignIn) -> None:
    page = sign_in(live_server.url, site.cast.ivan).new_page()
    viewer = Watched(page)
    page.goto(f"{site.base}/classes/")
    page.get_by_role("button", name="Record in Room 1").click()
    page.locator('.room[data-state="requested"]').wait_for()
    page.get_by_role("button", name="Stop recording in Room 1").click()
    page.locator('.room[data-state="finishing"]').wait_for()
    assert viewer.complaints == []


def test_the_studio_menu_lists_ones_studios(site: FurnishedStudio, live_server: Any, sign_in: SignIn) -> None:
    page = sign_in(live_server.url, site.cast.ivan).new_page()
    page.goto(f"{site.base}/classes/")
    page.locator("summary", has_text="choose a studio").click()
    page.get_by_role("link", name=site.cast.studio.name).wait_for()
    page.keyboard.press("Escape")
    assert not page.get_by_role("link", name=site.cast.studio.name).is_visible()


def test_the_code_counts_down_and_the_command_can_be_copied(
    site: FurnishedStudio, live_server: Any, sign_in: SignIn
) -> None:
    context = sign_in(live_server.url, site.cast.alice)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{site.base}/agents/add/")
    page.get_by_role("button", name="Create pairing code").click()
    code = page.locator("#pairing-code").inner_text()
    left = page.locator("[data-until]")
    before = left.inner_text()
    page.get_by_role("button", name="Copy").first.click()
    assert page.evaluate("navigator.clipboard.readText()").endswith(code)
    page.wait_for_timeout(1600)
    assert left.inner_text() < before <= "9:59" or before == "10:00"


def test_signing_in_by_link_takes_a_press_of_the_button(
    site: FurnishedStudio, live_server: Any, sign_in: SignIn
) -> None:
    page = sign_in(live_server.url, None).new_page()
    page.goto(create_signin_link(site.cast.vera, actor=SETUP))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/accounts/welcome/")
    page.get_by_role("link", name="Skip for now").click()
    page.wait_for_url(f"**{site.base}/classes/")
