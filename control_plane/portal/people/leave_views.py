"""Leaving a studio: a member's own decision, without anybody's permission."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from control_plane.access.models import ApiKey
from control_plane.access.requests import StudioRequest
from control_plane.administration import services
from control_plane.common.errors import Conflict, NotFound
from control_plane.people.models import Guardianship
from control_plane.portal.page import actor_of, studio_page


@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows the consequences of leaving (GET) and ends the membership (POST)."""
    actor, membership = actor_of(request), request.membership
    if membership is None:
        # Support is no member: a visit is ended on the banner of every page.
        raise NotFound
    error = ""
    if request.method == "POST":
        name = request.studio.name
        try:
            services.leave_studio(membership, actor=actor)
        except Conflict as refused:
            error = refused.detail
        else:
            messages.success(request, _("You have left %(name)s.") % {"name": name})
            return redirect("portal:home")
    context = {
        "section": "",
        "error": error,
        "keys": ApiKey.objects.filter(user_id=actor.id, revoked_at=None).count(),
        "dancers": Guardianship.objects.filter(user_id=actor.id, ended_at__isnull=True).count(),
    }
    return studio_page(request, "portal/people/leave.html", context, status=409 if error else 200)
