"""Guardians see the classes of their own dancers, once confirmed, and no other family's."""

import pytest

from control_plane.access import access
from control_plane.access import services as access_services
from control_plane.access.access import ReasonCode
from control_plane.common.errors import NotFound
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.people import services as people_services
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, Relation
from control_plane.recordings.models import ClassSession
from control_plane.recordings.permissions import REPLAY, VIEW_CLASS
from control_plane.tenancy.models import Room
from control_plane.tenancy.permissions import VIEW_STUDIO
from tests.control_plane.access.grants import danced, may, recorded, why
from tests.control_plane.conftest import Cast


def shown(cast: Cast) -> set[str]:
    with studio_scope(cast.studio.id):
        return set(access.visible(cast.gita.actor, ClassSession).values_list("title", flat=True))


def test_a_guardian_sees_the_classes_of_own_dancers_once_confirmed(
    cast: Cast, room: Room, family: Dancer
) -> None:
    own, expected, foreign = recorded(room, "own"), recorded(room, "expected"), recorded(room, "foreign")
    danced(family, own)
    danced(family, expected, confirmed=False)
    assert why(cast, "gita", REPLAY, own) is ReasonCode.OWN_DANCER
    for row in (expected, foreign):
        assert why(cast, "gita", REPLAY, row) is ReasonCode.NOT_OWN
    assert shown(cast) == {"own"}
    assert not may(cast, "gita", REPLAY, cast.studio)
    assert not may(cast, "gita", REPLAY, room)
    with studio_scope(cast.studio.id):
        assert access.permissions(cast.gita.actor, cast.studio.id) == {VIEW_STUDIO}
        with pytest.raises(NotFound):
            access.require(cast.gita.actor, REPLAY, foreign)


def test_a_guardian_of_two_sees_the_classes_of_both_and_each_once(
    cast: Cast, room: Room, family: Dancer
) -> None:
    second = people_services.add_dancer(cast.studio, NewDancer("Dora", 2017), actor=cast.alice.actor)
    people_services.start_guardianship(second, cast.gita, Relation.PARENT, actor=cast.alice.actor)
    both, one = recorded(room, "both"), recorded(room, "one")
    for dancer in (family, second):
        danced(dancer, both)
    danced(second, one)
    with studio_scope(cast.studio.id):
        titles = sorted(access.visible(cast.gita.actor, ClassSession).values_list("title", flat=True))
    assert titles == ["both", "one"]


def test_a_guardianship_that_ended_shows_nothing_more(cast: Cast, room: Room, family: Dancer) -> None:
    row = recorded(room)
    danced(family, row)
    assert may(cast, "gita", REPLAY, row)
    with studio_scope(cast.studio.id):
        (tie,) = family.guardianships.all()
    people_services.end_guardianship(tie, actor=cast.alice.actor)
    assert not may(cast, "gita", REPLAY, row)
    assert shown(cast) == set()


def test_a_guardian_of_a_dancer_in_no_class_sees_none(cast: Cast, room: Room, family: Dancer) -> None:
    recorded(room)
    assert shown(cast) == set()


def test_a_protected_dancer_closes_a_class_to_all_other_families(
    cast: Cast, room: Room, family: Dancer
) -> None:
    row = recorded(room, "together")
    danced(family, row)
    hidden = people_services.add_dancer(
        cast.studio, NewDancer("Hana", protected=True), actor=cast.alice.actor
    )
    danced(hidden, row, confirmed=False)
    assert not may(cast, "gita", REPLAY, row)
    assert shown(cast) == set()
    people_services.start_guardianship(hidden, cast.gita, Relation.PARENT, actor=cast.alice.actor)
    assert may(cast, "gita", REPLAY, row)
    assert shown(cast) == {"together"}


def test_the_default_shows_families_nothing_even_of_their_own(cast: Cast, room: Room, family: Dancer) -> None:
    access_services.reset_role(cast.studio, Role.GUARDIAN, actor=cast.alice.actor)
    row = recorded(room)
    danced(family, row)
    assert not may(cast, "gita", VIEW_CLASS, row)
    access_services.grant_permission(cast.gita, REPLAY, row, actor=cast.alice.actor)
    assert why(cast, "gita", REPLAY, row) is ReasonCode.GRANT
