"""Facts that apps above hand to access: there once Django is set up; without them the answer is the stricter one."""

from django.utils import timezone

from control_plane.access import sources
from control_plane.common.scoping import studio_scope
from control_plane.identity.signin_rules import PolicySource
from control_plane.people.ownership import Guardians
from control_plane.tenancy.models import Room
from shared.protocol.ids import new_id


def test_people_and_identity_hand_in_what_they_know() -> None:
    assert isinstance(sources.guardians, Guardians)
    assert isinstance(sources.signin_policy, PolicySource)


def test_without_them_nobody_owns_a_class_and_a_second_factor_is_asked_for(room: Room) -> None:
    nobody, user_id, now = sources.NoGuardians(), new_id(), timezone.now()
    assert nobody.owners(new_id(), [user_id], now) == set()
    with studio_scope(room.studio_id):
        assert Room.objects.exists()
        assert not Room.objects.filter(nobody.owned(user_id, "pk", now)).exists()
    assert sources.StrictPolicy().admins_need_second_factor()
