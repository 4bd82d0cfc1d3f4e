"""Writes of sign-in policies and identity providers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from requests import RequestException

from control_plane.access import access
from control_plane.accounts.outbound import require_allowed_url
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest
from control_plane.common.roles import Role
from control_plane.common.saving import check, save_new, save_unless_taken
from control_plane.common.scoping import studio_scope
from control_plane.identity.audit_events import (
    PROVIDER_ADDED,
    PROVIDER_CHANGED,
    PROVIDER_REMOVED,
    SIGNIN_POLICY_CHANGED,
)
from control_plane.identity.models import GroupRole, IdentityProvider, ProviderKind, SigninPolicy
from control_plane.identity.services.sso import SECRET_KIND
from control_plane.keys import vault
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.models import Studio
from control_plane.tenancy.permissions import MANAGE_STUDIO

POLICY_FIELDS = ("admins_need_second_factor", "provider_only", "session_hours", "idle_minutes")
DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
MOST_DOMAINS, MOST_GROUPS, MOST_PROVIDERS = 20, 100, 10


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """An admin's settings for an identity provider. An empty `secret` keeps the stored one, if any."""

    kind: ProviderKind
    name: str
    issuer: str
    domains: Sequence[str]
    client_id: str = ""
    secret: str = field(default="", repr=False)
    sso_url: str = ""
    certificate: str = ""
    group_claim: str = ""
    default_role: Role | None = None
    group_roles: Mapping[str, Role] = field(default_factory=dict)
    asks_second_factor: bool = False
    enabled: bool = True


def change_signin_policy(studio: Studio, *, actor: Actor, **values: Any) -> SigninPolicy:
    """Changes the sign-in policy of a studio.

    Raises:
        BadRequest: an unknown field, a value that breaks a rule, or provider-only without a provider.
        NotFound, Forbidden: `actor` may not manage the studio.
    """
    unknown = set(values) - set(POLICY_FIELDS)
    if unknown:
        raise BadRequest(f"{', '.join(sorted(unknown))} cannot be changed")
    with studio_scope(studio.id):
        access.require(actor, MANAGE_STUDIO, studio)
        policy = SigninPolicy.objects.first() or SigninPolicy(studio=studio)
        for name, value in values.items():
            setattr(policy, name, value)
        check(policy)
        if policy.provider_only and not IdentityProvider.objects.filter(enabled=True).exists():
            raise BadRequest("Add an identity provider first: without one nobody could sign in.")
        policy.save()
        record_for(
            SIGNIN_POLICY_CHANGED,
            policy,
            actor=actor,
            details={name: getattr(policy, name) for name in POLICY_FIELDS},
        )
    return policy


def add_provider(studio: Studio, facts: ProviderFacts, *, actor: Actor) -> IdentityProvider:
    """Adds an identity provider.

    Raises:
        BadRequest: a value breaks a rule; the message names it.
        Conflict: the name is taken.
        NotFound, Forbidden: `actor` may not manage the studio.
        TooManyRequests: too many were added within an hour.
    """
    provider = IdentityProvider(studio=studio, kind=facts.kind)
    with studio_scope(studio.id):
        access.require(actor, MANAGE_STUDIO, studio)
        require_rate(PROVIDER_ADDED, actor=actor)
        if IdentityProvider.objects.count() >= MOST_PROVIDERS:
            raise BadRequest(f"A studio has at most {MOST_PROVIDERS} identity providers.")
        _apply(provider, facts)
        save_new(provider, "There is an identity provider of this name already.")
        _map_groups(provider, facts.group_roles)
        record_for(PROVIDER_ADDED, provider, actor=actor, details=_audited(provider))
    return provider


def change_provider(provider: IdentityProvider, facts: ProviderFacts, *, actor: Actor) -> IdentityProvider:
    """Changes an identity provider, except for its kind.

    Raises:
        BadRequest, Conflict, NotFound, Forbidden: as in `add_provider`.
    """
    with studio_scope(provider.studio_id):
        access.require(actor, MANAGE_STUDIO, provider)
        _apply(provider, facts)
        check(provider)
        _require_signin_possible(provider.enabled, provider)
        save_unless_taken(lambda: provider.save(), "There is an identity provider of this name already.")
        _map_groups(provider, facts.group_roles)
        record_for(PROVIDER_CHANGED, provider, actor=actor, details=_audited(provider))
    return provider


def remove_provider(provider: IdentityProvider, *, actor: Actor) -> None:
    """Removes an identity provider. Memberships that it created stay; sessions that it vouches for open nothing.

    Raises:
        BadRequest: the policy allows providers only, and this is the last one.
        NotFound, Forbidden: `actor` may not manage the studio.
    """
    with studio_scope(provider.studio_id):
        access.require(actor, MANAGE_STUDIO, provider)
        _require_signin_possible(False, provider)
        record_for(PROVIDER_REMOVED, provider, actor=actor, details=_audited(provider))
        IdentityProvider.objects.filter(pk=provider.pk).delete()


def _apply(provider: IdentityProvider, facts: ProviderFacts) -> None:
    provider.name, provider.issuer = facts.name.strip(), facts.issuer.strip().rstrip("/")
    provider.domains = _domains(facts.domains)
    provider.proven_domains = {
        domain: at for domain, at in provider.proven_domains.items() if domain in provider.domains
    }
    provider.group_claim, provider.enabled = facts.group_claim.strip(), facts.enabled
    provider.asks_second_factor = facts.asks_second_factor
    if facts.default_role is Role.ADMIN:
        raise BadRequest("default role: admin is allowed for mapped groups only, not as the default.")
    provider.default_role = facts.default_role.value if facts.default_role else ""
    if provider.kind == ProviderKind.OIDC:
        _require_address("issuer", provider.issuer)
        provider.client_id = facts.client_id.strip()
        if facts.secret:
            secret = facts.secret.strip().encode()
            provider.wrapped_secret = vault.wrap_secret(secret, kind=SECRET_KIND, id_=provider.id)
        if not provider.client_id or not provider.has_secret:
            raise BadRequest("client id and client secret: both are required; the provider issues them.")
    else:
        # A SAML entity id is a name, so a slash at its end is significant.
        provider.issuer = facts.issuer.strip()
        provider.sso_url = facts.sso_url.strip()
        _require_address("sign-in address", provider.sso_url)
        provider.certificate = _certificate(facts.certificate)


def _domains(given: Sequence[str]) -> list[str]:
    found = sorted({item.strip().lower().lstrip("@") for item in given if item.strip()})
    wrong = [item for item in found if not DOMAIN.fullmatch(item)]
    if wrong:
        raise BadRequest(f"domains: {wrong[0]} is not a domain such as school.example.")
    if not 0 < len(found) <= MOST_DOMAINS:
        raise BadRequest(f"domains: enter between one and {MOST_DOMAINS}.")
    return found


def _require_address(name: str, address: str) -> None:
    try:
        require_allowed_url(address)
    except RequestException as error:
        raise BadRequest(f"{name}: {error}.") from error


def _certificate(given: str) -> str:
    text = given.strip()
    if text and "BEGIN CERTIFICATE" not in text:
        text = f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----"
    try:
        x509.load_pem_x509_certificate(text.encode())
    except ValueError as error:
        raise BadRequest("certificate: paste the provider's signing certificate (PEM).") from error
    return text


def _map_groups(provider: IdentityProvider, wanted: Mapping[str, Role]) -> None:
    if len(wanted) > MOST_GROUPS:
        raise BadRequest(f"groups: at most {MOST_GROUPS}.")
    if wanted and not provider.group_claim:
        raise BadRequest("group claim: name the claim that has the groups, or map no groups.")
    GroupRole.objects.filter(provider=provider).delete()
    for group, role in sorted(wanted.items()):
        row = GroupRole(studio_id=provider.studio_id, provider=provider, group=group, role=role)
        check(row)
        row.save(force_insert=True)


def _require_signin_possible(stays: bool, provider: IdentityProvider) -> None:
    others = IdentityProvider.objects.filter(enabled=True).exclude(pk=provider.pk)
    if not stays and SigninPolicy.objects.filter(provider_only=True).exists() and not others.exists():
        raise BadRequest("People sign in through the provider only. Allow passwords again first.")


def _audited(provider: IdentityProvider) -> dict[str, object]:
    """Returns the facts of a provider that its audit events hold."""
    return {"kind": str(provider.kind), "enabled": provider.enabled}
