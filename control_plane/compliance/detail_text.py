"""Texts for the details of an audit event, in terms that a studio's owner knows. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from control_plane.access.roles import ALWAYS_LENT, title
from control_plane.common.dates import format_moment
from control_plane.common.roles import Role
from control_plane.tenancy.audit_events import MEMBER_CHANGED


def detail_texts(action: str, details: Mapping[str, Any]) -> dict[str, str]:
    """Returns the texts that a sentence may use; empty if the event lacks them. Accepts any details, malformed ones too."""
    role, until = _text(details, "role"), _moment(_text(details, "until"))
    reason = " ".join(_text(details, "reason").split())
    return {
        "right": f"“{title(_text(details, 'right'))}”" if details.get("right") else "a permission",
        "role": _role(role) if role else "a role",
        "until": f" until {until}" if until else "",
        "reason": f". Reason: {reason}" if reason else "",
        "change": _changed_member(details) if action == MEMBER_CHANGED else _changed_role(details),
        "lent": _titles(details, "actions", without=ALWAYS_LENT) or f"“{title('view_studio')}”",
    }


def _changed_role(details: Mapping[str, Any]) -> str:
    added, removed = _titles(details, "added"), _titles(details, "removed")
    parts = [f"now also {added}"] if added else []
    parts += [f"no longer {removed}"] if removed else []
    return "; ".join(parts) or "nothing changed"


def _changed_member(details: Mapping[str, Any]) -> str:
    if "ends_at" in details:
        end = _moment(_text(details, "ends_at"))
        return f"it ends {end}" if end else "it does not end"
    before, after = _text(details, "from"), _text(details, "to")
    return f"{_role(before)} before, {_role(after)} now" if before and after else "nothing changed"


def _titles(details: Mapping[str, Any], name: str, *, without: frozenset[str] = frozenset()) -> str:
    found = details.get(name)
    names = [str(item) for item in found] if isinstance(found, list) else []
    return ", ".join(f"“{title(item)}”" for item in names if item not in without)


def _role(name: str) -> str:
    return Role(name).label if name in Role.values else name


def _moment(text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return format_moment(at, name_zone=True)  # an export may be read elsewhere


def _text(details: Mapping[str, Any], name: str) -> str:
    value = details.get(name)
    return value if isinstance(value, str) else ""
