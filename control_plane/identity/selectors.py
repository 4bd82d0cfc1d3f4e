"""Reads of identity providers before sign-in."""

from uuid import UUID

from control_plane.common.scoping import capability_scope
from control_plane.identity.models import IdentityProvider


def providers_for(domain: str) -> list[IdentityProvider]:
    """Returns the enabled identity providers, of any studio, that have proven an e-mail domain; by studio id.

    A domain that is only claimed does not count: otherwise anyone could claim a domain and receive its sign-ins.
    """
    with capability_scope("provider_domain", domain):
        found = IdentityProvider.reachable.filter(
            enabled=True, domains__contains=[domain], proven_domains__has_key=domain
        )
        return list(found.order_by("studio_id", "name"))


def enabled_provider(provider_id: UUID) -> IdentityProvider | None:
    """Returns the enabled identity provider with the id of a sign-in link, or None."""
    with capability_scope("provider_id", str(provider_id)):
        found: IdentityProvider | None = IdentityProvider.reachable.filter(pk=provider_id).first()
        return found
