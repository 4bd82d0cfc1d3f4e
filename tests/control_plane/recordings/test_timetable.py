"""The timetable: class types, enrolments by the studio's calendar, and who counts as present because of them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.people.models import Dancer
from control_plane.recordings import timetable
from control_plane.recordings.class_type_models import ClassType, Enrolment
from control_plane.recordings.presence import dancers_in
from control_plane.tenancy.models import Room
from tests.control_plane.access.grants import recorded
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.people.consents import day


@pytest.fixture
def ballet(cast: Cast) -> ClassType:
    """A class type without dancers."""
    return timetable.add_class_type(cast.studio, "Ballet 2", actor=cast.alice.actor)


def test_the_dancers_of_a_class_type_count_as_present(
    cast: Cast, room: Room, family: Dancer, ballet: ClassType
) -> None:
    row = recorded(room)
    alice = cast.alice.actor
    assert timetable.enrol(ballet, [family.pk], starts_on=day(-7), actor=alice) == 1
    assert timetable.enrol(ballet, [family.pk], starts_on=day(0), actor=alice) == 0
    with studio_scope(cast.studio.id):
        assert dancers_in(row) == set()
        timetable.set_class_type(row, ballet, actor=alice)
        assert dancers_in(row) == {family.pk}
        enrolment = Enrolment.objects.get()
    timetable.end_enrolment(enrolment, last_day=day(0), actor=alice)
    with studio_scope(cast.studio.id):
        assert dancers_in(row) == {family.pk}
    timetable.end_enrolment(enrolment, last_day=day(-1), actor=alice)
    with studio_scope(cast.studio.id):
        assert dancers_in(row) == set()


def test_an_ended_class_type_keeps_who_was_in_its_classes(
    cast: Cast, room: Room, family: Dancer, ballet: ClassType
) -> None:
    row = recorded(room)
    timetable.enrol(ballet, [family.pk], starts_on=day(-7), actor=cast.alice.actor)
    timetable.set_class_type(row, ballet, actor=cast.alice.actor)
    timetable.end_class_type(ballet, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        assert dancers_in(row) == {family.pk}
    with pytest.raises(Conflict):
        timetable.enrol(ballet, [family.pk], starts_on=day(0), actor=cast.alice.actor)
    again = timetable.add_class_type(cast.studio, "Ballet 2", actor=cast.alice.actor)
    assert again.pk != ballet.pk


def test_what_is_wrong_is_refused(cast: Cast, other: Cast, family: Dancer, ballet: ClassType) -> None:
    alice = cast.alice.actor
    with pytest.raises(Conflict):
        timetable.add_class_type(cast.studio, "Ballet 2", actor=alice)
    with pytest.raises(BadRequest):
        timetable.add_class_type(cast.studio, " ", actor=alice)
    with pytest.raises(BadRequest):
        timetable.enrol(ballet, [ballet.pk], starts_on=day(0), actor=alice)
    with pytest.raises(BadRequest):
        timetable.enrol(ballet, [family.pk], starts_on=day(0) + timedelta(days=9_000), actor=alice)
    for who, error in ((cast.ivan, Forbidden), (cast.gita, NotFound), (other.alice, NotFound)):
        with pytest.raises(error):
            timetable.enrol(ballet, [family.pk], starts_on=day(0), actor=who.actor)


def test_a_roster_suggests_the_dancers_of_its_class_type(
    cast: Cast, room: Room, family: Dancer, ballet: ClassType
) -> None:
    row = recorded(room)
    base, alice = f"/studio/{cast.studio.slug}", as_person(cast.alice)
    form = {"dancer": family.id, "day": day(-7).isoformat()}
    assert alice.post(f"{base}/timetable/{ballet.id}/", form).status_code == 302
    assert "Dana" in alice.get(f"{base}/timetable/{ballet.id}/").content.decode()
    page = f"{base}/classes/{row.id}/roster/"
    assert "checked" not in alice.get(page).content.decode()
    assert alice.post(f"{base}/classes/{row.id}/type/", {"class_type": ballet.id}).status_code == 302
    assert "checked" in alice.get(page).content.decode()
    assert alice.post(page, {"confirm": "yes"}).status_code == 302
    assert "checked" not in alice.get(page).content.decode(), "confirmed: nobody of them was there"
    assert alice.post(f"{base}/timetable/{ballet.id}/", {"dancer": "x"}).status_code == 400
    with studio_scope(cast.studio.id):
        assert Enrolment.objects.get().starts_at < timezone.now()
