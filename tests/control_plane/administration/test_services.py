"""Writes of tenancy: refused to those who may not, refused when wrong, and on record when done."""

from collections.abc import Callable

import pytest

from control_plane.access import services as access_services
from control_plane.administration import services as administration_services
from control_plane.administration.services.invitations import invite
from control_plane.audit.models import Entry
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.fleet.permissions import RECORD
from control_plane.keys import services as keys_services
from control_plane.keys.audit_events import STUDIO_KEY_MADE
from control_plane.keys.models import StudioKey
from control_plane.tenancy.audit_events import MEMBER_ADDED, STUDIO_CREATED
from control_plane.tenancy.models import Membership, Room, Studio
from tests.control_plane.conftest import SETUP, Cast


def acts(cast: Cast) -> list[str]:
    with studio_scope(cast.studio.id):
        return list(Entry.objects.order_by("sequence").values_list("action", flat=True))


def test_a_new_studio_has_keys_an_admin_and_a_record(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        key = StudioKey.objects.get()
        assert key.retired_at is None
        assert len(bytes(key.public_key)) == 32
    assert acts(cast)[:3] == [STUDIO_CREATED, STUDIO_KEY_MADE, MEMBER_ADDED]


@pytest.mark.parametrize("slug", ["", "Big", "a b", "-a", "a-", "../x", "ü"])
def test_a_studio_needs_a_plain_slug(db: None, slug: str) -> None:
    with pytest.raises(BadRequest, match="slug"):
        administration_services.create_studio(slug=slug, name="X", actor=SETUP)


def test_a_slug_is_taken_once_for_all(cast: Cast) -> None:
    with pytest.raises(Conflict):
        administration_services.create_studio(slug=cast.studio.slug, name="X", actor=SETUP)


def test_people_make_no_studios(cast: Cast) -> None:
    with pytest.raises(Forbidden):
        administration_services.create_studio(slug="mine", name="Mine", actor=cast.alice.actor)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"accent": "red"}, "accent"),
        ({"name": ""}, "name"),
        ({"slug": "x"}, "slug"),
    ],
)
def test_a_wrong_value_is_named(cast: Cast, values: dict[str, str], field: str) -> None:
    with studio_scope(cast.studio.id), pytest.raises(BadRequest, match=field):
        administration_services.change_studio(cast.studio, actor=cast.alice.actor, **values)


def test_a_room_name_is_once_per_studio(cast: Cast, other: Cast) -> None:
    with studio_scope(cast.studio.id):
        administration_services.create_room(cast.studio, name="Big", actor=cast.alice.actor)
        second = administration_services.create_room(cast.studio, name="Small", actor=cast.alice.actor)
        with pytest.raises(Conflict):
            administration_services.create_room(cast.studio, name=" Big ", actor=cast.alice.actor)
        administration_services.create_room(cast.studio, name="Grü\u00dfe  Saal", actor=cast.alice.actor)
        with pytest.raises(Conflict):
            administration_services.create_room(
                cast.studio, name="Gru\u0308\u00dfe\u00a0Saal", actor=cast.alice.actor
            )
        with pytest.raises(Conflict):
            administration_services.rename_room(second, name="Big", actor=cast.alice.actor)
        with pytest.raises(BadRequest, match="name"):
            administration_services.create_room(cast.studio, name="", actor=cast.alice.actor)
    with studio_scope(other.studio.id):
        administration_services.create_room(other.studio, name="Big", actor=other.alice.actor)


WRITES: list[Callable[[Cast, Membership, Room], Callable[..., object]]] = [
    lambda cast, member, room: (
        lambda actor: administration_services.change_studio(cast.studio, actor=actor, name="New")
    ),
    lambda cast, member, room: lambda actor: keys_services.rotate_studio_key(cast.studio, actor=actor),
    lambda cast, member, room: (
        lambda actor: administration_services.create_room(cast.studio, name="New", actor=actor)
    ),
    lambda cast, member, room: (
        lambda actor: administration_services.rename_room(room, name="Other", actor=actor)
    ),
    lambda cast, member, room: (
        lambda actor: invite(cast.studio, "nora@example.org", Role.VIEWER, actor=actor)
    ),
    lambda cast, member, room: (
        lambda actor: administration_services.change_role(member, Role.VIEWER, actor=actor)
    ),
    lambda cast, member, room: lambda actor: administration_services.remove_member(member, actor=actor),
    lambda cast, member, room: (
        lambda actor: access_services.grant_permission(cast.vera, RECORD, room, actor=actor)
    ),
    lambda cast, member, room: lambda actor: access_services.end_grant(cast.vera, RECORD, room, actor=actor),
]


@pytest.mark.parametrize("write", WRITES)
def test_every_write_asks_first_and_is_on_record_once(
    cast: Cast, write: Callable[[Cast, Membership, Room], Callable[..., object]]
) -> None:
    with studio_scope(cast.studio.id):
        room = administration_services.create_room(cast.studio, name="Room", actor=cast.alice.actor)
        call = write(cast, Membership.objects.get(user=cast.ivan), room)
        before = len(acts(cast))
        for who in (cast.sam, cast.gita, cast.pat, cast.vera, cast.ivan):
            with pytest.raises((NotFound, Forbidden)):
                call(who.actor)
        with pytest.raises((NotFound, Forbidden)):
            call(cast.agent)
        assert len(acts(cast)) == before
        call(cast.alice.actor)
        assert len(acts(cast)) == before + 1


def test_a_write_in_another_studio_finds_nothing(cast: Cast, other: Cast) -> None:
    with studio_scope(other.studio.id):
        with pytest.raises(NotFound):
            administration_services.create_room(other.studio, name="Mine", actor=cast.alice.actor)
        assert not Room.objects.filter(name="Mine").exists()


def test_the_names_of_people_are_not_in_the_log(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        text = str(list(Entry.objects.values()))
    for person in (cast.alice, cast.ivan, cast.vera):
        assert person.email not in text
        assert person.display_name not in text


def test_studios_are_listed_by_their_own_id(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        assert Studio.objects.get().studio_id == cast.studio.id
