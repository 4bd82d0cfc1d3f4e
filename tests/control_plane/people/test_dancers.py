"""Writes of dancers and of who answers for them."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import time_machine
from django.utils import timezone

from control_plane.accounts.models import User
from control_plane.administration import services as administration_services
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.people import services as people_services
from control_plane.people.audit_events import DANCER_ADDED, DANCER_CHANGED, GUARDIANSHIP_ENDED
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, Guardianship, Relation
from control_plane.tenancy.models import Membership
from tests.control_plane.access.grants import last
from tests.control_plane.conftest import Cast


def dancer_of(cast: Cast, name: str = "Ada", birth_year: int | None = 2014) -> Dancer:
    return people_services.add_dancer(cast.studio, NewDancer(name, birth_year), actor=cast.alice.actor)


def test_a_dancer_is_kept_and_the_record_holds_no_name(cast: Cast) -> None:
    new = NewDancer(" Ada ", 2014, protected=True, note="no photographs")
    dancer = people_services.add_dancer(cast.studio, new, actor=cast.alice.actor)
    assert (dancer.name, dancer.birth_year, dancer.protected) == ("Ada", 2014, True)
    entry = last(cast)
    assert (entry.action, entry.object_id) == (DANCER_ADDED, str(dancer.id))
    assert "Ada" not in str(entry.details)


@pytest.mark.parametrize(
    ("birth_year", "is_minor"), [(None, True), (2014, True), (2008, True), (2007, False), (1980, False)]
)
def test_a_person_who_may_be_a_minor_counts_as_one(birth_year: int | None, is_minor: bool) -> None:
    with time_machine.travel(datetime(2026, 6, 1, tzinfo=UTC)):
        assert Dancer(name="Ada", birth_year=birth_year).is_minor is is_minor


@pytest.mark.parametrize(
    "new", [NewDancer(""), NewDancer("A" * 121), NewDancer("Ada", 1), NewDancer("Ada", 2190)]
)
def test_a_wrong_value_is_refused(cast: Cast, new: NewDancer) -> None:
    with pytest.raises(BadRequest, match=r"name|birth_year"):
        people_services.add_dancer(cast.studio, new, actor=cast.alice.actor)


def test_a_list_adds_those_who_are_not_there_or_nobody(cast: Cast) -> None:
    dancer_of(cast, "Ada", 2014)
    listed = [NewDancer("ada", 2014), NewDancer("Ada", 2015), NewDancer("Bea")]
    added, there = people_services.add_dancers(cast.studio, listed, actor=cast.alice.actor)
    assert ([item.name for item in added], there) == (["Ada", "Bea"], 1)
    with pytest.raises(BadRequest):
        people_services.add_dancers(cast.studio, [NewDancer("Cleo"), NewDancer("")], actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        assert Dancer.objects.count() == 3


def test_one_name_in_two_forms_is_one_dancer(cast: Cast) -> None:
    composed, decomposed = "Jos\u00e9 N\u00fa\u00f1ez", "Jose\u0301  Nu\u0301n\u0303ez"
    kept = dancer_of(cast, decomposed)
    assert kept.name == composed
    with studio_scope(cast.studio.id):
        # As an earlier version stored it.
        Dancer.objects.filter(pk=kept.pk).update(name=decomposed)
    listed = [
        NewDancer(composed, 2014),
        NewDancer("JOS\u00c9 N\u00daN\u0303EZ", 2014),
        NewDancer("Jose Nunez", 2014),
    ]
    added, there = people_services.add_dancers(cast.studio, listed, actor=cast.alice.actor)
    assert ([item.name for item in added], there) == (["Jose Nunez"], 2)
    changed = people_services.change_dancer(added[0], name=decomposed, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        changed.refresh_from_db()
    assert changed.name == composed


def test_a_change_is_on_record_by_field_and_no_change_is_not(cast: Cast) -> None:
    dancer = dancer_of(cast)
    people_services.change_dancer(dancer, actor=cast.alice.actor, protected=True, name="Ada")
    entry = last(cast)
    assert entry.action == DANCER_CHANGED
    assert entry.details == {"fields": ["protected"], "protected": True}
    people_services.change_dancer(dancer, actor=cast.alice.actor, protected=True)
    assert last(cast).sequence == entry.sequence
    with pytest.raises(BadRequest, match="left_at"):
        people_services.change_dancer(dancer, actor=cast.alice.actor, left_at=None)


def test_a_guardian_is_a_member_once_and_until_it_ends(cast: Cast) -> None:
    dancer = dancer_of(cast)
    with pytest.raises(NotFound, match="Invite"):
        people_services.start_guardianship(dancer, cast.sam, Relation.PARENT, actor=cast.alice.actor)
    tie = people_services.start_guardianship(dancer, cast.gita, Relation.PARENT, actor=cast.alice.actor)
    with pytest.raises(Conflict):
        people_services.start_guardianship(dancer, cast.gita, Relation.CARER, actor=cast.alice.actor)
    people_services.end_guardianship(tie, actor=cast.alice.actor)
    entry = last(cast)
    assert (entry.action, entry.details["user"]) == (GUARDIANSHIP_ENDED, str(cast.gita.id))
    people_services.end_guardianship(tie, actor=cast.alice.actor)
    assert last(cast).sequence == entry.sequence
    people_services.start_guardianship(dancer, cast.gita, Relation.CARER, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        assert Guardianship.objects.filter(dancer=dancer, ended_at__isnull=True).count() == 1


def test_a_membership_that_is_over_ties_nobody_to_a_dancer(cast: Cast) -> None:
    dancer = dancer_of(cast)
    with studio_scope(cast.studio.id):
        Membership.objects.filter(user=cast.gita).update(ends_at=timezone.now())
    with pytest.raises(NotFound, match="Invite"):
        people_services.start_guardianship(dancer, cast.gita, Relation.PARENT, actor=cast.alice.actor)


def test_a_membership_that_ends_takes_the_guardianships_with_it(cast: Cast) -> None:
    dancer = dancer_of(cast)
    people_services.start_guardianship(dancer, cast.gita, Relation.PARENT, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        administration_services.remove_member(Membership.objects.get(user=cast.gita), actor=cast.alice.actor)
        assert Guardianship.objects.get(dancer=dancer).ended_at is not None


WRITES: list[Callable[[Cast, Dancer, Guardianship, Actor], object]] = [
    lambda cast, dancer, tie, actor: people_services.add_dancer(cast.studio, NewDancer("Bea"), actor=actor),
    lambda cast, dancer, tie, actor: people_services.add_dancers(
        cast.studio, [NewDancer("Bea")], actor=actor
    ),
    lambda cast, dancer, tie, actor: people_services.change_dancer(dancer, actor=actor, name="Bea"),
    lambda cast, dancer, tie, actor: people_services.set_dancer_left(dancer, True, actor=actor),
    lambda cast, dancer, tie, actor: people_services.start_guardianship(
        dancer, cast.vera, Relation.PARENT, actor=actor
    ),
    lambda cast, dancer, tie, actor: people_services.end_guardianship(tie, actor=actor),
]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("name", ["vera", "gita", "pat", "sam"])
def test_only_those_who_manage_dancers_write(
    cast: Cast,
    write: Callable[[Cast, Dancer, Guardianship, Actor], object],
    name: str,
) -> None:
    dancer = dancer_of(cast)
    tie = people_services.start_guardianship(dancer, cast.gita, Relation.PARENT, actor=cast.alice.actor)
    user: User = getattr(cast, name)
    before = last(cast).sequence
    with studio_scope(cast.studio.id), pytest.raises((Forbidden, NotFound)):
        write(cast, dancer, tie, user.actor)
    assert last(cast).sequence == before
