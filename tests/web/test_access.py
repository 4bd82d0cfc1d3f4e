"""The pages where an owner decides, in a real browser: by keyboard, on a phone, and open to everybody."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from control_plane.access.models import RolePermissions
from control_plane.common.scoping import studio_scope
from control_plane.people.dancer_list import NewDancer
from control_plane.people.services import add_dancers
from control_plane.recordings.models import ClassState
from control_plane.tenancy.models import Membership
from tests.control_plane.portal.conftest import FurnishedStudio, record
from tests.web.browser import CHROMIUM, Watched
from tests.web.conftest import SignIn
from tests.web.stage import DIST

pytestmark = [
    pytest.mark.web,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (THREEDANCE_TEST_CHROMIUM names one)"
    ),
    pytest.mark.skipif(not (DIST / "portal.js").exists(), reason="web assets are not built (nox -s assets)"),
]
PAGES = (
    "/access/",
    "/classes/{class}/access/",
    "/classes/{class}/roster/",
    "/rooms/{room}/access/",
    "/people/",
    "/people/{person}/",
    "/dancers/",
    "/dancers/{dancer}/",
    "/dancers/import/",
    "/break-glass/",
)


def addresses(site: FurnishedStudio) -> list[str]:
    cast = site.cast
    row = record(site, ClassState.COMPLETE)
    (dancer,), _ = add_dancers(cast.studio, [NewDancer("Ada", 2014)], actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        person = Membership.objects.get(user=cast.vera)
    known = {"class": row.id, "room": site.room.id, "person": person.id, "dancer": dancer.id}
    return [site.base + page.format_map(known) for page in PAGES]


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_no_page_breaks_the_policy_is_wider_than_a_phone_or_closed_to_some(
    site: FurnishedStudio, live_server: Any, sign_in: SignIn, scheme: Any
) -> None:
    phone = {"width": 360, "height": 740}
    page = sign_in(live_server.url, site.cast.alice, viewport=phone, color_scheme=scheme).new_page()
    viewer, axe = Watched(page), Axe()
    for address in addresses(site):
        page.goto(address)
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide, address
        broken = axe.run(page).response["violations"]
        assert not broken, (address, [(item["id"], item["nodes"][0]["html"][:120]) for item in broken])
    assert viewer.complaints == []


def test_a_right_is_taken_with_the_keyboard_alone(
    site: FurnishedStudio, live_server: Any, sign_in: SignIn
) -> None:
    page = sign_in(live_server.url, site.cast.alice).new_page()
    page.goto(f"{site.base}/access/")
    checkbox = page.get_by_role("group", name="Watch recorded classes").get_by_role("checkbox", name="Viewer")
    checkbox.focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("status").filter(has_text="will no longer")).to_be_visible()
    save = page.get_by_role("button", name="Save")
    save.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved. Changes are active.")).to_be_visible()
    with studio_scope(site.cast.studio.id):
        assert "replay" not in RolePermissions.objects.get(role="viewer").actions
