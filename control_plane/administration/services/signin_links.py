"""Sign-in links that an admin makes for a member without credentials, when the server cannot send mail.

A link opens the whole account, and the admin could use it to set a password. So it is made only for an account that
is limited to this studio: no password, passkey or app, no other studio, not an operator. A refusal does not say which
of these applies, because an admin must not learn about other studios.
"""

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.utils import timezone

from control_plane.access.member_permissions import lock_people
from control_plane.accounts.models import User
from control_plane.accounts.services import create_signin_link, end_signin_links, lock_account
from control_plane.audit.services import record_for
from control_plane.common import mail
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import Conflict, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.audit_events import MEMBER_LINK_MADE
from control_plane.tenancy.models import Membership
from control_plane.tenancy.selectors import members, studios_of_account
from shared.protocol.errors import Code

REFUSED = (
    "No link can be created for this person: they can sign in already, or their account is not limited to this studio."
    " If they cannot sign in, the operator of this server can create a link."
)


def create_member_link(membership: Membership, *, actor: Actor) -> str:
    """Returns a link that signs a member in once, within 15 minutes; earlier links stop working.

    Raises:
        Conflict: mail works, so the person can request a link; or the account is not limited to this studio, which the
            message does not say.
        Forbidden: `actor` may not manage people, or is an API key.
        NotFound: there is no such active member, or `actor` has no access to the studio.
        TooManyRequests: too many were created within an hour.
    """
    with studio_scope(membership.studio_id):
        lock_people(actor, membership)
        if actor.scopes is not None or actor.kind is not ActorKind.USER:
            raise Forbidden("Only a signed-in person can create a sign-in link.", code=Code.KEY_NOT_ENOUGH)
        member: Membership | None = (
            members(timezone.now()).filter(pk=membership.pk).select_related("user").first()
        )
        if member is None:
            raise NotFound
        if mail.has_server():
            raise Conflict(
                "This server sends mail: the person can choose “Forgot your password?” on the sign-in page."
            )
        require_rate(MEMBER_LINK_MADE, actor=actor)
        # Held until commit: a transaction that gives the account a password meanwhile waits, then deletes this link.
        if not is_limited_to(lock_account(member.user), studios=frozenset({member.studio_id})):
            raise Conflict(REFUSED)
        end_signin_links(member.user)
        link = create_signin_link(member.user, actor=actor)
        record_for(MEMBER_LINK_MADE, member, actor=actor, details={"user": str(member.user_id)})
    return link


def is_limited_to(user: User, *, studios: frozenset[object]) -> bool:
    """Returns whether an account has no credentials and no memberships except in `studios`."""
    if user.has_usable_password() or user.is_operator or user.is_superuser:
        return False
    if Authenticator.objects.filter(user=user).exists() or SocialAccount.objects.filter(user=user).exists():
        return False
    return studios_of_account(user.id) <= studios
