"""Texts of permissions and roles for a studio's owner. Pure; `access.roles` holds the rules."""

from collections.abc import Mapping
from datetime import datetime, tzinfo

from django.utils.translation import gettext as _

from control_plane.access.actions import Action
from control_plane.access.decision import Reason, Why
from control_plane.common.roles import Role

GROUPS: tuple[tuple[str, tuple[Action, ...]], ...] = (
    ("Viewing", (Action.VIEW_CLASS, Action.REPLAY, Action.VIEW_LIVE, Action.ANNOTATE)),
    ("Sharing and export", (Action.SHARE, Action.EXPORT)),
    ("Recording", (Action.RECORD, Action.MANAGE_CLASS)),
    ("Dancers", (Action.VIEW_DANCERS, Action.MANAGE_DANCERS)),
    (
        "Rooms and agents",
        (Action.VIEW_AGENTS, Action.MANAGE_AGENTS, Action.MANAGE_CAMERAS, Action.MANAGE_ROOMS),
    ),
    (
        "Studio",
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
    Action.SHARE: "share {classes}",
    Action.EXPORT: "export {classes}",
    Action.RECORD: "record in {rooms}",
    Action.MANAGE_CLASS: "manage {classes}",
    Action.VIEW_DANCERS: "see the names of {dancers}",
    Action.MANAGE_DANCERS: "manage {dancers} and rosters",
    Action.VIEW_AGENTS: "view agents and cameras",
    Action.MANAGE_AGENTS: "manage agents",
    Action.MANAGE_CAMERAS: "manage cameras",
    Action.MANAGE_ROOMS: "manage rooms",
    Action.VIEW_STUDIO: "open the studio",
    Action.MANAGE_PEOPLE: "manage people and their roles",
    Action.MANAGE_POLICY: "manage roles and policies",
    Action.MANAGE_STUDIO: "manage the studio, sign-in and keys",
    Action.MANAGE_STORAGE: "manage storage",
    Action.VIEW_AUDIT: "view the audit log",
    Action.USE_API: "create API keys",
}
"""Each permission as a verb phrase, with the number of objects that it covers."""

RIGHT_WORDS: dict[Action, str] = {
    Action.VIEW_CLASS: "see it in the list",
    Action.REPLAY: "watch it",
    Action.VIEW_LIVE: "watch it live",
    Action.ANNOTATE: "write notes in it",
    Action.SHARE: "share it",
    Action.EXPORT: "export it",
    Action.RECORD: "record",
    Action.MANAGE_CLASS: "manage it",
    Action.VIEW_DANCERS: "view dancers",
    Action.MANAGE_DANCERS: "manage dancers",
    Action.VIEW_AGENTS: "view agents and cameras",
    Action.MANAGE_AGENTS: "manage agents",
    Action.MANAGE_CAMERAS: "manage cameras",
    Action.MANAGE_ROOMS: "manage the room",
    Action.VIEW_STUDIO: "open the studio",
    Action.MANAGE_PEOPLE: "manage people",
    Action.MANAGE_POLICY: "manage roles and policies",
    Action.MANAGE_STUDIO: "manage the studio",
    Action.MANAGE_STORAGE: "manage storage",
    Action.VIEW_AUDIT: "view the audit log",
    Action.USE_API: "create API keys",
    Action.UPLOAD: "upload footage",
    Action.REPORT: "report its state",
    Action.MAINTAIN: "run maintenance",
}
"""Each permission on one object, after `may` or `may not`."""

_ON = {"Studio": "the whole studio", "Room": "the room", "ClassSession": "this class"}

PLURALS: dict[Role, str] = {
    Role.ADMIN: "Studio admins",
    Role.INSTRUCTOR: "Instructors",
    Role.VIEWER: "Viewers",
    Role.GUARDIAN: "Guardians",
    Role.PARTNER: "Partners",
}

BEYOND: dict[Role, str] = {
    Role.ADMIN: "Reserved for agents and the platform.",
    Role.INSTRUCTOR: "This permission would let the role grant itself all others. Make this person a studio admin.",
    Role.VIEWER: "Viewers cannot manage the studio. Give this person another role.",
    Role.GUARDIAN: "Guardians see only the classes of their own dancers.",
    Role.PARTNER: "Partners never see the studio's people, policies or live view.",
}
"""Why a studio cannot give a permission to a role."""

KEPT_BY_ALL = "All members of the studio have this permission."
KEPT_BY_ADMINS = "Studio admins keep this permission, so that the studio cannot lock itself out."


def doing(action: Action, counts: Mapping[str, int], *, own: bool = False) -> str:
    """Returns the effect of `action` as a phrase, such as `watch 14 classes`; `own`: of their own dancers only."""
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
    """Returns the reason of a decision as a sentence; `by` names the person who granted or denied."""
    until = f" until {_moment(reason.until, zone)}" if reason.until else ""
    given = f", by {by}" if by else ""
    on = _ON.get(reason.thing.rpartition(".")[2], "this")
    role = PLURALS[reason.role] if reason.role else ""
    right = RIGHT_WORDS[reason.action]
    match reason.why:
        case Why.ROLE:
            return f"{role} may {right}."
        case Why.OWN_DANCER:
            return _("Guardian of a dancer in this class.")
        case Why.GRANT:
            return _("Granted for %(on)s%(until)s%(given)s.") % {"on": on, "until": until, "given": given}
        case Why.BREAK_GLASS:
            return _("Break-glass access%(until)s.") % {"until": until}
        case Why.DENIED:
            return _("Denied for %(on)s%(until)s%(given)s.") % {"on": on, "until": until, "given": given}
        case Why.NOT_OWN:
            return _(
                "Guardian of no confirmed dancer of this class, or a protected dancer of another "
                "family took part."
            )
        case Why.MACHINE:
            return _("Part of the system.")
        case Why.NOT_A_MEMBER:
            return _("Not a member of the studio.")
    return f"{role} may not {right}." if role else "No access."


def _moment(at: datetime, zone: tzinfo) -> str:
    local = at.astimezone(zone)
    return f"{local.day} {local:%B %Y, %H:%M}"
