"""The table of roles and permissions as the page shows it, and the effects of a change. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from control_plane.access import roles
from control_plane.access.reason_text import PLURALS
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.portal.access.wording import (
    BEYOND,
    KEPT_BY_ADMINS,
    KEPT_BY_ALL,
    doing,
)

Table = Mapping[Role, frozenset[StudioPermission]]


@dataclass(frozen=True, slots=True)
class Cell:
    """One permission of one role. `locked`: the reason why it cannot be changed, or empty."""

    role: Role
    value: str
    is_on: bool
    locked: str
    is_changed: bool
    """Whether it differs from how 3Dance comes."""
    is_own_only: bool


@dataclass(frozen=True, slots=True)
class PermissionRow:
    """One permission: its title, its meaning, and its cells in the order of `Role`."""

    action: StudioPermission
    title: str
    meaning: str
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Change:
    """The effects of a change of one role: ends of sentences that begin with `Viewers will ...`."""

    role: Role
    who: str
    loses: list[str]
    gains: list[str]


def grid(table: Table) -> list[tuple[str, list[PermissionRow]]]:
    """Returns the rows of the table, by group."""
    return [(title, [_row(action, table) for action in actions]) for title, actions in roles.GROUPS]


def ticked(values: Iterable[str]) -> dict[Role, frozenset[StudioPermission]]:
    """Returns the table of these ticks: fixed permissions stay, unavailable ones are left out."""
    known = set(values)
    return {
        role: frozenset(action for action in roles.LIMITS[role] if f"{role.value}:{action}" in known)
        | roles.FLOOR[role]
        for role in Role
    }


def differences(
    before: Table, after: Table, *, counts: Mapping[str, int], people: Mapping[str, int]
) -> list[Change]:
    """Returns the effects on each role, in the order of the table.

    Args:
        counts: how many `classes`, `rooms` and `dancers` the studio has.
        people: how many people have each role, by the role's value.
    """
    order = [action for _, actions in roles.GROUPS for action in actions]
    changes = []
    for role in Role:
        own = roles.OWN_ONLY.get(role, frozenset())
        lost = [action for action in order if action in before[role] - after[role]]
        gained = [action for action in order if action in after[role] - before[role]]
        if lost or gained:
            changes.append(
                Change(
                    role=role,
                    who=f"{PLURALS[role]} ({_people(people.get(role.value, 0))})",
                    loses=[doing(action, counts, own=action in own) for action in lost],
                    gains=[doing(action, counts, own=action in own) for action in gained],
                )
            )
    return changes


def objections(after: Table) -> list[str]:
    """Returns the conflicts in a table: a permission without the one that it needs."""
    return [
        f"{PLURALS[role]}: “{action.label}” needs “{need.label}”. Tick both, or neither."
        for role in Role
        for _, actions in roles.GROUPS
        for action in actions
        if action in after[role]
        for need in actions_in_order(roles.needed_for(action) - after[role])
    ]


def actions_in_order(actions: frozenset[StudioPermission]) -> list[StudioPermission]:
    """Returns actions in the order of the table."""
    return [action for _, group in roles.GROUPS for action in group if action in actions]


def digest(table: Table) -> str:
    """Returns a short text that changes with any change of the table."""
    text = ";".join(f"{role.value}:{','.join(sorted(table[role]))}" for role in Role)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def changed_from_default(table: Table) -> int:
    """Returns how many cells differ from the defaults."""
    return sum(len(table[role] ^ roles.DEFAULTS[role]) for role in Role)


def reasons() -> list[tuple[str, str]]:
    """Returns the reasons for locked cells, one line per role that has any."""
    lines = [
        (role.label, BEYOND[role]) for role in Role if set(roles.DEFAULTS[Role.ADMIN]) - roles.LIMITS[role]
    ]
    return [(Role.ADMIN.label, KEPT_BY_ADMINS), *lines]


def _row(action: StudioPermission, table: Table) -> PermissionRow:
    return PermissionRow(
        action=action,
        title=action.label,
        meaning=action.meaning,
        cells=[_cell(role, action, table) for role in Role],
    )


def _cell(role: Role, action: StudioPermission, table: Table) -> Cell:
    is_on = action in table[role]
    locked = ""
    if action not in roles.LIMITS[role]:
        locked = BEYOND[role]
    elif action in roles.FLOOR[role]:
        everybody = all(action in roles.FLOOR[other] for other in Role)
        locked = KEPT_BY_ALL if everybody else KEPT_BY_ADMINS
    return Cell(
        role=role,
        value=f"{role.value}:{action}",
        is_on=is_on,
        locked=locked,
        is_changed=is_on is not (action in roles.DEFAULTS[role]),
        is_own_only=action in roles.OWN_ONLY.get(role, frozenset()),
    )


def _people(count: int) -> str:
    return f"{count} {'person' if count == 1 else 'people'}"
