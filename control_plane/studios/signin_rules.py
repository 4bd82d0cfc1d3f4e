"""What a studio asks of a session before it opens: asked by `middleware.StudioScope` alone, at each request.

A session for which an identity provider alone vouches opens the provider's own studio and no other: whoever runs a
provider can say anything of anybody, but only at home.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.http import HttpRequest

from control_plane.accounts.models import User
from control_plane.accounts.sessions import age_s, idle_s, provider_of
from control_plane.common.rows import one
from control_plane.common.scoping import capability_scope
from control_plane.studios.models import IdentityProvider, Membership, Role, SigninPolicy

SECOND_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class Missing(StrEnum):
    """What a session lacks."""

    SECOND_FACTOR = "second_factor"
    OWN_SIGNIN = "own_signin"
    """A provider vouches for it that is not this studio's: to such a session the studio is not there."""
    PROVIDER = "provider"
    """The studio wants its provider to vouch."""
    FRESH = "fresh"
    """The session is older, or was left alone for longer, than the studio allows."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a studio stays closed; `providers` are the ways in that are left."""

    missing: Missing
    providers: tuple[IdentityProvider, ...] = ()


def refusal(request: HttpRequest, role: str | None) -> Refusal | None:
    """Returns why the studio in scope does not open for this session; None where it does.

    Args:
        role: the person's role in the studio; None for an operator, who signs in at the platform and opened the studio
            with a second factor (`services.open_break_glass`).
    """
    policy = one(SigninPolicy, "TRUE")
    provider_id = provider_of(request)
    if policy is None and not provider_id:
        return None
    provider: IdentityProvider | None = None
    if provider_id:
        provider = IdentityProvider.objects.filter(pk=provider_id).first()
        if provider is None:
            return Refusal(Missing.OWN_SIGNIN)
        if not provider.enabled:
            return Refusal(Missing.PROVIDER, _providers())
    if policy is None:
        return None
    if _is_too_old(request, policy):
        return Refusal(Missing.FRESH)
    if role is None:
        return None
    if role == Role.ADMIN:
        return _for_admin(request, policy, provider)
    if policy.provider_only and provider is None:
        return Refusal(Missing.PROVIDER, _providers())
    return None


def reachable(request: HttpRequest, memberships: Iterable[Membership]) -> list[Membership]:
    """Returns those memberships whose studios this session can open at all; asked outside of any studio."""
    found = list(memberships)
    provider_id = provider_of(request)
    if not provider_id:
        return found
    home = provider_studio(provider_id)
    return [item for item in found if item.studio_id == home]


def provider_studio(provider_id: str) -> UUID | None:
    """Returns whose an enabled provider is; None where there is none."""
    with capability_scope("provider_id", provider_id):
        return IdentityProvider.reachable.filter(pk=provider_id).values_list("studio_id", flat=True).first()


def has_second_factor(user: User) -> bool:
    """Says whether an account has a passkey, a security key or an authenticator app."""
    return Authenticator.objects.filter(user=user, type__in=SECOND_FACTORS).exists()


def _for_admin(
    request: HttpRequest, policy: SigninPolicy, provider: IdentityProvider | None
) -> Refusal | None:
    has_factor = isinstance(request.user, User) and has_second_factor(request.user)
    if policy.provider_only and provider is None and not has_factor:
        # With a factor, admins come in past the provider: one that is broken must not lock the studio's owner out.
        return Refusal(Missing.PROVIDER, _providers())
    asked_there = provider is not None and provider.asks_second_factor
    if policy.admins_need_second_factor and not has_factor and not asked_there:
        return Refusal(Missing.SECOND_FACTOR)
    return None


def _is_too_old(request: HttpRequest, policy: SigninPolicy) -> bool:
    too_old = policy.session_hours is not None and age_s(request) > policy.session_hours * 3600
    too_idle = policy.idle_minutes is not None and idle_s(request) > policy.idle_minutes * 60
    return too_old or too_idle


def _providers() -> tuple[IdentityProvider, ...]:
    return tuple(IdentityProvider.objects.filter(enabled=True))
