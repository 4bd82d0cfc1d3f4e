"""Permissions of each role: by default, at most, and always; read from the permissions that the apps declare.

A studio changes the table between `FLOOR` and `LIMITS` (`services.set_role_actions`). A permission on one object can be
granted within `GRANTABLE_ON` and, again, within the limits of the person's role.
"""

from collections.abc import Iterable

from control_plane.common.actors import ActorKind
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role

Permissions = frozenset[StudioPermission]
_ALL = StudioPermission.all()

MACHINE_PERMISSIONS: Permissions = frozenset(one for one in _ALL if not one.is_for_people)
"""Of agents and of the control plane itself; no person ever has them."""
AGENT_PERMISSIONS: Permissions = frozenset(one for one in _ALL if ActorKind.AGENT in one.holders)
SYSTEM_PERMISSIONS: Permissions = frozenset(one for one in _ALL if ActorKind.SYSTEM in one.holders)

FOOTAGE: Permissions = frozenset(one for one in _ALL if one.footage)
OWN_ONLY: dict[Role, Permissions] = {Role.GUARDIAN: FOOTAGE}
"""Permissions that a role has on objects of one's own dancers only, and never throughout the studio."""

DEFAULTS: dict[Role, Permissions] = {
    role: frozenset(one for one in _ALL if one.is_default_of(role)) for role in Role
}
LIMITS: dict[Role, Permissions] = {
    role: frozenset(one for one in _ALL if one.is_available_to(role)) for role in Role
}
FLOOR: dict[Role, Permissions] = {role: frozenset(one for one in _ALL if role in one.always) for role in Role}
"""Permissions that a role always has: a studio must not lock itself out of its own policy, people and audit log."""

GRANTABLE_ON: dict[str, Permissions] = {
    label: frozenset(one for one in _ALL if label in one.grantable_on)
    for label in sorted({label for one in _ALL for label in one.grantable_on})
}
"""Permissions that can be granted or denied on one object. Those on people, policy, storage and audit come from roles."""

BREAK_GLASS_PERMISSIONS: Permissions = frozenset(one for one in _ALL if one.break_glass)
"""Permissions of break-glass access: none whose effect outlasts it, none that takes data out of the studio."""

ALWAYS_LENT: Permissions = frozenset(one for one in _ALL if one.in_every_key)
"""Scopes of every API key in addition to the chosen ones; no call is answered without them."""

GROUPS: tuple[tuple[str, tuple[StudioPermission, ...]], ...] = tuple(
    (group.title, tuple(one for one in _ALL if one.group == group))
    for group in sorted({one.group for one in _ALL if one.group is not None}, key=lambda group: group.order)
)
"""The permissions of people by the title of their group, in the order of the table of roles."""

ROLE_MEANINGS: dict[Role, str] = {
    Role.ADMIN: "Runs the studio: decides who belongs to it and what each role may do.",
    Role.INSTRUCTOR: "Teaches: records classes, watches them live and again, and notes moments.",
    Role.VIEWER: "Watches recorded classes, and changes nothing.",
    Role.GUARDIAN: "Answers for a dancer: sees classes with a confirmed roster that this dancer is on, and no others.",
    Role.PARTNER: "Another company or program that works with the studio, with no more than it is given.",
}


def title(action: str) -> str:
    """Return the name of a permission on pages; the code, for one that no app declares."""
    known = StudioPermission.get(action)
    return known.label if known else action.replace("_", " ")


def needed_for(action: StudioPermission) -> Permissions:
    """Return `action` and the permissions without which it is of no use."""
    return action.needs | {action}


def granting(action: StudioPermission) -> Permissions:
    """Return the permissions whose grant on an object grants `action` too: a grant of replay shows the class."""
    return frozenset(other for other in _ALL if action in needed_for(other))


def denying(action: StudioPermission) -> Permissions:
    """Return the permissions whose denial on an object denies `action` too: without replay there is no export."""
    return needed_for(action)


def effective(role: Role, chosen: Iterable[str] | None) -> Permissions:
    """Return the permissions of a role in a studio that chose `chosen` for it (None: nothing, so the defaults)."""
    if chosen is None:
        return DEFAULTS[role]
    known = frozenset(one for code in chosen if (one := StudioPermission.get(code)) is not None)
    return (known & LIMITS[role]) | FLOOR[role]


def objections(role: Role, actions: Permissions) -> list[str]:
    """Return why a role cannot have exactly `actions`, a sentence for each; empty: it can."""
    found = [
        f"{_words(action)} is beyond what the platform lets a studio give to: {role.label}."
        for action in _sorted(actions - LIMITS[role])
    ]
    found += [
        f"{_words(action)} cannot be taken from: {role.label}." for action in _sorted(FLOOR[role] - actions)
    ]
    return found + missing_needs(actions)


def missing_needs(actions: Permissions) -> list[str]:
    """Return a sentence for each permission that is of no use without another that is not among `actions`."""
    return [
        f"{_words(action)} needs {_words(need).lower()}; choose both or neither."
        for action in _sorted(actions)
        for need in _sorted(needed_for(action) - actions)
    ]


def _words(action: StudioPermission) -> str:
    return action.code.replace("_", " ").capitalize()


def _sorted(actions: Permissions) -> list[StudioPermission]:
    return [action for action in _ALL if action in actions]
