"""What the list of a studio's people shows: roles, second factors, and when each was last here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.db.models import Count, Q, QuerySet

from control_plane.common.actors import Actor
from control_plane.common.errors import NotFound
from control_plane.studios import access
from control_plane.studios.models import Membership, Role

SECOND_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


@dataclass(frozen=True, slots=True)
class PersonLine:
    """One member. `signed_in_at` None: never."""

    membership_id: UUID
    name: str
    email: str
    role: str
    role_text: str
    has_second_factor: bool
    signed_in_at: datetime | None


def members_found(actor: Actor, wanted: str, role: str) -> QuerySet[Membership]:
    """Returns the members that `actor` may see, by name: of one role, or with `wanted` in name or address."""
    found = access.visible(actor, Membership).select_related("user")
    if wanted:
        found = found.filter(Q(user__display_name__icontains=wanted) | Q(user__email__icontains=wanted))
    if role in Role.values:
        found = found.filter(role=role)
    return found.order_by("user__display_name", "user__email")


def member_for(actor: Actor, membership_id: UUID) -> Membership:
    """Returns one member that `actor` may see.

    Raises:
        NotFound: there is none, or the actor may not know of it.
    """
    found = access.visible(actor, Membership).select_related("user").filter(pk=membership_id).first()
    if found is None:
        raise NotFound
    return found


def role_counts(actor: Actor) -> list[tuple[str, str, int]]:
    """Returns each role, its name, and how many members have it."""
    rows = access.visible(actor, Membership).values_list("role").annotate(Count("pk")).order_by()
    counts = dict(rows)
    return [(role.value, role.label, counts.get(role.value, 0)) for role in Role]


def person_lines(members: Sequence[Membership]) -> list[PersonLine]:
    """Returns the lines of `members`, whose users are loaded: one query for all of them."""
    safe = set(
        Authenticator.objects.filter(
            user_id__in=[item.user_id for item in members], type__in=SECOND_FACTORS
        ).values_list("user_id", flat=True)
    )
    return [
        PersonLine(
            membership_id=item.id,
            name=item.user.get_full_name(),
            email=item.user.email,
            role=item.role,
            role_text=Role(item.role).label,
            has_second_factor=item.user_id in safe,
            signed_in_at=item.user.last_login,
        )
        for item in members
    ]
