"""Rights on one thing and denials: how far they reach, which wins, and when they end."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from control_plane.access import access
from control_plane.access import services as access_services
from control_plane.access.access import ReasonCode
from control_plane.access.audit_events import DENIAL_LIFTED
from control_plane.access.models import Effect, ObjectPermission
from control_plane.access.permissions import MANAGE_POLICY
from control_plane.access.selectors import grants_of
from control_plane.administration import services as administration_services
from control_plane.audit.permissions import VIEW_AUDIT
from control_plane.common.errors import BadRequest, Forbidden, NotFound
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.fleet.permissions import RECORD
from control_plane.recordings.models import ClassSession, Track
from control_plane.recordings.permissions import EXPORT, REPLAY, UPLOAD, VIEW_CLASS
from control_plane.tenancy.models import Membership, Room
from control_plane.tenancy.permissions import MANAGE_PEOPLE
from shared.protocol.ids import new_id
from tests.control_plane.access.grants import last, may, recorded, why
from tests.control_plane.conftest import Cast


def test_a_right_on_one_class_holds_for_it_and_what_belongs_to_it(cast: Cast, room: Room) -> None:
    one, two = recorded(room), recorded(room, "Jazz")
    access_services.grant_permission(cast.pat, REPLAY, one, actor=cast.alice.actor, reason="choreography")
    with studio_scope(cast.studio.id):
        track = Track.objects.create(
            studio=cast.studio, class_session=one, camera_id=new_id(), name="left", position="left"
        )
    assert may(cast, "pat", REPLAY, one)
    assert may(cast, "pat", VIEW_CLASS, one)
    assert may(cast, "pat", REPLAY, track)
    assert not may(cast, "pat", EXPORT, one)
    assert not may(cast, "pat", REPLAY, two)
    assert not may(cast, "pat", REPLAY, room)
    with studio_scope(cast.studio.id):
        assert list(access.visible(cast.pat.actor, ClassSession)) == [one]
        assert list(access.visible(cast.pat.actor, Track)) == [track]
    access_services.end_grant(cast.pat, REPLAY, one, actor=cast.alice.actor)
    assert not may(cast, "pat", REPLAY, one)


def test_a_right_on_a_room_covers_its_classes_and_one_on_the_studio_all(cast: Cast, room: Room) -> None:
    small = administration_services.create_room(cast.studio, name="Small room", actor=cast.alice.actor)
    inside, elsewhere = recorded(room), recorded(small)
    access_services.grant_permission(cast.pat, REPLAY, room, actor=cast.alice.actor)
    assert may(cast, "pat", REPLAY, inside)
    assert not may(cast, "pat", REPLAY, elsewhere)
    access_services.grant_permission(cast.pat, REPLAY, cast.studio, actor=cast.alice.actor)
    assert may(cast, "pat", REPLAY, elsewhere)
    with studio_scope(cast.studio.id):
        assert REPLAY in access.permissions(cast.pat.actor, cast.studio.id)


def test_a_denial_beats_right_and_role_wherever_it_stands(cast: Cast, room: Room) -> None:
    row = recorded(room)
    access_services.grant_permission(cast.vera, EXPORT, row, actor=cast.alice.actor)
    access_services.deny_permission(cast.vera, VIEW_CLASS, room, actor=cast.alice.actor, reason="on leave")
    for action in (VIEW_CLASS, REPLAY, EXPORT):
        assert why(cast, "vera", action, row) is ReasonCode.DENIED
    with studio_scope(cast.studio.id):
        assert not access.visible(cast.vera.actor, ClassSession).exists()
        with pytest.raises(NotFound):
            access.require(cast.vera.actor, REPLAY, row)
    access_services.end_grant(cast.vera, VIEW_CLASS, room, actor=cast.alice.actor, effect=Effect.DENY)
    assert last(cast).action == DENIAL_LIFTED
    assert may(cast, "vera", EXPORT, row)


def test_a_denial_of_replay_denies_export_and_not_the_title(cast: Cast, room: Room) -> None:
    row = recorded(room)
    access_services.deny_permission(cast.alice, REPLAY, row, actor=cast.alice.actor)
    assert not may(cast, "alice", EXPORT, row)
    assert may(cast, "alice", VIEW_CLASS, row)
    with studio_scope(cast.studio.id), pytest.raises(Forbidden, match="denied “Watch recorded classes”"):
        access.require(cast.alice.actor, REPLAY, row)


@pytest.mark.parametrize("effect", Effect)
def test_a_right_ends_at_the_very_instant(cast: Cast, room: Room, effect: Effect) -> None:
    row = recorded(room)
    end = timezone.now() + timedelta(hours=1)
    put: Callable[..., object] = (
        access_services.grant_permission if effect == Effect.ALLOW else access_services.deny_permission
    )
    who = "pat" if effect == Effect.ALLOW else "vera"
    put(getattr(cast, who), REPLAY, row, actor=cast.alice.actor, until=end)
    for moment, in_force in ((end - timedelta(microseconds=1), True), (end, False)):
        with time_machine.travel(moment, tick=False):
            assert may(cast, who, REPLAY, row) is (in_force is (effect == Effect.ALLOW))


def test_a_right_given_again_has_the_new_end_and_a_denial_may_stand_beside_it(cast: Cast, room: Room) -> None:
    row, alice = recorded(room), cast.alice.actor
    soon, later = (timezone.now() + timedelta(hours=hours) for hours in (1, 2))
    access_services.grant_permission(cast.pat, REPLAY, row, actor=alice, until=soon, reason="a")
    right = access_services.grant_permission(cast.pat, REPLAY, row, actor=alice, until=later, reason="b")
    access_services.deny_permission(cast.pat, REPLAY, row, actor=alice, until=soon)
    with studio_scope(cast.studio.id):
        assert grants_of(cast.pat.id).count() == 2
        right.refresh_from_db()
        assert (right.until, right.reason, right.given_by) == (later, "b", cast.alice.id)
    assert not may(cast, "pat", REPLAY, row)
    with time_machine.travel(soon, tick=False):
        assert may(cast, "pat", REPLAY, row)
    with studio_scope(cast.studio.id):
        for item in grants_of(cast.pat.id):
            access_services.revoke_grant(item, actor=alice)
        assert not ObjectPermission.objects.exists()


@pytest.mark.parametrize("put", [access_services.grant_permission, access_services.deny_permission])
def test_what_cannot_be_given_or_denied_is_named(cast: Cast, room: Room, put: Callable[..., object]) -> None:
    alice, row = cast.alice.actor, recorded(room)
    for action in (MANAGE_PEOPLE, MANAGE_POLICY, VIEW_AUDIT, UPLOAD):
        with pytest.raises(BadRequest, match="a role decides it"):
            put(cast.vera, action, cast.studio, actor=alice)
    with studio_scope(cast.studio.id):
        membership = Membership.objects.get(user=cast.vera)
    with pytest.raises(BadRequest, match="a role decides it"):
        put(cast.vera, MANAGE_PEOPLE, membership, actor=alice)
    with pytest.raises(BadRequest, match="until"):
        put(cast.vera, REPLAY, row, actor=alice, until=timezone.now())
    with pytest.raises(BadRequest, match="reason"):
        put(cast.vera, REPLAY, row, actor=alice, reason="x" * 501)


def test_a_right_stays_within_the_limit_of_the_role(cast: Cast, room: Room) -> None:
    with pytest.raises(BadRequest, match="beyond what a member with the role Guardian"):
        access_services.grant_permission(cast.gita, RECORD, room, actor=cast.alice.actor)
    access_services.grant_permission(cast.vera, RECORD, room, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        membership = Membership.objects.get(user=cast.vera)
        administration_services.change_role(membership, Role.GUARDIAN, actor=cast.alice.actor)
    assert not may(cast, "vera", RECORD, room)
