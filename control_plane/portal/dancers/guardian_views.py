"""Inviting guardians from the page of a dancer, and approving those who accepted."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from control_plane.access import access
from control_plane.access.requests import StudioRequest
from control_plane.administration.services.guardian_invitations import (
    approve_guardian,
    decline_guardian,
    invite_guardian,
)
from control_plane.common.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from control_plane.people.models import GuardianInvitation, Relation
from control_plane.people.permissions import MANAGE_DANCERS
from control_plane.portal.dancers.forms import GuardianInvitationForm
from control_plane.portal.dancers.presenter import dancer_for
from control_plane.portal.page import actor_of


@require_POST
def invite(request: StudioRequest, slug: str, dancer_id: UUID) -> HttpResponse:
    """Invites a guardian by e-mail."""
    actor = actor_of(request)
    dancer = dancer_for(actor, dancer_id)
    access.require(actor, MANAGE_DANCERS, dancer)
    form = GuardianInvitationForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Enter an e-mail address."))
        return redirect("portal:dancer", slug, dancer_id)
    address, relation = form.cleaned_data["email"], Relation(form.cleaned_data["relation"])
    try:
        offer = invite_guardian(dancer, address, relation, actor=actor)
    except (BadRequest, Conflict, Forbidden, TooManyRequests, Unavailable) as error:
        messages.error(request, error.detail)
    else:
        if offer.link:
            # Without a mail server the page of invitations makes a link to hand over.
            messages.success(request, _("Invited. Make a link under People, Invitations, and hand it over."))
        else:
            messages.success(request, _("Invited. Approve the person here when they have accepted."))
    return redirect("portal:dancer", slug, dancer_id)


@require_POST
def decide(request: StudioRequest, slug: str, dancer_id: UUID, guardian_invitation_id: UUID) -> HttpResponse:
    """Approves (`approve`), or else declines, the person who was invited."""
    actor = actor_of(request)
    dancer = dancer_for(actor, dancer_id)
    access.require(actor, MANAGE_DANCERS, dancer)
    found = GuardianInvitation.objects.filter(pk=guardian_invitation_id, dancer=dancer).first()
    if found is None:
        raise NotFound
    if "approve" not in request.POST:
        decline_guardian(found, actor=actor)
        messages.success(request, _("Declined. The person does not become a guardian of this dancer."))
        return redirect("portal:dancer", slug, dancer_id)
    try:
        tie = approve_guardian(found, actor=actor)
    except (Conflict, TooManyRequests) as error:
        messages.error(request, error.detail)
    else:
        text = _("%(person)s is now guardian of %(dancer)s.")
        messages.success(request, text % {"person": tie.user, "dancer": dancer.name})
    return redirect("portal:dancer", slug, dancer_id)
