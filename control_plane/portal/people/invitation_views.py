"""Invitations: an admin's list, and the page behind a link. Opening a link changes nothing; its button accepts."""

import zoneinfo
from uuid import UUID

from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import perform_login
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from control_plane.access import access
from control_plane.access.audit_events import PEOPLE_LISTED
from control_plane.access.reads import note_read
from control_plane.access.requests import StudioRequest
from control_plane.accounts.limits import require_attempts_left
from control_plane.accounts.models import User
from control_plane.accounts.services import token_hash
from control_plane.accounts.sessions import provider_of
from control_plane.accounts.views import first_page
from control_plane.administration.services.invitations import Offer, accept, invite, revoke, send_again
from control_plane.common import mail
from control_plane.common.errors import (
    BadRequest,
    Conflict,
    ControlPlaneError,
    Forbidden,
    NotFound,
    SignInRequired,
    TooManyRequests,
    Unavailable,
)
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.portal.page import actor_of, studio_page
from control_plane.portal.signin.forms import InviteForm
from control_plane.tenancy.models import Invitation
from control_plane.tenancy.permissions import MANAGE_PEOPLE
from control_plane.tenancy.selectors import invitation_of

READ_WRITE = ("GET", "HEAD", "POST")
SHOWN = 200
TEMPLATE = "portal/people/invitation.html"


@require_http_methods(READ_WRITE)
def invitations(request: StudioRequest, slug: str) -> HttpResponse:
    """Lists the invitations, and invites a person."""
    actor = actor_of(request)
    access.require(actor, MANAGE_PEOPLE, request.studio)
    form = InviteForm(request.POST or None)
    offer = None
    if request.method == "POST" and form.is_valid():
        zone = zoneinfo.ZoneInfo(request.studio.time_zone)
        try:
            offer = invite(
                request.studio,
                form.cleaned_data["email"],
                Role(form.cleaned_data["role"]),
                actor=actor,
                ends_at=form.ends_at(zone),
            )
        except (BadRequest, Conflict, Forbidden, TooManyRequests, Unavailable) as error:
            form.add_error(None, error.detail)
        else:
            if not offer.link:
                messages.success(
                    request, _("An invitation was sent to %(email)s.") % {"email": offer.invitation.email}
                )
                return redirect("portal:invitations", slug)
            form = InviteForm()
    return _list(request, form, offer)


@require_POST
def invitation_again(request: StudioRequest, slug: str, invitation_id: UUID) -> HttpResponse:
    """Sends an invitation again, with a new link."""
    found = _invitation(request, invitation_id)
    try:
        offer = send_again(found, actor=actor_of(request))
    except (Conflict, Forbidden, TooManyRequests, Unavailable) as error:
        messages.error(request, error.detail)
        return redirect("portal:invitations", slug)
    if offer.link:
        return _list(request, InviteForm(), offer)
    messages.success(request, _("A new link was sent to %(email)s.") % {"email": offer.invitation.email})
    return redirect("portal:invitations", slug)


@require_POST
def invitation_revoke(request: StudioRequest, slug: str, invitation_id: UUID) -> HttpResponse:
    """Revokes an invitation."""
    try:
        revoke(_invitation(request, invitation_id), actor=actor_of(request))
    except Conflict as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, _("Invitation revoked. Its link no longer works."))
    return redirect("portal:invitations", slug)


@never_cache
@sensitive_post_parameters("token")
@require_http_methods(READ_WRITE)
def invitation_page(request: HttpRequest) -> HttpResponse:
    """Shows an invitation (GET) and accepts it (POST). Unknown, used, expired and revoked links look the same."""
    require_attempts_left(request, "invitation")
    token = request.POST.get("token", "") if request.method == "POST" else request.GET.get("token", "")
    if request.method == "POST":
        return _accepted(request, token)
    found = invitation_of(token_hash(token))
    if found is None or not found.is_open:
        return render(request, TEMPLATE, {"failed": True}, status=410)
    with studio_scope(found.studio_id):
        studio = found.studio.name
    return render(request, TEMPLATE, {"token": token, "invitation": found, "inviter": studio})


def _accepted(request: HttpRequest, token: str) -> HttpResponse:
    # A session for which another studio's provider vouches does not join for the person: they sign in themselves.
    user = request.user if isinstance(request.user, User) and not provider_of(request) else None
    if user is None and request.user.is_authenticated:
        return render(request, TEMPLATE, {"other": True, "token": token}, status=403)
    try:
        person = accept(token, user=user, session_key=request.session.session_key)
    except SignInRequired as error:
        messages.info(request, error.detail)
        return redirect_to_login(f"{request.path}?token={token}")
    except Forbidden:
        return render(request, TEMPLATE, {"other": True, "token": token}, status=403)
    except TooManyRequests:
        raise
    except ControlPlaneError:
        return render(request, TEMPLATE, {"failed": True}, status=410)
    if user is not None:
        return redirect("portal:home")
    record_authentication(request, person, method="invitation")
    response: HttpResponse = perform_login(request, person, redirect_url=first_page(person))
    return response


def _list(request: StudioRequest, form: InviteForm, offer: Offer | None) -> HttpResponse:
    actor = actor_of(request)
    note_read(PEOPLE_LISTED, request.studio, actor=actor)
    rows = access.visible(actor, Invitation)
    context = {
        "section": "people",
        "form": form,
        "offer": offer,
        "has_mail": mail.has_server(),
        "waiting": rows.filter(accepted_at=None, revoked_at=None)[:SHOWN],
        "past": rows.exclude(accepted_at=None, revoked_at=None)[:SHOWN],
    }
    return studio_page(request, "portal/people/invite.html", context)


def _invitation(request: StudioRequest, invitation_id: UUID) -> Invitation:
    access.require(actor_of(request), MANAGE_PEOPLE, request.studio)
    found: Invitation | None = Invitation.objects.filter(pk=invitation_id).first()
    if found is None:
        raise NotFound
    return found
