"""What each role may do: as it comes, at most, and at least. Pure data, and functions over it.

A studio changes the table between `FLOOR` and `LIMITS` (`services.set_role_actions`). A right on a single thing may be
given within `RIGHTS_ON` and, again, within the limits of the person's role.
"""

from collections.abc import Iterable

from control_plane.access.actions import Action
from control_plane.common.roles import Role

MACHINE_ACTIONS = frozenset({Action.UPLOAD, Action.REPORT, Action.MAINTAIN})
"""Of boxes and of the control plane itself; no person ever has them."""

FOOTAGE = frozenset(
    {Action.VIEW_CLASS, Action.REPLAY, Action.VIEW_LIVE, Action.ANNOTATE, Action.SHARE, Action.EXPORT}
)
OWN_ONLY: dict[Role, frozenset[Action]] = {Role.GUARDIAN: FOOTAGE}
"""Actions that a role has on things of one's own dancers only, and never throughout the studio."""

NEEDS: dict[Action, frozenset[Action]] = {
    Action.REPLAY: frozenset({Action.VIEW_CLASS}),
    Action.VIEW_LIVE: frozenset({Action.VIEW_CLASS}),
    Action.MANAGE_CLASS: frozenset({Action.VIEW_CLASS}),
    Action.ANNOTATE: frozenset({Action.VIEW_CLASS, Action.REPLAY}),
    Action.SHARE: frozenset({Action.VIEW_CLASS, Action.REPLAY}),
    Action.EXPORT: frozenset({Action.VIEW_CLASS, Action.REPLAY}),
    Action.MANAGE_AGENTS: frozenset({Action.VIEW_AGENTS}),
    Action.MANAGE_CAMERAS: frozenset({Action.VIEW_AGENTS}),
    Action.MANAGE_DANCERS: frozenset({Action.VIEW_DANCERS}),
}
"""Permissions that a permission depends on: a person who may replay a class must be able to see that it exists."""

DEFAULTS: dict[Role, frozenset[Action]] = {
    Role.ADMIN: frozenset(Action) - MACHINE_ACTIONS,
    Role.INSTRUCTOR: frozenset(
        {
            Action.VIEW_STUDIO,
            Action.VIEW_AGENTS,
            Action.RECORD,
            Action.VIEW_CLASS,
            Action.MANAGE_CLASS,
            Action.REPLAY,
            Action.VIEW_LIVE,
            Action.ANNOTATE,
            Action.VIEW_DANCERS,
        }
    ),
    Role.VIEWER: frozenset({Action.VIEW_STUDIO, Action.VIEW_CLASS, Action.REPLAY}),
    Role.GUARDIAN: frozenset({Action.VIEW_STUDIO}),
    Role.PARTNER: frozenset({Action.VIEW_STUDIO, Action.USE_API}),
}

LIMITS: dict[Role, frozenset[Action]] = {
    Role.ADMIN: DEFAULTS[Role.ADMIN],
    # Whoever decides about people or rules could give themselves the rest: that makes an admin.
    Role.INSTRUCTOR: DEFAULTS[Role.ADMIN]
    - {Action.MANAGE_STUDIO, Action.MANAGE_PEOPLE, Action.MANAGE_POLICY, Action.MANAGE_STORAGE},
    Role.VIEWER: FOOTAGE | {Action.VIEW_STUDIO, Action.VIEW_AGENTS, Action.RECORD, Action.VIEW_DANCERS},
    # The pages of dancers hold the staff's notes: not for families, not even about their own.
    Role.GUARDIAN: FOOTAGE | {Action.VIEW_STUDIO},
    Role.PARTNER: (FOOTAGE - {Action.VIEW_LIVE, Action.SHARE})
    | {Action.VIEW_STUDIO, Action.VIEW_AGENTS, Action.RECORD, Action.USE_API},
}

FLOOR: dict[Role, frozenset[Action]] = {
    role: frozenset({Action.VIEW_STUDIO})
    | ({Action.MANAGE_POLICY, Action.MANAGE_PEOPLE, Action.VIEW_AUDIT} if role is Role.ADMIN else frozenset())
    for role in Role
}
"""Permissions that a role always has: a studio must not lock itself out of its own policy, people and audit log."""

_ON_A_CLASS = FOOTAGE | {Action.MANAGE_CLASS, Action.RECORD}
_ON_A_ROOM = _ON_A_CLASS | {Action.MANAGE_ROOMS, Action.VIEW_AGENTS, Action.MANAGE_CAMERAS}
RIGHTS_ON: dict[str, frozenset[Action]] = {
    "recordings.ClassSession": _ON_A_CLASS,
    "tenancy.Room": _ON_A_ROOM,
    "tenancy.Studio": _ON_A_ROOM | {Action.MANAGE_AGENTS, Action.VIEW_DANCERS, Action.MANAGE_DANCERS},
}
"""Permissions that can be granted or denied on one object. Those on people, policy, storage and audit come from roles."""

BREAK_GLASS_ACTIONS = DEFAULTS[Role.ADMIN] - {
    Action.MANAGE_PEOPLE,
    Action.MANAGE_POLICY,
    Action.MANAGE_DANCERS,
    # An identity provider makes admins, a store is given all footage to come, and a box is told the cameras' passwords.
    Action.MANAGE_STUDIO,
    Action.MANAGE_STORAGE,
    Action.MANAGE_AGENTS,
    Action.SHARE,
    Action.EXPORT,
    Action.USE_API,
}
"""Permissions of break-glass access: none whose effect outlasts it, none that takes data out of the studio."""

AGENT_ACTIONS = frozenset({Action.UPLOAD, Action.REPORT})
SYSTEM_ACTIONS = frozenset({Action.MAINTAIN, Action.VIEW_STUDIO, Action.UPLOAD})

MEANINGS: dict[Action, str] = {
    Action.VIEW_STUDIO: "Open the studio's pages and see its rooms.",
    Action.MANAGE_STUDIO: "Change the studio's name, sign-in and encryption keys.",
    Action.MANAGE_ROOMS: "Add, rename and remove rooms.",
    Action.MANAGE_PEOPLE: "Invite people, change their roles, and grant permissions on single classes and rooms.",
    Action.VIEW_AGENTS: "See agents, cameras and their status.",
    Action.MANAGE_AGENTS: "Pair, rename and revoke agents.",
    Action.MANAGE_CAMERAS: "Add, change and remove cameras.",
    Action.RECORD: "Start and stop recording a class.",
    Action.VIEW_CLASS: "See that a class was recorded: its title, room, time and state. No pictures.",
    Action.MANAGE_CLASS: "Rename a class and manage its recording.",
    Action.REPLAY: "Watch a recorded class.",
    Action.VIEW_LIVE: "Watch a room while a class runs.",
    Action.ANNOTATE: "Write notes at points in time of a class.",
    Action.SHARE: "Create links by which others watch a class.",
    Action.EXPORT: "Download a class as files.",
    Action.VIEW_DANCERS: "See the dancers' names, the studio's notes about them, and who was in which class.",
    Action.MANAGE_DANCERS: "Add dancers, name their guardians, and confirm rosters.",
    Action.MANAGE_POLICY: "Set what each role may do, and what raises an alert.",
    Action.MANAGE_STORAGE: "Choose where recordings are stored.",
    Action.VIEW_AUDIT: "Read who did and saw what.",
    Action.USE_API: "Create keys by which API clients use some of one's own permissions.",
    Action.UPLOAD: "Upload footage. For agents only.",
    Action.REPORT: "Report an agent's status. For agents only.",
    Action.MAINTAIN: "Run maintenance. For the platform only.",
}

TITLES: dict[Action, str] = {
    Action.VIEW_CLASS: "See the list of classes",
    Action.REPLAY: "Watch recorded classes",
    Action.VIEW_LIVE: "Watch live",
    Action.ANNOTATE: "Annotate classes",
    Action.SHARE: "Share classes",
    Action.EXPORT: "Export classes",
    Action.RECORD: "Record classes",
    Action.MANAGE_CLASS: "Manage classes",
    Action.VIEW_DANCERS: "View dancers",
    Action.MANAGE_DANCERS: "Manage dancers",
    Action.VIEW_AGENTS: "View agents and cameras",
    Action.MANAGE_AGENTS: "Manage agents",
    Action.MANAGE_CAMERAS: "Manage cameras",
    Action.MANAGE_ROOMS: "Manage rooms",
    Action.VIEW_STUDIO: "Open the studio",
    Action.MANAGE_PEOPLE: "Manage people",
    Action.MANAGE_POLICY: "Manage roles and policies",
    Action.MANAGE_STUDIO: "Manage the studio",
    Action.MANAGE_STORAGE: "Manage storage",
    Action.VIEW_AUDIT: "Read the audit log",
    Action.USE_API: "Create API keys",
}
"""Titles of permissions on pages and in the audit log; `MEANINGS` explains each in a sentence."""

ROLE_MEANINGS: dict[Role, str] = {
    Role.ADMIN: "Runs the studio: decides who belongs to it and what each role may do.",
    Role.INSTRUCTOR: "Teaches: records classes, watches them live and again, and notes moments.",
    Role.VIEWER: "Watches recorded classes, and changes nothing.",
    Role.GUARDIAN: "Answers for a dancer: sees classes with a confirmed roster that this dancer is on, and no others.",
    Role.PARTNER: "Another company or program that works with the studio, with no more than it is given.",
}


def title(action: str) -> str:
    """Returns what pages call a right; one that no person has by its own name."""
    known = Action(action) if action in Action._value2member_map_ else None
    return TITLES[known] if known in TITLES else action.replace("_", " ")


def needed_for(action: Action) -> frozenset[Action]:
    """Returns `action` and what it is no use without."""
    return NEEDS.get(action, frozenset()) | {action}


def granting(action: Action) -> frozenset[Action]:
    """Returns the actions that, given on a thing, give `action` too: who is given replay may see the class."""
    return frozenset(other for other in Action if action in needed_for(other))


def denying(action: Action) -> frozenset[Action]:
    """Returns the actions that, denied on a thing, deny `action` too: who may not replay may not export either."""
    return needed_for(action)


def effective(role: Role, chosen: Iterable[str] | None) -> frozenset[Action]:
    """Returns what a role allows in a studio that chose `chosen` for it (None: nothing, so the defaults)."""
    if chosen is None:
        return DEFAULTS[role]
    known = frozenset(action for action in Action if action.value in set(chosen))
    return (known & LIMITS[role]) | FLOOR[role]


def objections(role: Role, actions: frozenset[Action]) -> list[str]:
    """Returns why a role cannot have exactly `actions`, a sentence for each; empty: it can."""
    found = [
        f"{_words(action)} is beyond what the platform lets a studio give to: {role.label}."
        for action in _sorted(actions - LIMITS[role])
    ]
    found += [
        f"{_words(action)} cannot be taken from: {role.label}." for action in _sorted(FLOOR[role] - actions)
    ]
    return found + missing_needs(actions)


def missing_needs(actions: frozenset[Action]) -> list[str]:
    """Returns a sentence for each action that is no use without another that is not among `actions`."""
    return [
        f"{_words(action)} needs {_words(need).lower()}; choose both or neither."
        for action in _sorted(actions)
        for need in _sorted(needed_for(action) - actions)
    ]


def _words(action: Action) -> str:
    return action.value.replace("_", " ").capitalize()


def _sorted(actions: frozenset[Action]) -> list[Action]:
    return [action for action in Action if action in actions]
