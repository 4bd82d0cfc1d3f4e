"""Writes of invitations: send, resend, revoke, accept.

For an address without an account, the holder of a link can join as that person. An existing account is never opened by
an invitation link alone: without a mail server, an admin has seen the link.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from control_plane.access.member_permissions import require_people, require_rank
from control_plane.accounts.models import User
from control_plane.accounts.services import (
    claim_address,
    create_user,
    has_proven_address,
    token_hash,
)
from control_plane.administration.services.members import join
from control_plane.administration.services.signin_links import is_limited_to
from control_plane.audit.services import record_for
from control_plane.common import mail
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound, SignInRequired
from control_plane.common.roles import Role
from control_plane.common.saving import save_new
from control_plane.common.scoping import studio_scope
from control_plane.plans.models import Limit
from control_plane.plans.quotas import require_quota
from control_plane.plans.rate_limits import require_rate, require_unproven_rate
from control_plane.tenancy.audit_events import INVITATION_ACCEPTED, INVITATION_REVOKED, INVITATION_SENT
from control_plane.tenancy.locking import lock_studio
from control_plane.tenancy.models import Invitation, Membership, Studio
from control_plane.tenancy.selectors import invitation_of

LIFETIME = timedelta(days=7)
TOKEN_BYTES = 32
PATH = "/invitation/"
OPEN_LIMIT = 500
JOB = Actor.system("administration.invitations")


@dataclass(frozen=True, slots=True)
class Offer:
    """A new invitation. `link` is empty if it was mailed, so that only the recipient gets it."""

    invitation: Invitation
    link: str


def invite(
    studio: Studio, address: str, role: Role, *, actor: Actor, ends_at: datetime | None = None
) -> Offer:
    """Offers a membership to the reader of a mailbox.

    Args:
        ends_at: end of the membership; None for no end.

    Raises:
        BadRequest: an invalid address, or an end in the past.
        Conflict: the person is a member, or is invited already.
        Forbidden, NotFound: `actor` may not manage people, or may not offer this role.
        TooManyRequests: the person, or the studio, sent too many invitations within an hour.
        Unavailable: the mail could not be sent; nothing was changed.
    """
    address = address.strip().lower()
    if ends_at is not None and ends_at <= timezone.now():
        raise BadRequest("The membership would have ended already; choose a later day.")
    if ends_at is not None and role == Role.ADMIN:
        raise BadRequest("An admin's membership has no end; leave the day empty.")
    with studio_scope(studio.id):
        require_people(actor, studio)
        require_rank(actor, studio.id, role)
        require_rate(INVITATION_SENT, actor=actor)
        if Membership.objects.filter(user__email=address).exists():
            raise Conflict("A person with this address is a member already.")
        if Invitation.objects.filter(accepted_at=None, revoked_at=None).count() >= OPEN_LIMIT:
            raise Conflict(f"There are {OPEN_LIMIT} open invitations. Revoke some first.")
        require_quota(Limit.MEMBERS, Membership.objects.count)
        invitation = Invitation(
            studio=studio,
            email=address,
            role=role,
            membership_ends_at=ends_at,
            invited_by=actor.id,
            token_sha256=b"",
            expires_at=timezone.now() + LIFETIME,
        )
        token = _new_token(invitation)
        save_new(invitation, "This address is invited already. Send the invitation again instead.")
        return _sent(invitation, token, actor)


def send_again(invitation: Invitation, *, actor: Actor) -> Offer:
    """Sends a new link, valid for seven days; the old link stops working, and `actor` becomes the inviter.

    Raises:
        Conflict: it has been accepted or revoked.
        NotFound, Forbidden, TooManyRequests, Unavailable: as in `invite`.
    """
    with studio_scope(invitation.studio_id):
        require_people(actor, invitation)
        require_rate(INVITATION_SENT, actor=actor)
        row: Invitation = Invitation.objects.select_for_update().get(pk=invitation.pk)
        if not row.is_pending:
            raise Conflict("This invitation has been accepted or revoked.")
        require_rank(actor, row.studio_id, Role(row.role))
        row.expires_at = timezone.now() + LIFETIME
        token = _new_token(row)
        row.invited_by = actor.id
        row.save(update_fields=["expires_at", "token_sha256", "invited_by"])
        return _sent(row, token, actor)


def revoke(invitation: Invitation, *, actor: Actor) -> None:
    """Revokes an invitation at once.

    Raises:
        Conflict: it has been accepted already.
        NotFound, Forbidden: `actor` may not manage people.
    """
    with studio_scope(invitation.studio_id):
        require_people(actor, invitation)
        pending = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None)
        if not pending.update(revoked_at=timezone.now()):
            raise Conflict("This invitation has been accepted or revoked.")
        record_for(INVITATION_REVOKED, invitation, actor=actor, details={"role": str(invitation.role)})


def accept(token: str, *, user: User | None, session_key: str | None = None) -> User:
    """Makes the reader of an invitation a member, and returns them. Of parallel calls one succeeds.

    Args:
        user: the signed-in person who accepts; None for nobody.
        session_key: the session of `user`. Their other sessions end if they have no credential of their own.

    Raises:
        NotFound: no open invitation has this token, or its inviter may no longer invite.
        Forbidden: it is for another address.
        SignInRequired: its address has an account; the owner must sign in first.
    """
    found = invitation_of(token_hash(token))
    if found is None or not found.is_open:
        raise NotFound
    if user is not None and user.email.lower() != found.email:
        raise Forbidden("This invitation is for another address.")
    with studio_scope(found.studio_id):
        lock_studio(found.studio_id)
        _require_inviter(found)
        person = user or _recipient_account(found)
        still_open = Invitation.objects.filter(
            pk=found.pk, accepted_at=None, revoked_at=None, expires_at__gt=timezone.now()
        )
        if not still_open.update(accepted_at=timezone.now(), accepted_by=person.id):
            raise NotFound
        if not Membership.objects.filter(user=person).exists():
            join(
                found.studio,
                person,
                Role(found.role),
                _inviter(found),
                ends_at=found.membership_ends_at,
                keep_key=session_key if user is not None else None,
            )
        record_for(INVITATION_ACCEPTED, found, actor=person.actor, details={"role": str(found.role)})
    return person


def _recipient_account(invitation: Invitation) -> User:
    """Returns the account of the person who reads the invitation; creates one if needed."""
    person = User.objects.by_address(invitation.email)
    was_mailed = invitation.sent_at is not None
    if person is None:
        if not was_mailed:
            require_unproven_rate()
        return create_user(invitation.email, actor=JOB, verified=was_mailed)
    if not was_mailed and _is_unclaimed(person):
        # The link is the only way into this account. Joining ends all earlier sessions in it.
        return person
    if has_proven_address(person) or not was_mailed or not person.is_active:
        raise SignInRequired(
            "You have an account with this address already. Sign in, then accept the invitation."
        )
    # Nobody had proven the address until now. The account belongs to this person; credentials that others may have
    # added to it are deleted.
    claim_address(person, actor=JOB)
    return person


def _is_unclaimed(person: User) -> bool:
    """Returns whether an account has no proven address, no credentials and no memberships."""
    return person.is_active and not has_proven_address(person) and is_limited_to(person, studios=frozenset())


def _sent(invitation: Invitation, token: str, actor: Actor) -> Offer:
    link = f"{settings.PUBLIC_URL}{PATH}?{urlencode({'token': token})}"
    by_mail = mail.has_server()
    if by_mail:
        mail.send(
            "administration/mail/invitation",
            {"invitation": invitation, "link": link},
            to=[invitation.email],
            time_zone=invitation.studio.time_zone,
        )
        invitation.sent_at = timezone.now()
    else:
        invitation.sent_at = None
    invitation.save(update_fields=["sent_at"])
    details = {"role": str(invitation.role), "by_mail": by_mail}
    record_for(INVITATION_SENT, invitation, actor=actor, details=details)
    return Offer(invitation, "" if by_mail else link)


def _new_token(invitation: Invitation) -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    invitation.token_sha256 = token_hash(token)
    return token


def _require_inviter(invitation: Invitation) -> None:
    """Raises unless the inviter could still invite: a removed admin must not get back in by an old invitation."""
    inviter, studio = _inviter(invitation), invitation.studio
    try:
        require_people(inviter, studio)
        require_rank(inviter, studio.id, Role(invitation.role))
    except Forbidden as error:
        raise NotFound from error


def _inviter(invitation: Invitation) -> Actor:
    return Actor.user(UUID(str(invitation.invited_by))) if invitation.invited_by else JOB
