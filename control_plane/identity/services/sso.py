"""Sign-in through a studio's identity provider: creates an account or a membership, or refuses."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from allauth.socialaccount.models import SocialAccount
from django.utils import timezone

from control_plane.accounts.models import User
from control_plane.accounts.services import create_user, is_proven
from control_plane.administration.services.members import (
    change_role,
    join,
    remove_member,
    set_aside,
    set_membership_end,
)
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict
from control_plane.common.scoping import studio_scope
from control_plane.identity.models import GroupRole, IdentityProvider, ProvidedMembership
from control_plane.plans.rate_limits import require_unproven_rate
from control_plane.tenancy.models import Membership, Role
from control_plane.tenancy.selectors import in_force

JOB = Actor.system("identity.sso")
SECRET_KIND = "provider-secret"  # noqa: S105  # a name
CONFIRMED_FOR = timedelta(days=30)
"""Longer than any session lives: who uses the studio by the provider is heard of in time."""
_HIGHEST_FIRST = (Role.ADMIN, Role.INSTRUCTOR, Role.VIEWER, Role.GUARDIAN, Role.PARTNER)


@dataclass(frozen=True, slots=True)
class Said:
    """A provider's claims about a person; the signature has been verified."""

    address: str
    verified: bool
    name: str
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """Who is let in; None, and why, for the log."""

    user: User | None
    reason: str = ""


def admit(provider: IdentityProvider, said: Said, *, linked: User | None) -> Answer:
    """Returns whom to sign in, after making, changing or ending the membership as the provider's groups say.

    A membership made by hand, or by another provider, is left as it is. The studio's last admin stays admin.

    Args:
        linked: whom the provider's own id for the person was tied to before.
    """
    user = linked or User.objects.by_address(said.address)
    if reason := _reason_against(provider, said, user):
        return Answer(None, reason)
    with studio_scope(provider.studio_id):
        role = mapped_role(provider, said.groups)
        membership = Membership.objects.filter(user=user).first() if user else None
        if membership is None:
            return _newcomer(provider, said, user, role)
        provided = ProvidedMembership.objects.filter(membership=membership, provider=provider).first()
        if provided is None:
            return Answer(user)
        if role is None:
            return _leaver(membership, user)
        if provided.lapsed_at is not None:
            _revive(provided, membership)
        if role != membership.role:
            _unless_last_admin(membership, role)
        return Answer(user)


def end_unconfirmed(studio_id: UUID) -> int:
    """Ends memberships whose provider has not vouched for the person for `CONFIRMED_FOR`; returns how many.

    A provider says nothing of whom it removes: without this, a key of the API or a password would open the studio to
    them for as long as it lasts. Rights on single things are kept, uncounted, and come back at the next sign-in there.
    The last admin stays.
    """
    now = timezone.now()
    with studio_scope(studio_id):
        rows = ProvidedMembership.objects.filter(
            in_force(now, "membership__ends_at"), lapsed_at=None
        ).select_related("membership")
        return sum([_lapse(row, now) for row in rows if _heard_of_at(row) < now - CONFIRMED_FOR])


def mapped_role(provider: IdentityProvider, groups: AbstractSet[str]) -> Role | None:
    """Returns the highest role that any of the groups maps to, else the provider's default, else None."""
    found = set(GroupRole.objects.filter(provider=provider, group__in=groups).values_list("role", flat=True))
    for role in _HIGHEST_FIRST:
        if role in found:
            return role
    return Role(provider.default_role) if provider.default_role else None


def _reason_against(provider: IdentityProvider, said: Said, user: User | None) -> str:
    if not provider.enabled:
        return "the provider is switched off"
    if not said.address or not said.verified:
        return "the provider has not verified an e-mail address"
    if not provider.speaks_for(said.address):
        return "the address is outside of the provider's domains"
    if user is None:
        return ""
    if not provider.speaks_for(user.email):
        return "the account is outside of the provider's domains"
    if not user.is_active:
        return "the account is switched off"
    if user.is_superuser or getattr(user, "is_operator", False):
        return "operators do not sign in through a studio's provider"
    return ""


def _newcomer(provider: IdentityProvider, said: Said, user: User | None, role: Role | None) -> Answer:
    if role is None:
        return Answer(None, "no group of the person has a role here")
    if user is not None and not is_proven(user):
        # Whoever made it may hold its password, and would come into this studio with it.
        return Answer(None, "an account has this address that nobody has proven to own")
    owns_domain = provider.has_proven(said.address)
    if user is not None and not owns_domain:
        # Whoever runs a provider can say anything of anybody: a member of another studio would be made one of this.
        return Answer(
            None, "an account has this address, and the studio has not proven the domain: invite the person"
        )
    if user is None:
        if not owns_domain:
            require_unproven_rate()
        user = create_user(said.address, actor=JOB, display_name=said.name, verified=owns_domain)
    membership = join(provider.studio, user, role, JOB)
    ProvidedMembership.objects.create(
        studio_id=provider.studio_id, provider_id=provider.id, membership=membership
    )
    return Answer(user)


def _heard_of_at(provided: ProvidedMembership) -> datetime:
    vouched: datetime | None = (
        SocialAccount.objects.filter(user_id=provided.membership.user_id, provider=str(provided.provider_id))
        .values_list("last_login", flat=True)
        .first()
    )
    made: datetime = provided.created_at
    return vouched or made


def _lapse(provided: ProvidedMembership, now: datetime) -> bool:
    try:
        set_aside(provided.membership, now, actor=JOB)
    except Conflict:
        return False
    ProvidedMembership.objects.filter(pk=provided.pk).update(lapsed_at=now)
    return True


def _revive(provided: ProvidedMembership, membership: Membership) -> None:
    # Where somebody has set another end by hand since, that one holds.
    if membership.ends_at == provided.lapsed_at:
        set_membership_end(membership, None, actor=JOB)
    ProvidedMembership.objects.filter(pk=provided.pk).update(lapsed_at=None)


def _leaver(membership: Membership, user: User | None) -> Answer:
    if _unless_last_admin(membership, None):
        return Answer(None, "no group of the person has a role here any more")
    return Answer(user)


def _unless_last_admin(membership: Membership, role: Role | None) -> bool:
    try:
        if role is None:
            remove_member(membership, actor=JOB)
        else:
            change_role(membership, role, actor=JOB)
    except Conflict:
        record_for(
            Act.PROVIDER_OVERRULED,
            membership,
            actor=JOB,
            details={"user": str(membership.user_id), "wanted": role.value if role else "none"},
        )
        return False
    return True
