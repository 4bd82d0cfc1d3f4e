"""Sign-in requirements of a studio, checked by `middleware.StudioScope` at each request.

A session that only an identity provider vouches for opens the provider's own studio and no other: the owner of a
provider can make it say anything about anybody, so its word counts at home only.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone

from control_plane.accounts.models import User
from control_plane.accounts.second_factor import has_second_factor
from control_plane.accounts.sessions import age_s, authenticated_at, idle_s, provider_of, used_second_factor
from control_plane.common.roles import Role
from control_plane.common.rows import fetch_one
from control_plane.common.scoping import capability_scope, defer_to_scope_end
from control_plane.identity.models import IdentityProvider, SigninPolicy
from control_plane.tenancy.models import Membership

SEEN_EVERY, FACTOR_EVERY = timedelta(hours=1), timedelta(minutes=5)
"""Minimum time between two updates of a member's last visit, and between updates because the kind of sign-in changed."""
_BEFORE_AUDIT = -1


class Requirement(StrEnum):
    """A requirement that a session does not meet."""

    SECOND_FACTOR = "second_factor"
    OWN_SIGNIN = "own_signin"
    """A provider of another studio vouches for the session. For such a session this studio does not exist."""
    PROVIDER = "provider"
    """The studio requires a sign-in through its provider."""
    FRESH = "fresh"
    """The last sign-in is too long ago, or the session was idle for too long."""
    ENDED = "ended"
    """An admin of the studio ended the member's sessions in it after the last sign-in."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a session is refused, and the `providers` that the person may still sign in through."""

    missing: Requirement
    providers: tuple[IdentityProvider, ...] = ()


class PolicySource:
    """Source for `access` of the sign-in requirements of the studio in scope."""

    def admins_need_second_factor(self) -> bool:
        """Returns whether admins must have a second factor."""
        policy: SigninPolicy | None = SigninPolicy.objects.first()
        return policy is not None and policy.admins_need_second_factor


def refusal(request: HttpRequest, membership: Membership | None) -> Refusal | None:
    """Returns why the studio in scope refuses this session; None if it does not.

    Args:
        membership: the person's membership in the studio; None for an operator, who signed in at the platform and opened
            the studio with a second factor (`access.services.open_break_glass`).
    """
    policy = fetch_one(SigninPolicy, "TRUE")
    provider_id = provider_of(request)
    has_ended = membership is not None and _has_ended(request, membership)
    if policy is None and not provider_id and not has_ended:
        return None
    provider: IdentityProvider | None = None
    if provider_id:
        provider = IdentityProvider.objects.filter(pk=provider_id).first()
        if provider is None:
            return Refusal(Requirement.OWN_SIGNIN)
        if not provider.enabled:
            return Refusal(Requirement.PROVIDER, _providers())
    own = (provider,) if provider else ()
    if has_ended:
        return Refusal(Requirement.ENDED, own)
    if policy is None:
        return None
    if _is_too_old(request, policy):
        return Refusal(Requirement.FRESH, own)
    if membership is None:
        return None
    if membership.role == Role.ADMIN:
        return _for_admin(request, policy, provider)
    if policy.provider_only and provider is None:
        return Refusal(Requirement.PROVIDER, _providers())
    return None


def record_visit(request: HttpRequest, membership: Membership) -> None:
    """Updates the member's last visit to the studio in scope, at most once per `SEEN_EVERY`.

    The studio learns no more than this about visits and second factors: the person's sessions elsewhere are private.
    """
    now = timezone.now()
    since = now - membership.last_seen_at if membership.last_seen_at else SEEN_EVERY
    if since < FACTOR_EVERY:
        return
    with_factor = used_second_factor(request) or _provider_asks(provider_of(request))
    if since < SEEN_EVERY and with_factor == membership.seen_with_factor:
        return
    # Deferred to just before the audit events: a service that locks the studio first must not wait for this row.
    defer_to_scope_end(partial(_store_visit, membership, now, with_factor), order=_BEFORE_AUDIT)


def reachable(request: HttpRequest, memberships: Iterable[Membership]) -> list[Membership]:
    """Returns the memberships whose studios this session may open. Outside of any studio's scope."""
    found = list(memberships)
    provider_id = provider_of(request)
    if not provider_id:
        return found
    home = provider_studio(provider_id)
    return [item for item in found if item.studio_id == home]


def provider_studio(provider_id: str) -> UUID | None:
    """Returns the id of the studio that an enabled provider belongs to, or None."""
    with capability_scope("provider_id", provider_id):
        return IdentityProvider.reachable.filter(pk=provider_id).values_list("studio_id", flat=True).first()


def _for_admin(
    request: HttpRequest, policy: SigninPolicy, provider: IdentityProvider | None
) -> Refusal | None:
    has_factor = isinstance(request.user, User) and has_second_factor(request.user)
    if policy.provider_only and provider is None and not has_factor:
        # Admins with a second factor may bypass the provider: a broken one must not lock the studio's owner out.
        return Refusal(Requirement.PROVIDER, _providers())
    asked_there = provider is not None and provider.asks_second_factor
    if policy.admins_need_second_factor and not has_factor and not asked_there:
        return Refusal(Requirement.SECOND_FACTOR)
    return None


def _store_visit(membership: Membership, now: datetime, with_factor: bool) -> None:
    Membership.objects.filter(pk=membership.pk).update(last_seen_at=now, seen_with_factor=with_factor)


def _provider_asks(provider_id: str) -> bool:
    asking = IdentityProvider.objects.filter(pk=provider_id, asks_second_factor=True) if provider_id else None
    return asking is not None and asking.exists()


def _has_ended(request: HttpRequest, membership: Membership) -> bool:
    begins = membership.signin_not_before
    return begins is not None and authenticated_at(request) < begins.timestamp()


def _is_too_old(request: HttpRequest, policy: SigninPolicy) -> bool:
    too_old = policy.session_hours is not None and age_s(request) > policy.session_hours * 3600
    too_idle = policy.idle_minutes is not None and idle_s(request) > policy.idle_minutes * 60
    return too_old or too_idle


def _providers() -> tuple[IdentityProvider, ...]:
    return tuple(IdentityProvider.objects.filter(enabled=True))
