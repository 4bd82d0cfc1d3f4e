"""A studio's own table of what each role may do, within its limits."""

import pytest

from control_plane.access import access, services
from control_plane.access.audit_events import ROLE_CHANGED, ROLE_RESET
from control_plane.access.models import RolePermissions
from control_plane.access.permissions import MANAGE_POLICY
from control_plane.access.roles import DEFAULTS, FLOOR
from control_plane.audit.permissions import VIEW_AUDIT
from control_plane.common.errors import BadRequest, Forbidden, NotFound
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.fleet.permissions import RECORD
from control_plane.recordings.permissions import EXPORT, REPLAY, UPLOAD
from control_plane.tenancy.models import Membership, Room
from control_plane.tenancy.permissions import MANAGE_PEOPLE, MANAGE_ROOMS, VIEW_STUDIO
from tests.control_plane.access.grants import last, may
from tests.control_plane.conftest import Cast


def test_a_studio_says_what_a_role_allows_and_it_acts_at_once(cast: Cast, other: Cast, room: Room) -> None:
    wanted = DEFAULTS[Role.VIEWER] - {REPLAY} | {RECORD}
    services.set_role_actions(cast.studio, Role.VIEWER, wanted, actor=cast.alice.actor)
    assert may(cast, "vera", RECORD, room)
    assert not may(cast, "vera", REPLAY, room)
    assert last(cast).action == ROLE_CHANGED
    assert last(cast).details == {"role": "viewer", "added": ["record"], "removed": ["replay"]}
    with studio_scope(other.studio.id):
        assert access.can(other.vera.actor, REPLAY, other.studio)
    services.reset_role(cast.studio, Role.VIEWER, actor=cast.alice.actor)
    assert may(cast, "vera", REPLAY, room)
    assert last(cast).details == {"role": "viewer", "added": ["replay"], "removed": ["record"]}
    assert last(cast).action == ROLE_RESET


@pytest.mark.parametrize(
    ("role", "actions", "text"),
    [
        (Role.GUARDIAN, FLOOR[Role.GUARDIAN] | {MANAGE_ROOMS}, "Manage rooms is beyond"),
        (Role.PARTNER, FLOOR[Role.PARTNER] | {VIEW_AUDIT}, "View audit is beyond"),
        (Role.INSTRUCTOR, FLOOR[Role.INSTRUCTOR] | {MANAGE_PEOPLE}, "Manage people is beyond"),
        (Role.ADMIN, DEFAULTS[Role.ADMIN] - {MANAGE_POLICY}, "Manage policy cannot be taken"),
        (Role.VIEWER, frozenset(), "View studio cannot be taken"),
        (Role.VIEWER, {VIEW_STUDIO, EXPORT}, "needs view class"),
        (Role.ADMIN, frozenset(StudioPermission.all()), "Upload is beyond"),
    ],
)
def test_limit_and_floor_are_named(cast: Cast, role: Role, actions: set[StudioPermission], text: str) -> None:
    with pytest.raises(BadRequest, match=text):
        services.set_role_actions(cast.studio, role, actions, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        assert not RolePermissions.objects.exists()


@pytest.mark.parametrize("who", ["ivan", "vera", "gita", "pat", "sam"])
def test_only_who_manages_policy_changes_the_table(cast: Cast, who: str) -> None:
    actor = getattr(cast, who).actor
    with pytest.raises((Forbidden, NotFound)):
        services.set_role_actions(cast.studio, Role.VIEWER, DEFAULTS[Role.VIEWER], actor=actor)
    with pytest.raises((Forbidden, NotFound)):
        services.reset_role(cast.studio, Role.VIEWER, actor=actor)


def test_a_limit_that_is_tightened_counts_against_what_was_chosen_before(cast: Cast, room: Room) -> None:
    with studio_scope(cast.studio.id):
        RolePermissions.objects.create(
            studio=cast.studio, role=Role.GUARDIAN, actions=["manage_people", "upload", "no_such"]
        )
        for action in (MANAGE_PEOPLE, UPLOAD):
            assert not access.can(cast.gita.actor, action, room)
        assert not access.visible(cast.gita.actor, Membership).exists()
        assert access.can(cast.gita.actor, VIEW_STUDIO, room)
