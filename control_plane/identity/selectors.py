"""Reads of identity providers before anybody is signed in."""

from uuid import UUID

from control_plane.common.scoping import capability_scope
from control_plane.identity.models import IdentityProvider


def providers_for(domain: str) -> list[IdentityProvider]:
    """Return the enabled identity providers, of any studio, that have proven an e-mail domain; by the studio's id.

    A domain that a studio merely claims leads to none: else an address would be sent to the provider of whoever names its
    domain first.
    """
    with capability_scope("provider_domain", domain):
        found = IdentityProvider.reachable.filter(
            enabled=True, domains__contains=[domain], proven_domains__has_key=domain
        )
        return list(found.order_by("studio_id", "name"))


def provider_named(provider_id: UUID) -> IdentityProvider | None:
    """Return an enabled identity provider by the id in its sign-in link; None where there is none."""
    with capability_scope("provider_id", str(provider_id)):
        found: IdentityProvider | None = IdentityProvider.reachable.filter(pk=provider_id).first()
        return found
