"""Reads of tenancy: a person's memberships outside of any studio; members and invitations inside one."""

from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from control_plane.common.roles import Role
from control_plane.common.rows import fetch_one
from control_plane.common.scoping import (
    capability_scope,
    platform_scope,
    studio_scope,
    user_scope,
)
from control_plane.tenancy.models import Invitation, Membership, Studio


def own_memberships(user_id: UUID) -> list[Membership]:
    """Returns a person's memberships in force, with their studios loaded, by studio name."""
    with user_scope(user_id):
        return list(_own().order_by("studio__name"))


def own_membership(user_id: UUID, *, slug: str) -> Membership | None:
    """Returns a person's membership in the studio with this slug, with the studio loaded; None without one."""
    with user_scope(user_id):
        return fetch_one(
            Membership,
            "studio.slug = %s AND (this.ends_at IS NULL OR this.ends_at > %s)"
            " AND EXISTS (SELECT 1 FROM accounts_user person WHERE person.id = this.user_id AND person.is_active)",
            [slug, timezone.now()],
            joined="studio",
        )


def studios_of_account(user_id: UUID) -> frozenset[UUID]:
    """Returns the studios in which an account has a membership, in force or not, whichever studio is in scope.

    For decisions only: the result must not be shown to anyone but the person.
    """
    with capability_scope("account_memberships", str(user_id)):
        found = Membership.reachable.filter(user_id=user_id).values_list("studio_id", flat=True)
        return frozenset(UUID(str(studio_id)) for studio_id in found)


def admin_memberships(user_id: UUID) -> list[Membership]:
    """Returns the memberships that open the admin site, with their studios loaded."""
    return [item for item in own_memberships(user_id) if item.role == Role.ADMIN]


def studio_ids(reason: str) -> list[UUID]:
    """Returns the ids of all studios, for a sweep named `reason`. Gives no access to their data."""
    with platform_scope(reason):
        return list(Studio.objects.order_by("id").values_list("id", flat=True))


def invitation_of(token_sha256: bytes) -> Invitation | None:
    """Returns the invitation with this token, open or not."""
    with capability_scope("invitation_hash", token_sha256.hex()):
        found: Invitation | None = Invitation.reachable.filter(token_sha256=token_sha256).first()
        return found


def studio_name_of(studio_id: UUID) -> str:
    """Returns the name of a studio, for a page before sign-in."""
    with studio_scope(studio_id):
        return str(Studio.objects.values_list("name", flat=True).get())


def _own() -> QuerySet[Membership]:
    found: QuerySet[Membership] = Membership.own.filter(
        in_force(timezone.now(), "ends_at"), user__is_active=True
    ).select_related("studio")
    return found


def in_force(now: datetime, field: str = "until") -> Q:
    """Returns the condition for rows without an end, or with an end in the future."""
    return Q(**{f"{field}__isnull": True}) | Q(**{f"{field}__gt": now})


def members(now: datetime) -> QuerySet[Membership]:
    """Returns the memberships in force of the studio in scope."""
    found: QuerySet[Membership] = Membership.objects.filter(in_force(now, "ends_at"), user__is_active=True)
    return found


def admin_addresses() -> list[str]:
    """Returns the mail addresses of the admins of the studio in scope, each once, sorted."""
    admins = members(timezone.now()).filter(role=Role.ADMIN)
    return sorted(set(admins.values_list("user__email", flat=True)))
