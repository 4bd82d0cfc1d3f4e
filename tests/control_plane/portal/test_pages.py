"""Every page, seen by everybody: as the application's role, with row security on."""

import re
from urllib.parse import unquote

import pytest
from django import forms
from django.template.loader import render_to_string

from control_plane.access.services import grant_permission
from control_plane.common.scoping import studio_scope
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.recordings.permissions import VIEW_CLASS
from tests.control_plane.conftest import Cast
from tests.control_plane.portal.conftest import FurnishedStudio, SignIn, furnish, record

OK, SIGN_IN, REFUSED, UNKNOWN = 200, 302, 403, 404

PAGES: dict[str, dict[str, int]] = {
    "/classes/": {"alice": OK, "ivan": OK, "vera": OK, "gita": OK, "sam": UNKNOWN},
    "/classes/{class}/": {"alice": OK, "ivan": OK, "vera": OK, "gita": UNKNOWN, "sam": UNKNOWN},
    "/classes/{class}/progress/": {"alice": OK, "ivan": OK, "vera": OK, "gita": UNKNOWN, "sam": UNKNOWN},
    "/rooms/": {"alice": OK, "ivan": OK, "vera": OK, "gita": OK, "sam": UNKNOWN},
    "/rooms/cards/": {"alice": OK, "ivan": OK, "vera": REFUSED, "gita": REFUSED, "sam": UNKNOWN},
    "/rooms/{room}/": {"alice": OK, "ivan": OK, "vera": OK, "gita": OK, "sam": UNKNOWN},
    "/agents/": {"alice": OK, "ivan": OK, "vera": REFUSED, "gita": REFUSED, "sam": UNKNOWN},
    "/agents/cards/": {"alice": OK, "ivan": OK, "vera": REFUSED, "gita": REFUSED, "sam": UNKNOWN},
    "/agents/add/": {"alice": OK, "ivan": REFUSED, "vera": REFUSED, "gita": REFUSED, "sam": UNKNOWN},
}


def address(furnished: FurnishedStudio, page: str, row: ClassSession) -> str:
    return furnished.base + page.replace("{class}", str(row.id)).replace("{room}", str(furnished.room.id))


@pytest.mark.parametrize("page", PAGES)
def test_each_role_gets_the_page_or_the_refusal_that_is_its_own(
    page: str, furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    row = record(furnished, ClassState.COMPLETE)
    got = {name: sign_in(name).get(address(furnished, page, row)).status_code for name in PAGES[page]}
    assert got == PAGES[page]


@pytest.mark.parametrize("page", PAGES)
def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(
    page: str, furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    path = address(furnished, page, record(furnished, ClassState.COMPLETE))
    answer = sign_in("nobody").get(path)
    assert answer.status_code == SIGN_IN
    assert unquote(answer["Location"]) == f"/accounts/login/?next={path}"


@pytest.mark.parametrize("page", [*PAGES, "/"])
def test_every_page_carries_the_strict_policy_and_is_not_kept(
    page: str, furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    path = "/" if page == "/" else address(furnished, page, record(furnished, ClassState.COMPLETE))
    answer = sign_in("alice").get(path)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    body = answer.content.decode()
    assert " style=" not in body
    assert "<script>" not in body
    assert "onclick" not in body
    if page != "/":
        assert "no-store" in answer["Cache-Control"]


def test_a_class_of_another_studio_is_not_found_under_ones_own(
    furnished: FurnishedStudio, other: Cast, sign_in: SignIn
) -> None:
    foreign = record(furnish(other), ClassState.COMPLETE)
    for page in ("/classes/{class}/", "/classes/{class}/progress/"):
        assert sign_in("alice").get(address(furnished, page, foreign)).status_code == UNKNOWN
    answer = sign_in("alice").post(f"{furnished.base}/classes/{foreign.id}/stop/")
    assert answer.status_code == UNKNOWN


def test_the_home_page_leads_straight_into_the_only_studio(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    assert sign_in("ivan").get("/")["Location"] == f"{furnished.base}/classes/"
    assert furnished.cast.studio.name in sign_in("ivan").get("/?all=1").content.decode()


def test_a_person_without_a_studio_is_told_what_to_do(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    body = sign_in("sam").get("/").content.decode()
    assert "No studios yet" in body
    assert furnished.cast.sam.email in body


def test_the_list_shows_state_length_and_what_is_missing(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    record(furnished, ClassState.COMPLETE, "Jazz with a gap")
    body = sign_in("vera").get(f"{furnished.base}/classes/").content.decode()
    assert "Jazz with a gap" in body
    assert "30 s" in body
    assert "1 gap, 3 s" in body
    assert "Record" not in body.replace("3Dance · all access to footage is logged", "")


def test_an_empty_studio_tells_its_admin_the_way_to_the_first_class(cast: Cast, sign_in: SignIn) -> None:
    body = sign_in("alice").get(f"/studio/{cast.studio.slug}/classes/").content.decode()
    assert "Record your first class in three steps" in body
    assert f"/studio/{cast.studio.slug}/agents/" in body


def test_a_guardian_sees_no_class_but_those_granted(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    shown, hidden = (
        record(furnished, ClassState.COMPLETE, "Shown"),
        record(furnished, ClassState.COMPLETE, "Hidden"),
    )
    with studio_scope(furnished.cast.studio.id):
        grant_permission(furnished.cast.gita, VIEW_CLASS, shown, actor=furnished.cast.alice.actor)
    gita = sign_in("gita")
    assert gita.get(f"{furnished.base}/classes/{shown.id}/").status_code == OK
    assert gita.get(f"{furnished.base}/classes/{hidden.id}/").status_code == UNKNOWN
    assert "data-timeline" not in gita.get(f"{furnished.base}/classes/{shown.id}/").content.decode()
    body = gita.get(f"{furnished.base}/classes/").content.decode()
    assert "Shown" in body
    assert "Hidden" not in body


def test_the_switcher_lists_ones_own_studios_only(
    furnished: FurnishedStudio, other: Cast, sign_in: SignIn
) -> None:
    body = sign_in("ivan").get("/studios/menu/").content.decode()
    assert furnished.cast.studio.name in body
    assert other.studio.name not in body


def test_only_an_admin_of_the_studio_opens_its_administration(
    furnished: FurnishedStudio, other: Cast, sign_in: SignIn
) -> None:
    slug = furnished.cast.studio.slug
    assert sign_in("alice").post("/studios/administer/", {"studio": slug})["Location"] == "/admin/"
    assert sign_in("ivan").post("/studios/administer/", {"studio": slug}).status_code == UNKNOWN
    assert sign_in("alice").post("/studios/administer/", {"studio": other.studio.slug}).status_code == UNKNOWN


def test_each_field_of_a_form_is_in_an_element_of_its_own() -> None:
    """A formatter of templates once split the tags whose names the template chooses."""

    class Form(forms.Form):
        name = forms.CharField()
        days = forms.MultipleChoiceField(choices=[("mo", "Monday")], widget=forms.CheckboxSelectMultiple)

    body = render_to_string("portal/parts/fields.html", {"form": Form()})
    assert re.findall(r'<(\w+) class="field">', body) == ["div", "fieldset"]
    assert re.search(r"<\s|</\s", body) is None
