"""Sign-in through a studio's identity provider: admits a person, creating account or membership, or refuses."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from allauth.socialaccount.models import SocialAccount
from django.utils import timezone

from control_plane.accounts.models import User
from control_plane.accounts.services import create_user, has_proven_address
from control_plane.administration.services.members import (
    change_role,
    join,
    remove_member,
    set_membership_end,
    suspend_membership,
)
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.identity.audit_events import PROVIDER_OVERRULED
from control_plane.identity.models import GroupRole, IdentityProvider, ProvidedMembership
from control_plane.plans.rate_limits import require_unproven_rate
from control_plane.tenancy.models import Membership
from control_plane.tenancy.selectors import in_force

JOB = Actor.system("identity.sso")
SECRET_KIND = "provider-secret"  # noqa: S105  # a name
CONFIRMED_FOR = timedelta(days=30)
"""Longer than any session lives, so an active member signs in through the provider before it expires."""
_HIGHEST_FIRST = (Role.ADMIN, Role.INSTRUCTOR, Role.VIEWER, Role.GUARDIAN, Role.PARTNER)


@dataclass(frozen=True, slots=True)
class ProviderClaims:
    """A provider's claims about a person. Their signature has been verified."""

    address: str
    verified: bool
    name: str
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Admission:
    """The person to sign in, or None and the reason, for the log."""

    user: User | None
    reason: str = ""


def admit(provider: IdentityProvider, claims: ProviderClaims, *, linked: User | None) -> Admission:
    """Decides whether to sign a person in; creates, changes or ends the membership as the provider's groups say.

    Leaves a membership alone that was made by hand or by another provider. The studio's last admin stays admin.

    Args:
        linked: the account that the provider's id for this person is linked to already.
    """
    user = linked or User.objects.by_address(claims.address)
    if reason := _reason_to_refuse(provider, claims, user):
        return Admission(None, reason)
    with studio_scope(provider.studio_id):
        role = mapped_role(provider, claims.groups)
        membership = Membership.objects.filter(user=user).first() if user else None
        if membership is None:
            return _admit_newcomer(provider, claims, user, role)
        provided = ProvidedMembership.objects.filter(membership=membership, provider=provider).first()
        if provided is None:
            return Admission(user)
        if role is None:
            return _end_membership(membership, user)
        if provided.lapsed_at is not None:
            _revive(provided, membership)
        if role != membership.role:
            _change_unless_last_admin(membership, role)
        return Admission(user)


def end_unconfirmed(studio_id: UUID) -> int:
    """Suspends memberships whose provider has not confirmed the person for `CONFIRMED_FOR`; returns how many.

    Providers do not report people whom they remove. Without this, a password or an API key would go on opening the
    studio to them. Permissions on single objects are kept but do not count, and return at the next sign-in. The last
    admin stays.
    """
    now = timezone.now()
    with studio_scope(studio_id):
        rows = ProvidedMembership.objects.filter(
            in_force(now, "membership__ends_at"), lapsed_at=None
        ).select_related("membership")
        return sum([_lapse(row, now) for row in rows if _last_confirmed_at(row) < now - CONFIRMED_FOR])


def mapped_role(provider: IdentityProvider, groups: AbstractSet[str]) -> Role | None:
    """Returns the highest role that any of the groups maps to, or the provider's default role, or None."""
    found = set(GroupRole.objects.filter(provider=provider, group__in=groups).values_list("role", flat=True))
    for role in _HIGHEST_FIRST:
        if role in found:
            return role
    return Role(provider.default_role) if provider.default_role else None


def _reason_to_refuse(provider: IdentityProvider, claims: ProviderClaims, user: User | None) -> str:
    if not provider.enabled:
        return "the provider is disabled"
    if not claims.address or not claims.verified:
        return "the provider did not verify an e-mail address"
    if not provider.speaks_for(claims.address):
        return "the address is outside the provider's domains"
    if user is None:
        return ""
    if not provider.speaks_for(user.email):
        return "the account's address is outside the provider's domains"
    if not user.is_active:
        return "the account is disabled"
    if user.is_superuser or getattr(user, "is_operator", False):
        return "operators do not sign in through a studio's provider"
    return ""


def _admit_newcomer(
    provider: IdentityProvider, claims: ProviderClaims, user: User | None, role: Role | None
) -> Admission:
    if role is None:
        return Admission(None, "no group of the person has a role")
    if user is not None and not has_proven_address(user):
        # The person who registered the account may not own the address, and would get into this studio with it.
        return Admission(None, "an account has this address, but nobody has proven to own the address")
    owns_domain = provider.has_proven(claims.address)
    if user is not None and not owns_domain:
        # The owner of a provider can make it vouch for anybody, and could so add members of other studios.
        return Admission(
            None, "an account has this address, and the studio has not proven the domain: invite the person"
        )
    if user is None:
        if not owns_domain:
            require_unproven_rate()
        user = create_user(claims.address, actor=JOB, display_name=claims.name, verified=owns_domain)
    membership = join(provider.studio, user, role, JOB)
    ProvidedMembership.objects.create(
        studio_id=provider.studio_id, provider_id=provider.id, membership=membership
    )
    return Admission(user)


def _last_confirmed_at(provided: ProvidedMembership) -> datetime:
    vouched: datetime | None = (
        SocialAccount.objects.filter(user_id=provided.membership.user_id, provider=str(provided.provider_id))
        .values_list("last_login", flat=True)
        .first()
    )
    made: datetime = provided.created_at
    return vouched or made


def _lapse(provided: ProvidedMembership, now: datetime) -> bool:
    try:
        suspend_membership(provided.membership, now, actor=JOB)
    except Conflict:
        return False
    ProvidedMembership.objects.filter(pk=provided.pk).update(lapsed_at=now)
    return True


def _revive(provided: ProvidedMembership, membership: Membership) -> None:
    # If somebody has set another end by hand since, that one stays.
    if membership.ends_at == provided.lapsed_at:
        set_membership_end(membership, None, actor=JOB)
    ProvidedMembership.objects.filter(pk=provided.pk).update(lapsed_at=None)


def _end_membership(membership: Membership, user: User | None) -> Admission:
    if _change_unless_last_admin(membership, None):
        return Admission(None, "no group of the person has a role any more")
    return Admission(user)


def _change_unless_last_admin(membership: Membership, role: Role | None) -> bool:
    try:
        if role is None:
            remove_member(membership, actor=JOB)
        else:
            change_role(membership, role, actor=JOB)
    except Conflict:
        record_for(
            PROVIDER_OVERRULED,
            membership,
            actor=JOB,
            details={"user": str(membership.user_id), "wanted": role.value if role else "none"},
        )
        return False
    return True
