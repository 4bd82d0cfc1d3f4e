"""A member leaves a studio by themselves: nobody has to allow it, and nothing of theirs stays open there."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from control_plane.access import services as access_services
from control_plane.access.models import ApiKey, ObjectPermission
from control_plane.access.permissions import USE_API
from control_plane.access.roles import DEFAULTS
from control_plane.access.services.api_keys import actor_of, make_api_key
from control_plane.administration import services as administration_services
from control_plane.audit.models import Entry
from control_plane.common.errors import Conflict, Forbidden, NotFound
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.fleet.permissions import VIEW_AGENTS
from control_plane.people import services as people_services
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Guardianship, Relation
from control_plane.recordings.permissions import VIEW_CLASS
from control_plane.tenancy.models import Membership
from tests.control_plane.conftest import SETUP, Cast, as_person


def page(cast: Cast) -> str:
    return f"/studio/{cast.studio.slug}/leave/"


def browser(cast: Cast, name: str) -> Client:
    client = as_person(getattr(cast, name))
    client.defaults["HTTP_ACCEPT"] = "text/html"
    return client


def test_a_member_leaves_and_nothing_stays_open(cast: Cast, other: Cast) -> None:
    administration_services.add_member(other.studio, cast.ivan, Role.VIEWER, actor=SETUP)
    may = DEFAULTS[Role.INSTRUCTOR] | {USE_API}
    access_services.set_role_actions(cast.studio, Role.INSTRUCTOR, may, actor=cast.alice.actor)
    make_api_key(
        cast.studio, name="Calendar", actions=[VIEW_CLASS], actor=cast.ivan.actor,
        expires_at=timezone.now() + timedelta(days=7),
    )  # fmt: skip
    with studio_scope(cast.studio.id):
        dancer = people_services.add_dancer(cast.studio, NewDancer(name="Dora"), actor=cast.alice.actor)
        people_services.start_guardianship(dancer, cast.ivan, Relation.PARENT, actor=cast.alice.actor)
        access_services.grant_permission(cast.ivan, VIEW_AGENTS, cast.studio, actor=cast.alice.actor)
    ivan = browser(cast, "ivan")
    shown = ivan.get(page(cast)).content.decode()
    for words in ("Your role (Instructor)", "Your API key in", "guardian of 1 dancer"):
        assert words in shown
    assert cast.role_of(cast.ivan) == "instructor", "looking changes nothing"
    answer = ivan.post(page(cast), follow=True)
    assert f"You have left {cast.studio.name}" in answer.content.decode()
    assert ivan.get(f"/studio/{cast.studio.slug}/classes/").status_code == 404
    assert ivan.get(f"/studio/{other.studio.slug}/classes/").status_code == 200
    with studio_scope(cast.studio.id):
        assert not Membership.objects.filter(user=cast.ivan).exists()
        assert not ApiKey.objects.filter(user=cast.ivan, revoked_at=None).exists()
        assert not Guardianship.objects.filter(user=cast.ivan, ended_at=None).exists()
        assert not ObjectPermission.objects.filter(user=cast.ivan).exists()
        event = Entry.objects.get(action="member.left")
    assert (event.actor_id, event.details["api_keys"], event.details["rights"]) == (cast.ivan.id, 1, 1)


def test_the_last_admin_does_not_leave_until_there_is_another(cast: Cast) -> None:
    alice = browser(cast, "alice")
    answer = alice.post(page(cast))
    assert answer.status_code == 409
    assert "A studio needs an admin" in answer.content.decode()
    assert cast.role_of(cast.alice) == "admin"
    administration_services.change_role(cast.membership(cast.ivan), Role.ADMIN, actor=cast.alice.actor)
    assert alice.post(page(cast)).status_code == 302
    assert cast.role_of(cast.alice) is None


def test_nobody_leaves_for_somebody_else(cast: Cast, other: Cast) -> None:
    for actor in (cast.alice.actor, cast.ivan.actor, cast.sam.actor, other.alice.actor, SETUP, cast.agent):
        with pytest.raises(NotFound):
            administration_services.leave_studio(cast.membership(cast.vera), actor=actor)
    assert cast.role_of(cast.vera) == "viewer"


def test_a_key_does_not_leave_for_its_person(cast: Cast) -> None:
    key, _ = make_api_key(
        cast.studio, name="Calendar", actions=[VIEW_CLASS], actor=cast.alice.actor,
        expires_at=timezone.now() + timedelta(days=7),
    )  # fmt: skip
    administration_services.change_role(cast.membership(cast.ivan), Role.ADMIN, actor=cast.alice.actor)
    with pytest.raises(Forbidden):
        administration_services.leave_studio(cast.membership(cast.alice), actor=actor_of(key))


def test_strangers_and_people_signed_out_find_no_such_page(cast: Cast, client: Client) -> None:
    assert browser(cast, "sam").post(page(cast)).status_code == 404
    assert client.post(page(cast), headers={"accept": "text/html"}).status_code == 302


def test_the_list_of_studios_has_the_way(cast: Cast, other: Cast) -> None:
    administration_services.add_member(other.studio, cast.vera, Role.VIEWER, actor=SETUP)
    shown = browser(cast, "vera").get("/?all=1").content.decode()
    assert f'href="{page(cast)}"' in shown
    assert f'href="{page(other)}"' in shown


def test_of_two_admins_who_leave_at_once_one_stays(committed: Cast) -> None:
    from tests.control_plane.administration.test_people_at_once import together

    cast = committed
    administration_services.change_role(cast.membership(cast.ivan), Role.ADMIN, actor=cast.alice.actor)
    alice, ivan = cast.membership(cast.alice), cast.membership(cast.ivan)
    refused: list[Any] = together(
        lambda: administration_services.leave_studio(alice, actor=cast.alice.actor),
        lambda: administration_services.leave_studio(ivan, actor=cast.ivan.actor),
    )
    assert [type(item) for item in refused if item is not None] == [Conflict]
    with studio_scope(cast.studio.id):
        assert Membership.objects.filter(role=Role.ADMIN).count() == 1
