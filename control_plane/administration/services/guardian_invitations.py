"""Inviting a guardian of a dancer by e-mail. Accepting makes a member; a person who manages dancers makes the guardian."""

from django.db.models import Q

from control_plane.access import access
from control_plane.access.member_permissions import require_people
from control_plane.accounts.models import User
from control_plane.administration.services.invitations import Offer, invite
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict, NotFound
from control_plane.common.roles import Role
from control_plane.common.saving import save_new
from control_plane.common.scoping import studio_scope
from control_plane.people.audit_events import GUARDIAN_APPROVED, GUARDIAN_DECLINED, GUARDIAN_INVITED
from control_plane.people.models import Dancer, GuardianInvitation, Guardianship, Relation
from control_plane.people.permissions import MANAGE_DANCERS
from control_plane.people.services import start_guardianship
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.models import Invitation


def invite_guardian(dancer: Dancer, address: str, relation: Relation, *, actor: Actor) -> Offer:
    """Invites the reader of a mailbox to become a guardian of a dancer.

    An open invitation of the same address is used for this dancer too, and sends no second mail: a parent of two
    children accepts once.

    Raises:
        BadRequest, TooManyRequests, Unavailable: as `invite`.
        Conflict: the person is a member, or was invited for this dancer already.
        NotFound, Forbidden: `actor` may not manage dancers, or not invite people.
    """
    with studio_scope(dancer.studio_id):
        access.require(actor, MANAGE_DANCERS, dancer)
        require_people(actor, dancer.studio)
        require_rate(GUARDIAN_INVITED, actor=actor)
        is_open = Q(email=address.strip().lower(), accepted_at=None, revoked_at=None)
        invitation = Invitation.objects.filter(is_open).first()
        offer = (
            Offer(invitation, "")
            if invitation
            else invite(dancer.studio, address, Role.GUARDIAN, actor=actor)
        )
        row = GuardianInvitation(
            studio_id=dancer.studio_id, dancer=dancer, invitation=offer.invitation, relation=relation
        )
        save_new(row, "This person was invited for this dancer already.")
        record_for(
            GUARDIAN_INVITED,
            dancer,
            actor=actor,
            details={"relation": Relation(relation).value, "to": str(row.pk)},
        )
    return offer


def approve_guardian(waiting: GuardianInvitation, *, actor: Actor) -> Guardianship:
    """Makes the person who accepted an invitation a guardian, from now on.

    Raises:
        Conflict: nobody has accepted it, or the person answers for this dancer already.
        NotFound: it was decided already, or the person is no member any more.
        Forbidden, TooManyRequests: as `start_guardianship`.
    """
    with studio_scope(waiting.studio_id):
        access.require(actor, MANAGE_DANCERS, waiting)
        row = _locked(waiting)
        if row.invitation.accepted_by is None:
            raise Conflict("Nobody has accepted this invitation yet.")
        user = User.objects.filter(pk=row.invitation.accepted_by).first()
        if user is None:
            raise NotFound
        guardianship = start_guardianship(row.dancer, user, Relation(row.relation), actor=actor)
        record_for(GUARDIAN_APPROVED, row.dancer, actor=actor, details={"to": str(row.pk)})
        row.delete()
    return guardianship


def decline_guardian(waiting: GuardianInvitation, *, actor: Actor) -> None:
    """Drops the wish that somebody becomes a guardian. The invitation to the studio, or the membership, stays.

    Raises:
        NotFound, Forbidden: `actor` may not manage dancers, or it was decided already.
    """
    with studio_scope(waiting.studio_id):
        access.require(actor, MANAGE_DANCERS, waiting)
        row = _locked(waiting)
        record_for(GUARDIAN_DECLINED, row.dancer, actor=actor, details={"to": str(row.pk)})
        row.delete()


def _locked(waiting: GuardianInvitation) -> GuardianInvitation:
    rows = GuardianInvitation.objects.select_for_update(of=("self",)).select_related("invitation", "dancer")
    row: GuardianInvitation | None = rows.filter(pk=waiting.pk).first()
    if row is None:
        raise NotFound
    return row
