"""Break-glass access to the studio: the history with reasons, and the button that ends it."""

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from control_plane.access import access, services
from control_plane.access.models import BreakGlass
from control_plane.access.reads import note_read
from control_plane.access.requests import StudioRequest
from control_plane.audit.audit_events import AUDIT_READ
from control_plane.audit.permissions import VIEW_AUDIT
from control_plane.common import mail
from control_plane.common.errors import NotFound
from control_plane.portal.operator.presenter import break_glass_lines
from control_plane.portal.page import actor_of, studio_page

PAGE_SIZE = 30


@require_safe
def break_glass(request: StudioRequest, slug: str) -> HttpResponse:
    """Lists all break-glass access, past and present."""
    actor = actor_of(request)
    access.require(actor, VIEW_AUDIT, request.studio)
    note_read(AUDIT_READ, request.studio, actor=actor, page="break-glass access")
    rows = access.visible(actor, BreakGlass).select_related("operator").order_by("-created_at")
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    lines = break_glass_lines(page.object_list, {request.studio.id: request.studio})
    context = {"section": "settings", "page": page, "lines": lines, "has_mail": mail.has_server()}
    return studio_page(request, "portal/operator/break_glass.html", context)


@require_POST
def end_break_glass(request: StudioRequest, slug: str, break_glass_id: UUID) -> HttpResponse:
    """Ends break-glass access immediately, for a studio admin or the operator who holds it."""
    actor = actor_of(request)
    glass = BreakGlass.objects.filter(pk=break_glass_id).first()
    if glass is None:
        raise NotFound
    services.close_break_glass(glass, actor=actor)
    if glass.operator_id == actor.id:
        messages.success(request, _("Your access to %(studio)s ended.") % {"studio": request.studio.name})
        return redirect("portal:operator")
    messages.success(request, _("Break-glass access ended."))
    return redirect("portal:classes", slug)
