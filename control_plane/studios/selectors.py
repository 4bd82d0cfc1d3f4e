"""Reads of tenancy: before a studio is open, a person's own memberships; inside, its people and rooms."""

from uuid import UUID

from control_plane.common.scoping import capability_scope, platform_scope, user_scope
from control_plane.studios.models import IdentityProvider, Invitation, Membership, Role, Studio, StudioKey


def own_memberships(user_id: UUID) -> list[Membership]:
    """Returns a person's memberships with their studios loaded, by the studio's name."""
    with user_scope(user_id):
        return list(Membership.own.select_related("studio").order_by("studio__name"))


def own_membership(user_id: UUID, *, slug: str) -> Membership | None:
    """Returns a person's membership in the studio at `slug`, its studio loaded; None for a stranger."""
    with user_scope(user_id):
        membership: Membership | None = (
            Membership.own.select_related("studio").filter(studio__slug=slug).first()
        )
        return membership


def admin_memberships(user_id: UUID) -> list[Membership]:
    """Returns the memberships that open the admin site, their studios loaded."""
    return [item for item in own_memberships(user_id) if item.role == Role.ADMIN]


def studio_ids(reason: str) -> list[UUID]:
    """Returns the ids of all studios for a sweep (`reason` says which); nothing inside them can be read."""
    with platform_scope(reason):
        return list(Studio.objects.order_by("id").values_list("id", flat=True))


def current_key() -> StudioKey:
    """Returns the generation of the studio's keys that boxes seal to now.

    Raises:
        StudioKey.DoesNotExist: the studio has none, which `services.create_studio` rules out.
    """
    key: StudioKey = StudioKey.objects.get(retired_at__isnull=True)
    return key


def invitation_of(token_sha256: bytes) -> Invitation | None:
    """Returns the invitation whose link holds this token, whatever has become of it."""
    with capability_scope("invitation_hash", token_sha256.hex()):
        found: Invitation | None = Invitation.reachable.filter(token_sha256=token_sha256).first()
        return found


def providers_for(domain: str) -> list[IdentityProvider]:
    """Returns the enabled identity providers, of any studio, that speak for an e-mail domain."""
    with capability_scope("provider_domain", domain):
        return list(IdentityProvider.reachable.filter(enabled=True, domains__contains=[domain]))
