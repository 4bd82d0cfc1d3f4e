"""Scoped reads of access: break-glass access and grants on single objects."""

from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from control_plane.access.facts import open_break_glass
from control_plane.access.models import BreakGlass, ObjectPermission
from control_plane.common.scoping import user_scope


def own_break_glass(user_id: UUID, *, slug: str) -> BreakGlass | None:
    """Returns an operator's open break-glass access to the studio at `slug` that lasts longest, with its studio loaded."""
    return next((glass for glass in own_break_glasses(user_id) if glass.studio.slug == slug), None)


def own_break_glasses(user_id: UUID) -> list[BreakGlass]:
    """Returns an operator's open break-glass access with studios loaded, the one that lasts longest first."""
    with user_scope(user_id):
        found = open_break_glass(timezone.now(), BreakGlass.own.all())
        return list(found.select_related("studio").order_by("-ends_at"))


def break_glasses() -> QuerySet[BreakGlass]:
    """Returns all break-glass access to the studio in scope, newest first, operators loaded. Require access first."""
    found: QuerySet[BreakGlass] = BreakGlass.objects.select_related("operator").order_by("-created_at")
    return found


def open_break_glasses() -> list[BreakGlass]:
    """Returns the open break-glass access to the studio in scope, for members who manage people."""
    return list(open_break_glass(timezone.now()).select_related("operator").order_by("ends_at"))


def grants_of(user_id: UUID) -> QuerySet[ObjectPermission]:
    """Returns a person's grants and denials in the studio in scope, ended ones included, newest first.

    `facts.grant_target` reads each. Require access first.
    """
    found: QuerySet[ObjectPermission] = (
        ObjectPermission.objects.filter(user_id=user_id)
        .select_related("permission", "content_type")
        .order_by("-given_at", "id")
    )
    return found
