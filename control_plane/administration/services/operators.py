"""Writes of platform operators: who is one, and a new studio, handed to its first admin by invitation."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from control_plane.access.models import BreakGlass
from control_plane.access.services.break_glass import close_break_glass
from control_plane.accounts.models import User
from control_plane.accounts.operators import require_operator
from control_plane.accounts.services import (
    claim_address,
    create_user,
    end_other_sessions,
    end_signin_links,
    has_proven_address,
    lock_account,
)
from control_plane.administration.services.invitations import Offer, invite
from control_plane.administration.services.studios import create_studio
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record, record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import Conflict, Forbidden
from control_plane.common.scoping import user_scope
from control_plane.tenancy.models import Role

JOB = Actor.system("administration.operators")


def make_operator(address: str, *, actor: Actor, display_name: str = "") -> User:
    """Makes whoever has an address a platform operator, with a new account where there is none; returns the person.

    That opens no studio: for that, and for the operator's pages, the account first has to get a second factor.

    Raises:
        Forbidden: `actor` is not the platform itself.
        BadRequest: it is no e-mail address.
        Conflict: the account is switched off.
    """
    _require_platform(actor)
    with transaction.atomic():
        found = User.objects.by_address(address) or create_user(
            address, actor=actor, display_name=display_name
        )
        user = lock_account(found)
        if not user.is_active:
            raise Conflict("This account is switched off.")
        if user.is_operator:
            return user
        if not has_proven_address(user):
            # Whoever made it may have put a password or a passkey of their own into it.
            claim_address(user, actor=actor)
        user.is_operator = True
        user.save(update_fields=["is_operator"])
        # A session that runs may be one for which a studio's identity provider alone vouches.
        end_other_sessions(user, keep_key=None, actor=actor)
        # Nor may a link open the account that a studio's admin made when it was worth no more than the studio.
        end_signin_links(user)
        record_for(Act.OPERATOR_MADE, user, actor=actor)
    return user


def end_operator(user: User, *, actor: Actor) -> None:
    """Ends that somebody is a platform operator, with every visit of theirs, at once; where they are none, all is well.

    Raises:
        Forbidden: `actor` is not the platform itself.
    """
    _require_platform(actor)
    with transaction.atomic():
        if User.objects.filter(pk=user.pk, is_operator=True).update(is_operator=False):
            record_for(Act.OPERATOR_ENDED, user, actor=actor)
    user.is_operator = False
    # Their visits count for nothing from here on, and must not again should the person become an operator once more.
    # Each in a transaction of its own: an entry holds the end of its studio's chain until then.
    user_id = UUID(str(user.pk))
    with user_scope(user_id):
        left = list(BreakGlass.own.filter(closed_at__isnull=True, ends_at__gt=timezone.now()))
    for glass in left:
        close_break_glass(glass, actor=actor)


def found_studio(*, slug: str, name: str, time_zone: str, admin_address: str, actor: Actor) -> Offer:
    """Makes a studio with its keys and invites its first admin; the operator gets no right in it.

    Raises:
        NotFound, Forbidden: as `require_operator`.
        BadRequest: a value breaks a rule.
        Conflict: the slug is taken.
        Unavailable: the invitation could not be mailed; no studio was made.
    """
    operator = require_operator(actor)
    with transaction.atomic():
        studio = create_studio(slug=slug, name=name, time_zone=time_zone, actor=JOB)
        offer = invite(studio, admin_address, Role.ADMIN, actor=JOB)
        # The studio's own chain tells of the platform; which operator it was stands in the platform's.
        record(
            Act.STUDIO_CREATED,
            actor=operator.actor,
            studio_id=None,
            object_type="tenancy.Studio",
            object_id=studio.id,
        )
    return offer


def _require_platform(actor: Actor) -> None:
    if actor.kind is not ActorKind.SYSTEM:
        raise Forbidden("Only whoever runs the server makes operators, or ends that they are.")
