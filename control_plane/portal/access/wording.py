"""Texts of permissions and roles for a studio's owner. Pure; `access.roles` holds the rules."""

from collections.abc import Mapping
from datetime import tzinfo

from django.utils.translation import gettext as _

from control_plane.access.decision import Reason, ReasonCode
from control_plane.access.sources import by_code
from control_plane.common.dates import format_moment
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role

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


def doing(action: StudioPermission, counts: Mapping[str, int], *, own: bool = False) -> str:
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
    return action.phrase.format_map(numbers)


def _number(count: int, one: str, many: str) -> str:
    if count == 0:
        return f"any {one} (there is none yet)"
    return f"{count} {one if count == 1 else many}"


def because(reason: Reason, *, zone: tzinfo, by: str = "") -> str:
    """Returns the reason of a decision as a sentence; `by` names the person who granted or denied."""
    until = f" until {format_moment(reason.until, zone)}" if reason.until else ""
    given = f", by {by}" if by else ""
    on = _ON.get(reason.object_label.rpartition(".")[2], "this")
    role = PLURALS[reason.role] if reason.role else ""
    phrase = reason.action.phrase_on_one
    match reason.code:
        case ReasonCode.ROLE:
            return f"{role} may {phrase}."
        case ReasonCode.GRANT:
            return _("Granted for %(on)s%(until)s%(given)s.") % {"on": on, "until": until, "given": given}
        case ReasonCode.BREAK_GLASS:
            return _("Break-glass access%(until)s.") % {"until": until}
        case ReasonCode.DENIED:
            return _("Denied for %(on)s%(until)s%(given)s.") % {"on": on, "until": until, "given": given}
        case ReasonCode.NOT_OWN:
            return _(
                "Guardian of no confirmed dancer of this class, or a protected dancer of another "
                "family took part."
            )
        case ReasonCode.MACHINE:
            return _("Part of the system.")
        case ReasonCode.NOT_A_MEMBER:
            return _("Not a member of the studio.")
    if (source := by_code(reason.code)) is not None:
        return str(source.text)
    return f"{role} may not {phrase}." if role else "No access."
