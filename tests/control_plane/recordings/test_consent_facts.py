"""Consents close classes to everybody but those who teach, at the next request."""

from datetime import timedelta

import pytest
from django.utils import timezone

from control_plane.access import access
from control_plane.access import services as access_services
from control_plane.common.errors import Forbidden
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.people import services
from control_plane.people.consent_models import ConsentPurpose
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer
from control_plane.recordings.class_type_models import ClassType, Enrolment
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.recordings.permissions import EXPORT, REPLAY, VIEW_CLASS, VIEW_LIVE
from control_plane.recordings.presence import dancers_in, roster_is_confirmed
from control_plane.tenancy.models import Room
from tests.control_plane.access.grants import danced, may, recorded, why
from tests.control_plane.conftest import FAMILY, Cast
from tests.control_plane.people.consents import GRANTED, REFUSED, WITHDRAWN, says


@pytest.fixture
def second(cast: Cast) -> Dancer:
    """A dancer of another family."""
    return services.add_dancer(cast.studio, NewDancer("Bela", 2014), actor=cast.alice.actor)


def enrol(
    dancer: Dancer, row: ClassSession, *, from_day: int = -30, until_day: int | None = None
) -> Enrolment:
    """Enrols a dancer for the weekly class that a class is one of."""
    now = timezone.now()
    with studio_scope(row.studio_id):
        kind, _ = ClassType.objects.get_or_create(studio_id=row.studio_id, name="Ballet")
        ClassSession.objects.filter(pk=row.pk).update(class_type=kind)
        found: Enrolment = Enrolment.objects.create(
            studio_id=row.studio_id,
            class_type=kind,
            dancer=dancer,
            starts_at=now + timedelta(days=from_day),
            ends_at=None if until_day is None else now + timedelta(days=until_day),
        )
        return found


@pytest.mark.parametrize("answer", [REFUSED, WITHDRAWN])
def test_a_refusal_closes_the_recording_to_families_and_viewers(
    cast: Cast, room: Room, family: Dancer, answer: object
) -> None:
    row = recorded(room)
    danced(family, row)
    assert all(may(cast, who, REPLAY, row) for who in ("gita", "vera", "ivan", "alice"))
    says(cast, family, ConsentPurpose.REPLAY, answer)  # type: ignore[arg-type]
    assert [may(cast, who, REPLAY, row) for who in ("gita", "vera", "ivan", "alice")] == [
        False,
        False,
        True,
        True,
    ]
    assert why(cast, "vera", REPLAY, row) == "consent_replay"
    assert may(cast, "vera", VIEW_CLASS, row)
    with studio_scope(cast.studio.id), pytest.raises(Forbidden, match="has not allowed"):
        access.require(cast.vera.actor, REPLAY, row)
    says(cast, family, ConsentPurpose.REPLAY, GRANTED)
    assert may(cast, "vera", REPLAY, row)


def test_a_grant_on_the_class_does_not_outweigh_a_refusal(cast: Cast, room: Room, family: Dancer) -> None:
    row = recorded(room)
    danced(family, row)
    says(cast, family, ConsentPurpose.REPLAY, REFUSED)
    access_services.grant_permission(cast.pat, REPLAY, row, reason="a film crew", actor=cast.alice.actor)
    assert not may(cast, "pat", REPLAY, row)
    assert not may(cast, "vera", EXPORT, row)


def test_a_refusal_closes_only_classes_of_that_dancer(
    cast: Cast, room: Room, family: Dancer, second: Dancer
) -> None:
    hers, theirs = recorded(room), recorded(room)
    danced(family, hers)
    danced(second, theirs)
    says(cast, family, ConsentPurpose.REPLAY, REFUSED)
    assert [may(cast, "vera", REPLAY, row) for row in (hers, theirs)] == [False, True]


def test_a_list_leaves_out_what_a_refusal_closes(cast: Cast, room: Room, family: Dancer) -> None:
    closed, opened = recorded(room), recorded(room)
    danced(family, closed)
    says(cast, family, ConsentPurpose.REPLAY, REFUSED)
    with studio_scope(cast.studio.id):
        assert set(access.visible(cast.vera.actor, ClassSession, to=REPLAY)) == {opened}
        assert set(access.visible(cast.ivan.actor, ClassSession, to=REPLAY)) == {opened, closed}


def test_an_expected_or_enrolled_dancer_counts_as_present(
    cast: Cast, room: Room, family: Dancer, second: Dancer
) -> None:
    row = recorded(room)
    danced(second, row, confirmed=False)
    enrol(family, row)
    with studio_scope(cast.studio.id):
        assert dancers_in(row) == {family.pk, second.pk}
        assert not roster_is_confirmed(row)
    says(cast, family, ConsentPurpose.REPLAY, REFUSED)
    assert not may(cast, "vera", REPLAY, row)


@pytest.mark.parametrize(("from_day", "until_day"), [(1, None), (-30, -1)])
def test_an_enrolment_counts_only_while_it_is_in_force(
    cast: Cast, room: Room, family: Dancer, from_day: int, until_day: int | None
) -> None:
    row, other_day = recorded(room), recorded(room)
    enrol(family, row, from_day=from_day, until_day=until_day)
    with studio_scope(cast.studio.id):
        # Another class of the type, in which the enrolment was in force, must not make it count here.
        ClassSession.objects.filter(pk=other_day.pk).update(
            class_type=ClassType.objects.get(),
            requested_at=timezone.now() + timedelta(days=2 if from_day == 1 else -2),
        )
        assert dancers_in(row) == set()
        other_day.refresh_from_db()
        assert dancers_in(other_day) == {family.pk}


def test_live_is_closed_to_an_audience_until_everybody_allows_it(
    cast: Cast, room: Room, family: Dancer, second: Dancer
) -> None:
    access_services.set_role_actions(cast.studio, Role.VIEWER, FAMILY | {VIEW_LIVE}, actor=cast.alice.actor)
    row = recorded(room)
    with studio_scope(cast.studio.id):
        ClassSession.objects.filter(pk=row.pk).update(state=ClassState.RECORDING)

    def live() -> list[bool]:
        return [may(cast, who, VIEW_LIVE, thing) for who in ("vera", "ivan") for thing in (row, room)]

    nobody, everybody = [False, False, True, True], [True] * 4
    assert live() == nobody, "nobody knows who is in the class"
    danced(family, row, confirmed=False)
    danced(second, row, confirmed=False)
    assert live() == nobody
    says(cast, family, ConsentPurpose.LIVE, GRANTED)
    assert live() == nobody
    services.start_guardianship(second, cast.gita, "parent", actor=cast.alice.actor)  # type: ignore[arg-type]
    says(cast, second, ConsentPurpose.LIVE, GRANTED)
    assert live() == everybody
    says(cast, second, ConsentPurpose.LIVE, WITHDRAWN)
    assert live() == nobody
