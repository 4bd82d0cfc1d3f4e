"""Writes of platform operators: make and revoke one, and create a studio whose first admin is invited."""

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
from control_plane.administration.audit_events import OPERATOR_ENDED, OPERATOR_MADE
from control_plane.administration.services.invitations import Offer, invite
from control_plane.administration.services.studios import create_studio
from control_plane.audit.services import record, record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import Conflict, Forbidden
from control_plane.common.roles import Role
from control_plane.common.scoping import user_scope
from control_plane.tenancy.audit_events import STUDIO_CREATED

JOB = Actor.system("administration.operators")


def make_operator(address: str, *, actor: Actor, display_name: str = "") -> User:
    """Makes a person a platform operator, with a new account if needed; returns the person.

    This opens no studio. Break-glass access and the operator pages need a second factor on the account first.

    Raises:
        Forbidden: `actor` is not the platform itself.
        BadRequest: it is not an e-mail address.
        Conflict: the account is disabled.
    """
    _require_platform(actor)
    with transaction.atomic():
        found = User.objects.by_address(address) or create_user(
            address, actor=actor, display_name=display_name
        )
        user = lock_account(found)
        if not user.is_active:
            raise Conflict("This account is disabled.")
        if user.is_operator:
            return user
        if not has_proven_address(user):
            # The person who registered the account may have set a password or added a passkey.
            claim_address(user, actor=actor)
        user.is_operator = True
        user.save(update_fields=["is_operator"])
        # A current session may be one that only a studio's identity provider vouches for.
        end_other_sessions(user, keep_key=None, actor=actor)
        # A studio's admin may have made a link while the account was still limited to that studio.
        end_signin_links(user)
        record_for(OPERATOR_MADE, user, actor=actor)
    return user


def end_operator(user: User, *, actor: Actor) -> None:
    """Revokes a platform operator and ends all their break-glass access, at once. Idempotent.

    Raises:
        Forbidden: `actor` is not the platform itself.
    """
    _require_platform(actor)
    with transaction.atomic():
        if User.objects.filter(pk=user.pk, is_operator=True).update(is_operator=False):
            record_for(OPERATOR_ENDED, user, actor=actor)
    user.is_operator = False
    # Break-glass access does not count without the operator flag, but it must not revive if the person becomes an
    # operator again. One transaction each, because an audit event locks its studio's chain until the commit.
    user_id = UUID(str(user.pk))
    with user_scope(user_id):
        left = list(BreakGlass.own.filter(closed_at__isnull=True, ends_at__gt=timezone.now()))
    for glass in left:
        close_break_glass(glass, actor=actor)


def create_studio_with_invitation(
    *, slug: str, name: str, time_zone: str, admin_address: str, actor: Actor
) -> Offer:
    """Creates a studio with its keys and invites its first admin; gives the operator no permission in it.

    Raises:
        NotFound, Forbidden: as `require_operator`.
        BadRequest: a value breaks a rule.
        Conflict: the slug is taken.
        Unavailable: the invitation could not be mailed; no studio was created.
    """
    operator = require_operator(actor)
    with transaction.atomic():
        studio = create_studio(slug=slug, name=name, time_zone=time_zone, actor=JOB)
        offer = invite(studio, admin_address, Role.ADMIN, actor=JOB)
        # The studio's own chain names the platform; the platform's chain names the operator.
        record(
            STUDIO_CREATED,
            actor=operator.actor,
            studio_id=None,
            object_type="tenancy.Studio",
            object_id=studio.id,
        )
    return offer


def _require_platform(actor: Actor) -> None:
    if actor.kind is not ActorKind.SYSTEM:
        raise Forbidden("Only the administrator of the server makes or revokes operators.")
