"""Texts of permissions and roles for a studio's owner. Pure; `access.roles` holds the rules."""

from collections.abc import Mapping

from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role

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
