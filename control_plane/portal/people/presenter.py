"""Data of the list of members: roles, and the time and factors of the last sign-in to this studio."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from control_plane.access import access
from control_plane.common.actors import Actor
from control_plane.common.errors import NotFound
from control_plane.common.roles import Role
from control_plane.tenancy.models import Membership


@dataclass(frozen=True, slots=True)
class PersonLine:
    """One member. `last_seen_at` is None before the first visit to this studio, `with_factor` while unknown."""

    membership_id: UUID
    name: str
    email: str
    role: str
    role_text: str
    with_factor: bool | None
    last_seen_at: datetime | None


def members_found(actor: Actor, wanted: str, role: str) -> QuerySet[Membership]:
    """Returns the members that `actor` may see, by name, filtered by role or by `wanted` in name or address."""
    found = access.visible(actor, Membership).select_related("user")
    if wanted:
        found = found.filter(Q(user__display_name__icontains=wanted) | Q(user__email__icontains=wanted))
    if role in Role.values:
        found = found.filter(role=role)
    return found.order_by("user__display_name", "user__email")


def member_for(actor: Actor, membership_id: UUID) -> Membership:
    """Returns one member that `actor` may see.

    Raises:
        NotFound: no such member, or the actor may not see them.
    """
    found = access.visible(actor, Membership).select_related("user").filter(pk=membership_id).first()
    if found is None:
        raise NotFound
    return found


def role_counts(actor: Actor) -> list[tuple[str, str, int]]:
    """Returns each role, its title, and its number of members."""
    rows = access.visible(actor, Membership).values_list("role").annotate(Count("pk")).order_by()
    counts = dict(rows)
    return [(role.value, role.label, counts.get(role.value, 0)) for role in Role]


def person_lines(members: Sequence[Membership]) -> list[PersonLine]:
    """Returns the lines of `members`, whose users are loaded.

    Both facts are about this studio: it must not learn of the account's use elsewhere.
    """
    return [
        PersonLine(
            membership_id=item.id,
            name=item.user.get_full_name(),
            email=item.user.email,
            role=item.role,
            role_text=Role(item.role).label,
            with_factor=item.seen_with_factor,
            last_seen_at=item.last_seen_at,
        )
        for item in members
    ]
