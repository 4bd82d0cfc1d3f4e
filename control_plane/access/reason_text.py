"""Sentences for the reasons of access decisions, for pages and API clients. The only place that words them."""

from datetime import UTC, tzinfo

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from control_plane.access.decision import Reason, ReasonCode
from control_plane.access.sources import by_code
from control_plane.common.dates import format_moment
from control_plane.common.roles import Role

_ON = {"Studio": "the whole studio", "Room": "the room", "ClassSession": "this class"}

PLURALS: dict[Role, str] = {
    Role.ADMIN: "Studio admins",
    Role.INSTRUCTOR: "Instructors",
    Role.VIEWER: "Viewers",
    Role.GUARDIAN: "Guardians",
    Role.PARTNER: "Partners",
}


_SENTENCES: dict[str, Promise | str] = {
    ReasonCode.NOT_OWN: gettext_lazy(
        "Guardian of no confirmed dancer of this class, or a protected dancer of another family took part."
    ),
    ReasonCode.MACHINE: gettext_lazy("Part of the system."),
    ReasonCode.NOT_A_MEMBER: gettext_lazy("Not a member of the studio."),
    ReasonCode.OUT_OF_SCOPE: gettext_lazy("The API key does not include this permission."),
}
"""Of the reasons that need no details."""


def reason_text(reason: Reason, *, zone: tzinfo = UTC, by: str = "") -> str:
    """Returns the reason of a decision as a sentence.

    Args:
        zone: of the dates.
        by: the name of the person who granted or denied; empty: not named.
    """
    until = f" until {format_moment(reason.until, zone)}" if reason.until else ""
    given = f", by {by}" if by else ""
    on = _ON.get(reason.object_label.rpartition(".")[2], "this")
    match reason.code:
        case ReasonCode.GRANT:
            return _("Granted for %(on)s%(until)s%(given)s.") % {"on": on, "until": until, "given": given}
        case ReasonCode.BREAK_GLASS:
            return _("Break-glass access%(until)s.") % {"until": until}
        case ReasonCode.DENIED:
            return _("Denied for %(on)s%(until)s%(given)s.") % {"on": on, "until": until, "given": given}
    if (text := _SENTENCES.get(reason.code)) is not None:
        return str(text)
    if (source := by_code(reason.code)) is not None:
        return str(source.text)
    return _by_role(reason)


def _by_role(reason: Reason) -> str:
    if reason.role is None:
        return "No access."
    may = "may" if reason.code == ReasonCode.ROLE else "may not"
    return f"{PLURALS[reason.role]} {may} {reason.action.phrase_on_one}."
