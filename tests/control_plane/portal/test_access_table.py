"""The table of roles as a page shows it, and what a change of it would do: values in, values out."""

import pytest

from control_plane.access.reason_text import PLURALS
from control_plane.access.roles import DEFAULTS, FLOOR, GROUPS, LIMITS, MACHINE_PERMISSIONS
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.portal.access.role_table import (
    changed_from_default,
    differences,
    digest,
    grid,
    objections,
    ticked,
)
from control_plane.recordings.permissions import REPLAY, VIEW_CLASS, VIEW_LIVE

COUNTS = {"classes": 14, "rooms": 1, "dancers": 0}


def ticks_of(table: dict[Role, frozenset[StudioPermission]]) -> list[str]:
    return [f"{role.value}:{action}" for role in Role for action in table[role]]


def test_every_right_of_a_person_stands_in_the_table_once_and_has_its_words() -> None:
    shown = [action for _, actions in GROUPS for action in actions]
    assert sorted(shown) == sorted(set(StudioPermission.all()) - MACHINE_PERMISSIONS)
    assert all(action.phrase and action.phrase_on_one for action in StudioPermission.all())
    assert set(PLURALS) == set(Role)


def test_the_ticks_of_the_usual_table_make_the_usual_table() -> None:
    assert ticked(ticks_of(DEFAULTS)) == DEFAULTS
    assert changed_from_default(ticked(ticks_of(DEFAULTS))) == 0


def test_no_tick_goes_beyond_the_limit_and_none_is_missing_below_the_floor() -> None:
    everything = [f"{role.value}:{action}" for role in Role for action in StudioPermission.all()]
    assert ticked(everything) == LIMITS
    assert ticked([]) == FLOOR
    assert ticked(["viewer:fly", "nobody:replay", ""]) == FLOOR


def test_what_cannot_be_changed_is_locked_and_says_why() -> None:
    cells = {cell.value: cell for _, rows in grid(DEFAULTS) for row in rows for cell in row.cells}
    assert len(cells) == len(Role) * len(set(StudioPermission.all()) - MACHINE_PERMISSIONS)
    for role in Role:
        for action in set(StudioPermission.all()) - MACHINE_PERMISSIONS:
            cell = cells[f"{role.value}:{action}"]
            free = action in LIMITS[role] - FLOOR[role]
            assert bool(cell.locked) is not free
            assert cell.is_on is (action in DEFAULTS[role])


def test_a_change_says_what_it_does_to_whom_before_it_does() -> None:
    after = {
        **DEFAULTS,
        Role.VIEWER: (DEFAULTS[Role.VIEWER] - {REPLAY}) | {VIEW_LIVE},
        Role.GUARDIAN: DEFAULTS[Role.GUARDIAN] | {VIEW_CLASS, REPLAY},
    }
    viewers, guardians = differences(DEFAULTS, after, counts=COUNTS, people={"viewer": 3, "guardian": 1})
    assert viewers.who == "Viewers (3 people)"
    assert viewers.loses == ["watch 14 classes"]
    assert viewers.gains == ["watch 1 room live"]
    assert guardians.who == "Guardians (1 person)"
    assert guardians.gains == [
        "see classes of their own dancers in the list",
        "watch classes of their own dancers",
    ]
    assert differences(DEFAULTS, DEFAULTS, counts=COUNTS, people={}) == []


def test_a_right_without_the_one_it_needs_is_objected_to_by_name() -> None:
    after = {**DEFAULTS, Role.VIEWER: DEFAULTS[Role.VIEWER] - {VIEW_CLASS}}
    (text,) = objections(after)
    assert text.startswith("Viewers: “Watch recorded classes” needs “See the list of classes”")
    assert objections(DEFAULTS) == []


@pytest.mark.parametrize("role", list(Role))
def test_the_digest_is_another_as_soon_as_anything_is(role: Role) -> None:
    for action in LIMITS[role] - FLOOR[role]:
        assert digest({**DEFAULTS, role: DEFAULTS[role] ^ {action}}) != digest(DEFAULTS)
