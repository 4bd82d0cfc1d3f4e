"""The rights and roles in the words of a studio's owner. Pure; `access.roles` says what they are worth."""

from collections.abc import Mapping
from datetime import datetime, tzinfo

from control_plane.access.actions import Action
from control_plane.access.decision import Reason, Why
from control_plane.tenancy.models import Role

GROUPS: tuple[tuple[str, tuple[Action, ...]], ...] = (
    ("Watching", (Action.VIEW_CLASS, Action.REPLAY, Action.VIEW_LIVE, Action.ANNOTATE)),
    ("Letting footage out", (Action.SHARE, Action.EXPORT)),
    ("Recording", (Action.RECORD, Action.MANAGE_CLASS)),
    ("Dancers", (Action.VIEW_DANCERS, Action.MANAGE_DANCERS)),
    (
        "Rooms and boxes",
        (Action.VIEW_AGENTS, Action.MANAGE_AGENTS, Action.MANAGE_CAMERAS, Action.MANAGE_ROOMS),
    ),
    (
        "The studio itself",
        (
            Action.VIEW_STUDIO,
            Action.MANAGE_PEOPLE,
            Action.MANAGE_POLICY,
            Action.MANAGE_STUDIO,
            Action.MANAGE_STORAGE,
            Action.VIEW_AUDIT,
            Action.USE_API,
        ),
    ),
)
"""Every right of a person, once, in the order of the table."""

DOING: dict[Action, str] = {
    Action.VIEW_CLASS: "see {classes} in the list",
    Action.REPLAY: "watch {classes}",
    Action.VIEW_LIVE: "watch {rooms} live",
    Action.ANNOTATE: "write notes in {classes}",
    Action.SHARE: "make links to {classes}",
    Action.EXPORT: "download {classes}",
    Action.RECORD: "record in {rooms}",
    Action.MANAGE_CLASS: "look after {classes}",
    Action.VIEW_DANCERS: "see the names of {dancers}",
    Action.MANAGE_DANCERS: "look after {dancers} and say who was in a class",
    Action.VIEW_AGENTS: "see the boxes and cameras",
    Action.MANAGE_AGENTS: "pair and revoke boxes",
    Action.MANAGE_CAMERAS: "change cameras",
    Action.MANAGE_ROOMS: "change rooms",
    Action.VIEW_STUDIO: "come in",
    Action.MANAGE_PEOPLE: "invite people and change their roles",
    Action.MANAGE_POLICY: "change this table",
    Action.MANAGE_STUDIO: "change the studio, how people sign in, and its keys",
    Action.MANAGE_STORAGE: "decide where recordings are kept",
    Action.VIEW_AUDIT: "read the record",
    Action.USE_API: "make keys for programs",
}
"""What somebody does who uses a right, with the number of things it reaches."""

RIGHT_WORDS: dict[Action, str] = {
    Action.VIEW_CLASS: "see it in the list",
    Action.REPLAY: "watch it",
    Action.VIEW_LIVE: "watch it live",
    Action.ANNOTATE: "write notes in it",
    Action.SHARE: "make links to it",
    Action.EXPORT: "download it",
    Action.RECORD: "record",
    Action.MANAGE_CLASS: "look after it",
    Action.VIEW_DANCERS: "see the dancers",
    Action.MANAGE_DANCERS: "look after dancers",
    Action.VIEW_AGENTS: "see boxes and cameras",
    Action.MANAGE_AGENTS: "look after boxes",
    Action.MANAGE_CAMERAS: "look after cameras",
    Action.MANAGE_ROOMS: "look after the room",
    Action.VIEW_STUDIO: "come in",
    Action.MANAGE_PEOPLE: "look after people",
    Action.MANAGE_POLICY: "change the table of roles",
    Action.MANAGE_STUDIO: "change the studio",
    Action.MANAGE_STORAGE: "decide on storage",
    Action.VIEW_AUDIT: "read the record",
    Action.USE_API: "make keys for programs",
    Action.UPLOAD: "deliver footage",
    Action.REPORT: "report its state",
    Action.MAINTAIN: "tidy up",
}
"""A right on one thing, after `may` or `may not`."""

_ON = {"Studio": "the whole studio", "Room": "the room", "ClassSession": "this class"}

PLURALS: dict[Role, str] = {
    Role.ADMIN: "Studio admins",
    Role.INSTRUCTOR: "Instructors",
    Role.VIEWER: "Viewers",
    Role.GUARDIAN: "Guardians",
    Role.PARTNER: "Partners",
}

BEYOND: dict[Role, str] = {
    Role.ADMIN: "Nobody's: these belong to boxes and to the platform.",
    Role.INSTRUCTOR: "Whoever decides this could give themselves everything else. Make this person a studio admin.",
    Role.VIEWER: "Viewers watch and change nothing. For more, give this person another role.",
    Role.GUARDIAN: "Families see classes of their own dancers, and nothing about anybody else's.",
    Role.PARTNER: "Another company is never shown the studio's people, rules or live pictures.",
}
"""Why the platform lets no studio give a right to a role."""

KEPT_BY_ALL = "Everybody who belongs to the studio has this."
KEPT_BY_ADMINS = "Studio admins keep this, so that the studio cannot lock itself out."


def doing(action: Action, counts: Mapping[str, int], *, own: bool = False) -> str:
    """Returns what `action` lets somebody do, such as `watch 14 classes`; `own`: of their own dancers only."""
    numbers = {
        "classes": _number(counts.get("classes", 0), "class", "classes"),
        "rooms": _number(counts.get("rooms", 0), "room", "rooms"),
        "dancers": _number(counts.get("dancers", 0), "dancer", "dancers"),
    }
    if own:
        numbers |= {
            "classes": "classes of their own dancers",
            "rooms": "rooms while their own dancers are in them",
        }
    return DOING[action].format_map(numbers)


def _number(count: int, one: str, many: str) -> str:
    if count == 0:
        return f"any {one} (there is none yet)"
    return f"{count} {one if count == 1 else many}"


def because(reason: Reason, *, zone: tzinfo, by: str = "") -> str:
    """Returns why a decision fell, as a sentence; `by` names the one who gave or denied."""
    until = f" until {_moment(reason.until, zone)}" if reason.until else ""
    given = f", by {by}" if by else ""
    on = _ON.get(reason.thing.rpartition(".")[2], "this")
    role = PLURALS[reason.role] if reason.role else ""
    right = RIGHT_WORDS[reason.action]
    match reason.why:
        case Why.ROLE:
            return f"{role} may {right}."
        case Why.OWN_DANCER:
            return "Answers for a dancer who was in this class."
        case Why.GRANT:
            return f"Was given this for {on}{until}{given}."
        case Why.BREAK_GLASS:
            return f"Was let in as platform support{until}."
        case Why.DENIED:
            return f"Was refused this for {on}{until}{given}."
        case Why.NOT_OWN:
            return "Answers for no dancer who was confirmed in it, or a protected dancer of another family was in it."
        case Why.MACHINE:
            return "A part of the system itself."
        case Why.NOT_A_MEMBER:
            return "Does not belong to the studio."
    return f"{role} may not {right}." if role else "Was not let in for this."


def _moment(at: datetime, zone: tzinfo) -> str:
    local = at.astimezone(zone)
    return f"{local.day} {local:%B %Y, %H:%M}"
