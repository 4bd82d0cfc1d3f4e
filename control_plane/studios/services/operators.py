"""Writes of platform operators: a new studio, handed to its first admin by invitation."""

from django.conf import settings
from django.db import transaction

from control_plane.accounts.models import User
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import Forbidden, NotFound
from control_plane.studios.models import Role
from control_plane.studios.services.invitations import Offer, invite
from control_plane.studios.services.tenancy import create_studio
from control_plane.studios.signin_rules import has_second_factor

JOB = Actor.system("studios.operators")


def require_operator(actor: Actor) -> User:
    """Returns the platform operator who asks.

    Raises:
        NotFound: somebody else asks, who must not learn that there is anything here.
        Forbidden: the account lacks the second factor that the platform asks of its operators.
    """
    operator = None
    if actor.kind is ActorKind.USER and actor.id is not None:
        operator = User.objects.filter(pk=actor.id, is_operator=True, is_active=True).first()
    if operator is None:
        raise NotFound
    if settings.OPERATORS_NEED_SECOND_FACTOR and not has_second_factor(operator):
        raise Forbidden("Add a passkey or an authenticator app to your account first.")
    return operator


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
            object_type="studios.Studio",
            object_id=studio.id,
        )
    return offer
