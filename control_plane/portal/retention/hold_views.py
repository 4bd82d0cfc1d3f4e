"""Holds: a class that is kept beyond its date."""

from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from control_plane.access import access
from control_plane.access.requests import StudioRequest
from control_plane.common.errors import BadRequest, NotFound
from control_plane.portal.page import actor_of, studio_page
from control_plane.portal.retention.forms import HoldForm
from control_plane.portal.retention.presenter import open_holds, verdict_on, verdict_text
from control_plane.recordings.selectors import class_for
from control_plane.retention import services
from control_plane.retention.models import HoldKind, RetentionHold
from control_plane.retention.permissions import MANAGE_RETENTION


@require_http_methods(["GET", "HEAD", "POST"])
def keep(request: StudioRequest, slug: str, class_id: UUID) -> HttpResponse:
    """Shows when a class is deleted, and keeps it until a day."""
    actor = actor_of(request)
    class_session = class_for(actor, class_id)
    access.require(actor, MANAGE_RETENTION, class_session)
    form = HoldForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            services.place_hold(
                class_session,
                kind=HoldKind(form.cleaned_data["kind"]),
                reason=form.cleaned_data["reason"],
                ends_at=form.ends_at(ZoneInfo(request.studio.time_zone)),
                actor=actor,
            )
        except BadRequest as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("The class is kept."))
            return redirect("portal:keep_class", slug, class_id)
    verdict = verdict_on(request.studio, class_session)
    context = {
        "section": "classes",
        "class_session": class_session,
        "due_at": verdict.due_at if verdict else None,
        "why": verdict_text(verdict) if verdict else "",
        "holds": [
            one for one in open_holds(timezone.now()) if one.class_session_id in (None, class_session.id)
        ],
        "form": form,
    }
    return studio_page(request, "portal/retention/keep.html", context, status=422 if form.errors else 200)


@require_POST
def lift(request: StudioRequest, slug: str, retention_hold_id: UUID) -> HttpResponse:
    """Lifts a hold."""
    actor = actor_of(request)
    access.require(actor, MANAGE_RETENTION, request.studio)
    found: RetentionHold | None = (
        RetentionHold.objects.filter(pk=retention_hold_id).select_related("class_session").first()
    )
    if found is None:
        raise NotFound
    services.lift_hold(found, actor=actor)
    messages.success(request, _("The hold is lifted."))
    return redirect("portal:retention", slug)
