"""Every page that shows people is on record, once, and so is the page that comes back where a form is refused."""

import pytest
import time_machine
from django.utils import timezone

from control_plane.access.reads import TYPING
from control_plane.audit.models import Entry
from control_plane.common.scoping import studio_scope
from control_plane.people.dancer_list import NewDancer
from control_plane.people.services import add_dancers
from control_plane.recordings.models import ClassState
from control_plane.tenancy.models import Membership
from tests.control_plane.conftest import Cast
from tests.control_plane.portal.conftest import FurnishedStudio, SignIn, record

SHOWN = [
    ("/people/", "people.listed"),
    ("/people/{person}/", "person.opened"),
    ("/people/invitations/", "people.listed"),
    ("/dancers/", "dancers.listed"),
    ("/dancers/{dancer}/", "dancer.opened"),
    ("/classes/{class}/roster/", "roster.opened"),
    ("/classes/{class}/access/", "access.read"),
    ("/rooms/{room}/access/", "access.read"),
    ("/break-glass/", "audit.read"),
]
REFUSED = [
    ("/people/{person}/role/", "person.opened"),
    ("/people/invitations/", "people.listed"),
    ("/dancers/{dancer}/", "dancer.opened"),
    ("/dancers/{dancer}/guardians/", "dancer.opened"),
    ("/classes/{class}/access/", "access.read"),
]
CONSOLE = [
    "/admin/tenancy/membership/{person}/change/",
    "/admin/tenancy/membership/{person}/delete/",
    "/admin/compliance/alert/",
]


def reads(cast: Cast) -> list[tuple[str, object]]:
    with studio_scope(cast.studio.id):
        found = Entry.objects.filter(actor_id=cast.alice.id).order_by("sequence")
        return [(entry.action, entry.object_id) for entry in found]


@pytest.fixture
def known(furnished: FurnishedStudio) -> dict[str, object]:
    cast = furnished.cast
    row = record(furnished, ClassState.COMPLETE)
    (dancer,), _ = add_dancers(cast.studio, [NewDancer("Ada", 2014)], actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        person = Membership.objects.get(user=cast.vera)
    return {"class": row.id, "room": furnished.room.id, "person": person.id, "dancer": dancer.id}


@pytest.mark.parametrize(("page", "act"), SHOWN)
def test_a_page_that_shows_people_is_on_record_once(
    furnished: FurnishedStudio, sign_in: SignIn, known: dict[str, object], page: str, act: str
) -> None:
    before = len(reads(furnished.cast))
    answer = sign_in("alice").get(furnished.base + page.format_map(known))
    assert answer.status_code == 200
    assert [entry[0] for entry in reads(furnished.cast)[before:]] == [act]


@pytest.mark.parametrize(("page", "act"), REFUSED)
def test_a_refused_form_shows_no_page_that_is_not_on_record(
    furnished: FurnishedStudio, sign_in: SignIn, known: dict[str, object], page: str, act: str
) -> None:
    before = len(reads(furnished.cast))
    answer = sign_in("alice").post(furnished.base + page.format_map(known), {"role": "emperor"})
    assert answer.status_code in {200, 400}
    assert [entry[0] for entry in reads(furnished.cast)[before:]] == [act]


@pytest.mark.parametrize("page", CONSOLE)
def test_a_page_of_the_admin_site_about_people_is_on_record_once(
    furnished: FurnishedStudio, sign_in: SignIn, known: dict[str, object], page: str
) -> None:
    before = len(reads(furnished.cast))
    assert sign_in("alice").get(page.format_map(known)).status_code == 200
    assert [entry[0] for entry in reads(furnished.cast)[before:]] == ["admin.read"]


def test_names_offered_while_typing_are_one_look_at_the_list(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    alice, before = sign_in("alice"), len(reads(furnished.cast))
    for typed in ("v", "zz", "ve", "ver", "vera"):
        alice.get(f"{furnished.base}/people/suggest/?person={typed}")
    studio = str(furnished.cast.studio.id)
    assert reads(furnished.cast)[before:] == [("people.listed", studio)], "one for all that showed a name"
    with time_machine.travel(timezone.now() + TYPING * 1.1):
        alice = sign_in("alice")
        alice.get(f"{furnished.base}/people/suggest/?person=ve")
    assert reads(furnished.cast)[before:] == [("people.listed", studio)] * 2
