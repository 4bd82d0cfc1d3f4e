"""Pages of exports: requesting one, and the list."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from control_plane.access import access
from control_plane.access.reads import note_read
from control_plane.access.requests import StudioRequest
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound, TooManyRequests
from control_plane.exports.audit_events import EXPORTS_LISTED
from control_plane.exports.models import OPEN, Export, ExportState
from control_plane.exports.services import approve_export, delete_export, request_export
from control_plane.people.permissions import VIEW_DANCERS
from control_plane.portal.exports.forms import ExportForm
from control_plane.portal.page import actor_of, studio_page
from control_plane.recordings.models import ClassSession
from control_plane.recordings.permissions import EXPORT
from control_plane.recordings.selectors import class_for
from control_plane.sharing.egress import EgressKind, EgressRefused, blockers, egress_policy, may_know

MOST_LISTED = 100


@require_http_methods(["GET", "HEAD", "POST"])
def export(request: StudioRequest, slug: str, class_id: UUID) -> HttpResponse:
    """Shows the form of an export, or what stops it; a POST requests it."""
    actor = actor_of(request)
    class_session = class_for(actor, class_id)
    access.require(actor, EXPORT, class_session)
    names_dancers = access.can(actor, VIEW_DANCERS, class_session)
    form = ExportForm(request.POST if request.method == "POST" else None, names_dancers=names_dancers)
    if not form.is_valid():
        return _form_page(request, actor, class_session, form)
    try:
        made = request_export(class_session, form.facts(request.POST.getlist("camera")), actor=actor)
    except EgressRefused:
        return _form_page(request, actor, class_session, form)
    except (BadRequest, Conflict, TooManyRequests) as error:
        form.add_error(None, error.detail)
        return _form_page(request, actor, class_session, form)
    waits = made.state == ExportState.WAITING
    messages.success(
        request,
        _("The export waits for the approval of a second person.") if waits else _("The export has begun."),
    )
    return redirect("portal:exports", slug)


@require_safe
def exports(request: StudioRequest, slug: str) -> HttpResponse:
    """Lists the exports that the person may see, the newest first."""
    return studio_page(request, "portal/exports/list.html", {"section": "settings"} | _listed(request))


@require_safe
def rows(request: StudioRequest, slug: str) -> HttpResponse:
    """Returns the list alone; an open page asks for it while an export runs."""
    return studio_page(request, "portal/exports/rows.html", _listed(request))


@require_POST
def approve(request: StudioRequest, slug: str, export_id: UUID) -> HttpResponse:
    """Approves the export of somebody else."""
    try:
        approve_export(_export(request, export_id), actor=actor_of(request))
    except Conflict as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, _("Approved. The export has begun."))
    return redirect("portal:exports", slug)


@require_POST
def delete(request: StudioRequest, slug: str, export_id: UUID) -> HttpResponse:
    """Cancels or deletes an export."""
    delete_export(_export(request, export_id), actor=actor_of(request))
    messages.success(request, _("The export is deleted. Nothing of its package can be read any more."))
    return redirect("portal:exports", slug)


def _export(request: StudioRequest, export_id: UUID) -> Export:
    found: Export | None = access.visible(actor_of(request), Export).filter(pk=export_id).first()
    if found is None:
        raise NotFound
    return found


def _listed(request: StudioRequest) -> dict[str, Any]:
    actor = actor_of(request)
    found = list(access.visible(actor, Export).select_related("class_session")[:MOST_LISTED])
    if not found and not access.can(actor, EXPORT, request.studio):
        raise Forbidden
    note_read(EXPORTS_LISTED, request.studio, actor=actor, rows=len(found))
    now, names_dancers = timezone.now(), access.can(actor, VIEW_DANCERS, request.studio)
    listed = [
        {
            "export": row,
            "is_ready": row.state == ExportState.READY
            and row.expires_at is not None
            and row.expires_at > now,
            "may_download": not row.with_roster or names_dancers,
            "is_open": row.state in OPEN,
            "may_approve": row.state == ExportState.WAITING and row.requested_by != actor.id,
            "may_delete": row.wrapped_key != b"",
        }
        for row in found
    ]
    return {"rows": listed, "is_busy": any(row["is_open"] for row in listed)}


def _form_page(
    request: StudioRequest, actor: Actor, class_session: ClassSession, form: ExportForm
) -> HttpResponse:
    knows = may_know(actor, class_session)
    found = blockers(class_session, EgressKind.EXPORT, timezone.now())
    context = {
        "section": "classes",
        "class_session": class_session,
        "form": form,
        "blockers": [{"text": item.text_for(may_know=knows), "way_out": item.way_out} for item in found],
        "ready": class_session.has_ended,
        "tracks": class_session.tracks.all(),
        "needs_approval": egress_policy().export_approval,
    }
    # A form that made nothing is shown again.
    return studio_page(request, "portal/exports/export.html", context, status=422 if form.is_bound else 200)
