"""The role table as it comes, at most and at least: data that has to fit together, and the rules that read it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.access.permissions import MANAGE_POLICY
from control_plane.access.roles import (
    BREAK_GLASS_PERMISSIONS,
    DEFAULTS,
    FLOOR,
    GRANTABLE_ON,
    LIMITS,
    MACHINE_PERMISSIONS,
    OWN_ONLY,
    ROLE_MEANINGS,
    denying,
    effective,
    granting,
    missing_needs,
    needed_for,
    objections,
)
from control_plane.audit.permissions import VIEW_AUDIT
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.fleet.permissions import MANAGE_AGENTS, RECORD
from control_plane.people.permissions import MANAGE_DANCERS
from control_plane.recordings.permissions import EXPORT, REPLAY, SHARE, VIEW_LIVE
from control_plane.storage.permissions import MANAGE_STORAGE
from control_plane.tenancy.permissions import MANAGE_PEOPLE, MANAGE_STUDIO, VIEW_STUDIO

PEOPLE = frozenset({MANAGE_PEOPLE, MANAGE_POLICY, VIEW_AUDIT})
roles = st.sampled_from(Role)
actions = st.frozensets(st.sampled_from(StudioPermission.all()))


@pytest.mark.parametrize("role", Role)
def test_a_role_as_it_comes_is_one_that_a_studio_could_have_chosen(role: Role) -> None:
    assert FLOOR[role] <= DEFAULTS[role] <= LIMITS[role]
    assert objections(role, DEFAULTS[role]) == []
    assert effective(role, None) == DEFAULTS[role]


@pytest.mark.parametrize("role", Role)
def test_nobody_is_ever_a_machine(role: Role) -> None:
    assert not LIMITS[role] & MACHINE_PERMISSIONS
    assert not BREAK_GLASS_PERMISSIONS & MACHINE_PERMISSIONS


def test_families_and_partners_never_manage_and_families_watch_nothing_by_default() -> None:
    for role in (Role.VIEWER, Role.GUARDIAN, Role.PARTNER):
        assert not [action for action in LIMITS[role] if action.startswith("manage")]
        assert not LIMITS[role] & PEOPLE
    assert DEFAULTS[Role.GUARDIAN] == {VIEW_STUDIO}
    assert {REPLAY, VIEW_LIVE} <= LIMITS[Role.GUARDIAN]
    assert LIMITS[Role.GUARDIAN] - OWN_ONLY[Role.GUARDIAN] == {VIEW_STUDIO}


def test_only_an_admin_can_ever_decide_about_people_and_rules() -> None:
    for action in (MANAGE_PEOPLE, MANAGE_POLICY, MANAGE_STUDIO, MANAGE_STORAGE):
        assert [role for role in Role if action in LIMITS[role]] == [Role.ADMIN]
    assert FLOOR[Role.ADMIN] > PEOPLE


def test_no_right_on_a_thing_reaches_people_rules_storage_or_the_log() -> None:
    forbidden = PEOPLE | {MANAGE_STUDIO, MANAGE_STORAGE, VIEW_STUDIO} | MACHINE_PERMISSIONS
    for label, found in GRANTABLE_ON.items():
        assert not found & forbidden, label
        assert not missing_needs(found), label


def test_support_leaves_nothing_behind_and_takes_nothing_out() -> None:
    assert not BREAK_GLASS_PERMISSIONS & {
        MANAGE_PEOPLE,
        MANAGE_POLICY,
        SHARE,
        EXPORT,
        MANAGE_DANCERS,
        MANAGE_STUDIO,
        MANAGE_STORAGE,
        MANAGE_AGENTS,
    }


def test_every_action_and_role_is_explained_in_a_sentence() -> None:
    assert set(ROLE_MEANINGS) == set(Role)
    for text in [*(one.meaning for one in StudioPermission.all()), *ROLE_MEANINGS.values()]:
        assert text[0].isupper()
        assert text.endswith(".")


def test_what_is_needed_needs_nothing_more() -> None:
    for action in StudioPermission.all():
        needs = action.needs
        assert action not in needs
        for need in needs:
            assert needed_for(need) <= needed_for(action)


@pytest.mark.parametrize("role", Role)
def test_limits_hold_what_their_actions_need(role: Role) -> None:
    assert missing_needs(LIMITS[role]) == []


@given(role=roles, chosen=actions)
def test_whatever_stands_in_the_table_counts_within_limit_and_floor(
    role: Role, chosen: frozenset[StudioPermission]
) -> None:
    found = effective(role, [*chosen, "no_such_action"])
    assert FLOOR[role] <= found <= LIMITS[role]
    assert found - FLOOR[role] <= chosen
    assert chosen & LIMITS[role] <= found


@given(role=roles, chosen=actions)
def test_what_nobody_objects_to_is_what_counts(role: Role, chosen: frozenset[StudioPermission]) -> None:
    if not objections(role, chosen):
        assert effective(role, list(chosen)) == chosen
    else:
        wrong = not FLOOR[role] <= chosen <= LIMITS[role]
        assert wrong or missing_needs(chosen)


@given(one=st.sampled_from(StudioPermission.all()), two=st.sampled_from(StudioPermission.all()))
def test_what_grants_an_action_is_denied_with_it(one: StudioPermission, two: StudioPermission) -> None:
    assert (two in granting(one)) == (one in denying(two))


def test_an_objection_names_what_it_is_about() -> None:
    (text,) = objections(Role.GUARDIAN, FLOOR[Role.GUARDIAN] | {RECORD})
    assert "Record" in text
    assert "Guardian" in text
    (text,) = objections(Role.ADMIN, DEFAULTS[Role.ADMIN] - {VIEW_AUDIT})
    assert "View audit cannot be taken" in text
    (text,) = objections(Role.VIEWER, FLOOR[Role.VIEWER] | {REPLAY})
    assert "Replay needs view class" in text
