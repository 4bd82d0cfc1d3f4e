"""A new sign-in link for a member who has nothing to sign in with, made by an admin where no mail can be sent.

A link opens the account, not the studio: whoever made it could use it, and set a password. So it is made only where the
account is worth no more than the membership in this studio: no password, passkey or app of the person's own, no other
studio, no part in running the platform. Why it is refused is not told apart: an admin must not learn of other studios.
"""

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.utils import timezone

from control_plane.access.member_permissions import lock_people
from control_plane.accounts import mail
from control_plane.accounts.models import User
from control_plane.accounts.services import create_signin_link, end_signin_links, lock_account
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import Conflict, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.models import Membership
from control_plane.tenancy.selectors import members, studios_of_account
from shared.protocol.errors import Code

REFUSED = (
    "No link can be made for this person: they can sign in already, or their account holds more than this studio."
    " If they cannot sign in, the person who runs this server can make a link."
)


def make_member_link(membership: Membership, *, actor: Actor) -> str:
    """Return a link that signs a member in once, within 15 minutes; links made before work no more.

    Raises:
        Conflict: mail works here, so the person has a link mailed; or the account is one that no studio may open, and
            the text does not say why.
        Forbidden: `actor` may not manage people, or is an API key.
        NotFound: there is no such member in force; or `actor` is a stranger.
        TooManyRequests: too many were made within an hour.
    """
    with studio_scope(membership.studio_id):
        lock_people(actor, membership)
        if actor.only is not None or actor.kind is not ActorKind.USER:
            raise Forbidden("A sign-in link is made by a person who is signed in.", code=Code.KEY_NOT_ENOUGH)
        member: Membership | None = (
            members(timezone.now()).filter(pk=membership.pk).select_related("user").first()
        )
        if member is None:
            raise NotFound
        if mail.has_server():
            raise Conflict(
                "This server sends mail: the person presses “Forgot your password?” on the sign-in page."
            )
        require_rate(Act.MEMBER_LINK_MADE, actor=actor)
        # Held to the commit: who gives the account a password meanwhile waits, and then deletes this link.
        if not is_worth_no_more(lock_account(member.user), studios=frozenset({member.studio_id})):
            raise Conflict(REFUSED)
        end_signin_links(member.user)
        link = create_signin_link(member.user, actor=actor)
        record_for(Act.MEMBER_LINK_MADE, member, actor=actor, details={"user": str(member.user_id)})
    return link


def is_worth_no_more(user: User, *, studios: frozenset[object]) -> bool:
    """Say whether an account holds nothing of its person's own, and belongs nowhere but to some of `studios`."""
    if user.has_usable_password() or user.is_operator or user.is_superuser:
        return False
    if Authenticator.objects.filter(user=user).exists() or SocialAccount.objects.filter(user=user).exists():
        return False
    return studios_of_account(user.id) <= studios
