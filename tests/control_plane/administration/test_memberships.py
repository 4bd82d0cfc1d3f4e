"""Memberships end at the very instant, and take every right with them."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from control_plane.access import access
from control_plane.access import services as access_services
from control_plane.access.access import ReasonCode
from control_plane.access.models import ObjectPermission
from control_plane.administration import services as administration_services
from control_plane.common.errors import BadRequest, Forbidden, NotFound
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.recordings.models import ClassSession
from control_plane.recordings.permissions import EXPORT, REPLAY
from control_plane.tenancy.models import Membership, Room
from control_plane.tenancy.selectors import own_membership, own_memberships
from tests.control_plane.access.grants import last, may, recorded, why
from tests.control_plane.conftest import SETUP, Cast


def test_a_member_who_is_removed_leaves_no_right_behind(cast: Cast, room: Room) -> None:
    row = recorded(room)
    access_services.grant_permission(cast.pat, REPLAY, row, actor=cast.alice.actor)
    access_services.deny_permission(cast.pat, EXPORT, row, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        administration_services.remove_member(Membership.objects.get(user=cast.pat), actor=cast.alice.actor)
        assert not ObjectPermission.objects.exists()
        assert access.decide(cast.pat.actor, REPLAY, row).reason.code is ReasonCode.NOT_A_MEMBER
    assert last(cast).details["rights"] == 2


def test_a_right_without_a_membership_is_none(cast: Cast, room: Room) -> None:
    row = recorded(room)
    access_services.grant_permission(cast.pat, REPLAY, row, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        Membership.objects.filter(user=cast.pat).delete()
        assert not access.can(cast.pat.actor, REPLAY, row)
        assert not access.visible(cast.pat.actor, ClassSession).exists()


def test_a_membership_ends_at_the_very_instant(cast: Cast, room: Room) -> None:
    row, end = recorded(room), timezone.now() + timedelta(days=1)
    with studio_scope(cast.studio.id):
        membership = Membership.objects.get(user=cast.vera)
    administration_services.set_membership_end(membership, end, actor=cast.alice.actor)
    slug = cast.studio.slug
    with time_machine.travel(end - timedelta(microseconds=1), tick=False):
        assert may(cast, "vera", REPLAY, row)
        assert own_membership(cast.vera.id, slug=slug) is not None
    with time_machine.travel(end, tick=False):
        assert why(cast, "vera", REPLAY, row) is ReasonCode.NOT_A_MEMBER
        assert own_membership(cast.vera.id, slug=slug) is None
        assert own_memberships(cast.vera.id) == []
        with studio_scope(cast.studio.id):
            assert access.role_of(cast.vera.actor, cast.studio.id) is None
            assert not access.visible(cast.vera.actor, Room).exists()
        with pytest.raises(NotFound):
            access_services.grant_permission(cast.vera, REPLAY, row, actor=cast.alice.actor)
    administration_services.set_membership_end(membership, None, actor=cast.alice.actor)
    assert last(cast).details["ends_at"] is None


def test_nobody_is_made_a_member_without_being_asked(cast: Cast, other: Cast) -> None:
    for person in (cast.sam, other.alice):
        with pytest.raises(Forbidden, match="by invitation"):
            administration_services.add_member(cast.studio, person, Role.VIEWER, actor=cast.alice.actor)
        assert cast.role_of(person) is None
    with pytest.raises(NotFound):
        administration_services.add_member(cast.studio, cast.sam, Role.VIEWER, actor=other.alice.actor)


def test_an_admins_membership_has_no_end(cast: Cast) -> None:
    end = timezone.now() + timedelta(days=1)
    with studio_scope(cast.studio.id):
        alice, vera = (Membership.objects.get(user=user) for user in (cast.alice, cast.vera))
    with pytest.raises(BadRequest, match="no end"):
        administration_services.set_membership_end(alice, end, actor=cast.alice.actor)
    with pytest.raises(BadRequest, match="no end"):
        administration_services.add_member(cast.studio, cast.sam, Role.ADMIN, actor=SETUP, ends_at=end)
    with pytest.raises(BadRequest, match="future"):
        administration_services.set_membership_end(vera, timezone.now(), actor=cast.alice.actor)
    administration_services.set_membership_end(vera, end, actor=cast.alice.actor)
