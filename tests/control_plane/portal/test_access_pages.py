"""The pages where an owner decides: they change what they said they would, and show what the deciding code says."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from control_plane.access import access
from control_plane.access import services as access_services
from control_plane.access.models import Effect, ObjectPermission, RolePermissions
from control_plane.access.roles import DEFAULTS
from control_plane.accounts.models import User
from control_plane.administration import services as administration_services
from control_plane.audit.models import Entry
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.people import services as people_services
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Relation
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.recordings.permissions import REPLAY, VIEW_CLASS
from control_plane.recordings.rosters import save_roster
from control_plane.tenancy.models import Membership
from control_plane.tenancy.permissions import VIEW_STUDIO
from tests.control_plane.conftest import Cast
from tests.control_plane.portal.conftest import FurnishedStudio, SignIn, furnish, record

OK, MOVED, WRONG, REFUSED, UNKNOWN = 200, 302, 400, 403, 404
GREEN = """<span class="tag tag--good">Ready</span>"""


def seen(text: str) -> str:
    found = re.search(r'name="seen" value="(\w+)"', text)
    assert found
    return found[1]


def after(text: str) -> str:
    found = re.search(r'name="save"\s+value="(\w+)"', text)
    assert found
    return found[1]


def ticks(text: str) -> list[str]:
    checkboxes = re.findall(
        r'<input type="checkbox"\s+name="permission"\s+value="([^"]+)"\s*(checked)?', text
    )
    return [value for value, checked in checkboxes if checked]


def may(cast: Cast, user: User, action: StudioPermission, obj: ClassSession) -> bool:
    with studio_scope(cast.studio.id):
        return access.can(user.actor, action, obj)


def test_the_table_shows_what_a_change_does_and_then_does_it(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    row = record(furnished, ClassState.COMPLETE)
    alice, page = sign_in("alice"), f"{furnished.base}/access/"
    first = alice.get(page).content.decode()
    wanted = [tick for tick in ticks(first) if tick != "viewer:replay"]
    shown = alice.post(page, {"permission": wanted, "seen": seen(first)}).content.decode()
    assert "Viewers (1 person)" in shown
    assert re.search(r"will no longer</span>\s+watch 1 class\s", shown)
    assert may(furnished.cast, furnished.cast.vera, REPLAY, row)
    saved = alice.post(page, {"permission": wanted, "seen": seen(shown), "save": after(shown)})
    assert saved.status_code == MOVED
    assert not may(furnished.cast, furnished.cast.vera, REPLAY, row)
    assert "differs from the defaults" in alice.get(page).content.decode()


def test_a_save_of_what_was_not_shown_changes_nothing(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    row = record(furnished, ClassState.COMPLETE)
    alice, page = sign_in("alice"), f"{furnished.base}/access/"
    first = alice.get(page).content.decode()
    wanted = [tick for tick in ticks(first) if tick != "viewer:replay"]
    unseen = alice.post(page, {"permission": wanted, "seen": seen(first), "save": "x"})
    assert unseen.status_code == OK
    shown = alice.post(page, {"permission": wanted, "seen": seen(first)}).content.decode()
    access_services.set_role_actions(
        furnished.cast.studio,
        Role.PARTNER,
        DEFAULTS[Role.PARTNER] | {VIEW_CLASS},
        actor=furnished.cast.alice.actor,
    )
    late = alice.post(page, {"permission": wanted, "seen": seen(shown), "save": after(shown)})
    assert late.status_code == OK
    assert "Somebody else changed the table in the meantime" in late.content.decode()
    assert may(furnished.cast, furnished.cast.vera, REPLAY, row)


def test_nonsense_is_told_and_not_saved(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    alice, page = sign_in("alice"), f"{furnished.base}/access/"
    first = alice.get(page).content.decode()
    wanted = [tick for tick in ticks(first) if tick != "viewer:view_class"]
    answer = alice.post(page, {"permission": wanted, "seen": seen(first)})
    assert answer.status_code == WRONG
    assert "needs “See the list of classes”" in answer.content.decode()


def test_a_reset_shows_what_it_changes_and_leaves_no_row_behind(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    access_services.set_role_actions(
        furnished.cast.studio, Role.VIEWER, {VIEW_STUDIO}, actor=furnished.cast.alice.actor
    )
    alice, page = sign_in("alice"), f"{furnished.base}/access/"
    shown = alice.post(page + "reset/", {}).content.decode()
    assert re.search(r"will be able to</span>\s+watch ", shown)
    values = {"permission": ticks(shown), "seen": seen(shown), "save": after(shown)}
    assert alice.post(page, values).status_code == MOVED
    with studio_scope(furnished.cast.studio.id):
        assert not RolePermissions.objects.exists()


def test_who_can_see_a_class_is_what_the_deciding_code_says(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    row, cast = record(furnished, ClassState.COMPLETE), furnished.cast
    page = f"{furnished.base}/classes/{row.id}/access/"
    access_services.deny_permission(
        cast.ivan, REPLAY, row, actor=cast.alice.actor, reason="asked by a parent"
    )
    access_services.grant_permission(cast.pat, REPLAY, row, actor=cast.alice.actor, reason="guest teacher")
    alice = sign_in("alice")
    may_page, not_page = alice.get(page).content.decode(), alice.get(page + "?refused=1").content.decode()
    with studio_scope(cast.studio.id):
        for user in (cast.alice, cast.ivan, cast.vera, cast.gita, cast.pat):
            link = f"/people/{cast.membership(user).id}/"
            assert (link in may_page) is access.can(user.actor, REPLAY, row)
            assert (link in not_page) is not access.can(user.actor, REPLAY, row)
    assert "3 of 5 people can" in may_page
    assert "guest teacher" in may_page
    assert "Denied for this class, by Alice." in not_page


def test_a_class_that_may_not_be_watched_is_offered_for_replay_nowhere(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    row, cast = record(furnished, ClassState.COMPLETE), furnished.cast
    pages = [f"{furnished.base}/{path}" for path in ("classes/", f"rooms/{furnished.room.id}/")]
    vera = sign_in("vera")
    assert all(GREEN in vera.get(page).content.decode() for page in pages)
    access_services.deny_permission(
        cast.vera, REPLAY, row, actor=cast.alice.actor, reason="asked by a parent"
    )
    for page in [
        *pages,
        f"{furnished.base}/classes/{row.id}/",
        f"{furnished.base}/classes/{row.id}/progress/",
    ]:
        text = vera.get(page).content.decode()
        assert GREEN not in text, page
        assert "Recorded" in text, page
    with studio_scope(cast.studio.id):
        for user in (cast.alice, cast.ivan, cast.vera, cast.gita, cast.pat):
            shown = access.visible(user.actor, ClassSession, to=REPLAY).exists()
            assert shown is access.can(user.actor, REPLAY, row)


def test_the_page_of_who_can_asks_no_more_for_many_people_than_for_few(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    row = record(furnished, ClassState.COMPLETE)
    alice, address = sign_in("alice"), f"{furnished.base}/classes/{row.id}/access/"
    alice.get(address)
    with CaptureQueriesContext(connection) as few:
        alice.get(address)
    studio = furnished.cast.studio
    people = User.objects.bulk_create(
        User(email=f"p{number}@{studio.slug}.example", display_name=f"Person {number:03}")
        for number in range(450)
    )
    with studio_scope(studio.id):
        Membership.objects.bulk_create(
            Membership(studio=studio, user=user, role=Role.VIEWER if number % 2 else Role.GUARDIAN)
            for number, user in enumerate(people)
        )
    with CaptureQueriesContext(connection) as many:
        text = " ".join(alice.get(address).content.decode().split())
    assert "228 of 455 people can watch it" in text
    assert len(many) <= len(few) + 1, "guardians have to be asked about"
    assert "Person 449" in alice.get(f"{address}?page=5").content.decode()


def test_a_right_is_given_until_a_date_and_ended(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    row, cast = record(furnished, ClassState.COMPLETE), furnished.cast
    alice, page = sign_in("alice"), f"{furnished.base}/classes/{row.id}/access/"
    until = (timezone.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    values = {
        "person": cast.pat.email,
        "effect": "allow",
        "permission": "replay",
        "until": until,
        "reason": "guest",
    }
    assert alice.post(page, values).status_code == MOVED
    assert may(cast, cast.pat, REPLAY, row)
    with studio_scope(cast.studio.id):
        right = ObjectPermission.objects.get()
    assert right.effect == Effect.ALLOW
    assert right.until is not None
    ended = alice.post(f"{furnished.base}/access/grants/{right.id}/end/", {"back": "thing"})
    assert ended["Location"] == page
    assert not may(cast, cast.pat, REPLAY, row)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"until": "2020-01-01T00:00"}, "in the past"),
        ({"person": "nobody@example.org"}, "Invite them first"),
        ({"permission": "manage_people"}, "Select a valid choice"),
        ({"reason": ""}, "This field is required"),
        ({"permission": "share"}, "beyond"),
    ],
)
def test_a_right_that_cannot_be_given_is_told_beside_the_form(
    furnished: FurnishedStudio, sign_in: SignIn, values: dict[str, str], says: str
) -> None:
    row, cast = record(furnished, ClassState.COMPLETE), furnished.cast
    usual = {
        "person": cast.pat.email,
        "effect": "allow",
        "permission": "replay",
        "until": "",
        "reason": "guest",
    }
    answer = sign_in("alice").post(f"{furnished.base}/classes/{row.id}/access/", usual | values)
    assert answer.status_code == WRONG
    assert says in answer.content.decode()
    with studio_scope(cast.studio.id):
        assert not ObjectPermission.objects.exists()


def test_a_denial_on_the_room_holds_for_its_classes(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    row, cast = record(furnished, ClassState.COMPLETE), furnished.cast
    page = f"{furnished.base}/rooms/{furnished.room.id}/access/"
    values = {
        "person": cast.vera.email,
        "effect": "deny",
        "permission": "view_class",
        "until": "",
        "reason": "asked",
    }
    assert sign_in("alice").post(page, values).status_code == MOVED
    assert sign_in("vera").get(f"{furnished.base}/classes/{row.id}/").status_code == UNKNOWN


def test_a_guardian_sees_the_classes_of_own_dancers_and_nobody_elses_names(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    cast, alice = furnished.cast, furnished.cast.alice.actor
    row, foreign = (
        record(furnished, ClassState.COMPLETE, "Ballet"),
        record(furnished, ClassState.COMPLETE, "Tap"),
    )
    listed = [NewDancer("Ada Lind", 2014), NewDancer("Bea Mar", 2012)]
    ada, bea = people_services.add_dancers(cast.studio, listed, actor=alice)[0]
    people_services.start_guardianship(ada, cast.gita, Relation.PARENT, actor=alice)
    save_roster(row, [ada.id, bea.id], confirm=False, actor=alice)
    save_roster(foreign, [bea.id], confirm=True, actor=alice)
    gita, page = sign_in("gita"), f"{furnished.base}/classes/{row.id}/"
    families = {VIEW_STUDIO, VIEW_CLASS, REPLAY}
    access_services.set_role_actions(cast.studio, Role.GUARDIAN, families, actor=alice)
    assert gita.get(page).status_code == UNKNOWN
    save_roster(row, [ada.id, bea.id], confirm=True, actor=alice)
    shown = gita.get(f"{furnished.base}/classes/").content.decode() + gita.get(page).content.decode()
    assert "Ballet" in shown
    assert "Tap" not in shown
    assert "Bea Mar" not in shown
    for closed in ("/dancers/", f"/dancers/{bea.id}/", f"/classes/{row.id}/roster/", "/people/", "/access/"):
        assert gita.get(furnished.base + closed).status_code in {REFUSED, UNKNOWN}
    people_services.change_dancer(bea, actor=alice, protected=True)
    assert gita.get(page).status_code == UNKNOWN


def test_a_person_s_page_counts_the_classes_that_person_is_shown(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    cast = furnished.cast
    row = record(furnished, ClassState.COMPLETE, "Ballet")
    record(furnished, ClassState.COMPLETE, "Tap")
    access_services.deny_permission(cast.vera, VIEW_CLASS, row, actor=cast.alice.actor, reason="asked")
    text = sign_in("alice").get(f"{furnished.base}/people/{cast.membership(cast.vera).id}/").content.decode()
    assert re.search(r"\b1 class\b", text)
    assert "Tap" in text
    assert "may not" in text


def test_a_role_an_end_and_the_sessions_of_a_person_are_changed(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    cast, alice = furnished.cast, sign_in("alice")
    vera = sign_in("vera")
    page = f"{furnished.base}/people/{cast.membership(cast.vera).id}/"
    assert alice.post(page + "role/", {"role": "instructor"}).status_code == MOVED
    assert cast.membership(cast.vera).role == Role.INSTRUCTOR
    end = (timezone.now() + timedelta(days=9)).strftime("%Y-%m-%dT%H:%M")
    assert alice.post(page + "end/", {"ends_at": end}).status_code == MOVED
    assert cast.membership(cast.vera).ends_at is not None
    assert vera.get(f"{furnished.base}/classes/").status_code == OK
    assert alice.post(page + "sessions/end/").status_code == MOVED
    assert alice.post(page + "remove/").status_code == MOVED
    assert vera.get(f"{furnished.base}/classes/").status_code in {MOVED, UNKNOWN}
    with studio_scope(cast.studio.id):
        assert not Membership.objects.filter(user=cast.vera).exists()
        assert Entry.objects.filter(action="member.removed").exists()


def test_the_last_admin_stays_and_is_told_why(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    cast, alice = furnished.cast, sign_in("alice")
    page = f"{furnished.base}/people/{cast.membership(cast.alice).id}/"
    assert alice.post(page + "role/", {"role": "viewer"}).status_code == WRONG
    answer = alice.post(page + "remove/", follow=True).content.decode()
    assert "A studio needs an admin" in answer
    assert cast.membership(cast.alice).role == Role.ADMIN


def test_people_are_searched_filtered_and_suggested(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    alice = sign_in("alice")
    found = alice.get(f"{furnished.base}/people/?q=VER").content.decode()
    assert furnished.cast.vera.email in found
    assert furnished.cast.ivan.email not in found
    instructors = alice.get(f"{furnished.base}/people/?role=instructor").content.decode()
    assert furnished.cast.ivan.email in instructors
    assert furnished.cast.vera.email not in instructors
    suggested = alice.get(f"{furnished.base}/people/suggest/?person=gi").content.decode()
    assert furnished.cast.gita.email in suggested
    assert furnished.cast.vera.email not in suggested
    assert "option" not in alice.get(f"{furnished.base}/people/suggest/?person=g").content.decode()


GETS = [
    "/access/",
    "/people/",
    "/people/suggest/",
    "/people/{vera}/",
    "/classes/{class}/access/",
    "/break-glass/",
]
POSTS = [
    "/access/",
    "/access/reset/",
    "/access/grants/{grant}/end/",
    "/classes/{class}/access/",
    "/rooms/{room}/access/",
    "/people/{vera}/role/",
    "/people/{vera}/end/",
    "/people/{vera}/remove/",
    "/people/{vera}/sessions/end/",
]


@pytest.mark.parametrize("name", ["ivan", "vera", "gita", "pat", "sam"])
def test_nobody_else_opens_or_changes_any_of_it(
    furnished: FurnishedStudio, sign_in: SignIn, name: str
) -> None:
    row, cast = record(furnished, ClassState.COMPLETE), furnished.cast
    right = access_services.grant_permission(cast.pat, REPLAY, row, actor=cast.alice.actor)
    known = {
        "class": row.id,
        "room": furnished.room.id,
        "grant": right.id,
        "vera": cast.membership(cast.vera).id,
    }
    client: Client = sign_in(name)
    values = {
        "person": cast.vera.email,
        "effect": "allow",
        "permission": "export",
        "reason": "x",
        "role": "admin",
    }
    refused = {UNKNOWN} if name == "sam" else {UNKNOWN, REFUSED}
    for page in GETS:
        assert client.get(furnished.base + page.format_map(known)).status_code in refused, page
    for page in POSTS:
        assert client.post(furnished.base + page.format_map(known), values).status_code in refused, page
    with studio_scope(cast.studio.id):
        assert not RolePermissions.objects.exists()
        assert ObjectPermission.objects.get().pk == right.pk
        assert cast.membership(cast.vera).role == Role.VIEWER


def test_people_and_rights_of_another_studio_are_not_found(
    furnished: FurnishedStudio, other: Cast, sign_in: SignIn
) -> None:
    foreign = record(furnish(other), ClassState.COMPLETE)
    right = access_services.grant_permission(other.pat, REPLAY, foreign, actor=other.alice.actor)
    alice, stranger = sign_in("alice"), other.membership(other.vera)
    assert alice.get(f"{furnished.base}/people/{stranger.id}/").status_code == UNKNOWN
    assert alice.post(f"{furnished.base}/people/{stranger.id}/remove/").status_code == UNKNOWN
    assert alice.post(f"{furnished.base}/access/grants/{right.id}/end/").status_code == UNKNOWN
    assert alice.get(f"{furnished.base}/classes/{foreign.id}/access/").status_code == UNKNOWN
    with studio_scope(other.studio.id):
        assert ObjectPermission.objects.filter(pk=right.pk).exists()


def test_a_time_that_is_typed_is_the_studios_own(cast: Cast) -> None:
    administration_services.change_studio(cast.studio, actor=cast.alice.actor, time_zone="America/New_York")
    client = Client()
    client.force_login(cast.alice)
    with studio_scope(cast.studio.id):
        member = Membership.objects.get(user=cast.vera)
    address = reverse("portal:change_end", args=[cast.studio.slug, member.id])
    assert client.post(address, {"ends_at": "2031-01-10T18:30"}).status_code == 302
    with studio_scope(cast.studio.id):
        member.refresh_from_db()
    assert member.ends_at == datetime(2031, 1, 10, 23, 30, tzinfo=UTC)
