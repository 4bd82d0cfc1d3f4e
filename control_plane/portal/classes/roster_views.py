"""The roster of a class: a list to tick and to confirm."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from control_plane.access import access
from control_plane.access.reads import note_read
from control_plane.access.requests import StudioRequest
from control_plane.accounts.models import User
from control_plane.common.actors import Actor
from control_plane.common.body_limits import accepts_files
from control_plane.common.errors import BadRequest, Conflict
from control_plane.people.dancer_list import InvalidDancerList, read_dancers
from control_plane.people.permissions import MANAGE_DANCERS
from control_plane.portal.dancers.forms import ListForm
from control_plane.portal.dancers.presenter import roster_lines
from control_plane.portal.page import actor_of, studio_page
from control_plane.recordings.audit_events import ROSTER_OPENED
from control_plane.recordings.class_type_models import ClassType
from control_plane.recordings.models import ClassSession
from control_plane.recordings.rosters import dancers_named, save_roster
from control_plane.recordings.selectors import class_for
from control_plane.recordings.timetable import MOST_CLASS_TYPES


@require_http_methods(["GET", "HEAD", "POST"])
def roster(request: StudioRequest, slug: str, class_id: UUID) -> HttpResponse:
    """Shows the roster; a POST saves the ticked dancers, and with `confirm` confirms them."""
    actor = actor_of(request)
    class_session = _class(actor, class_id)
    if request.method != "POST":
        return _page(request, actor, class_session)
    try:
        ticked = [UUID(item) for item in request.POST.getlist("dancer")]
    except ValueError:
        return _page(request, actor, class_session, error="A tick names no dancer. Load the page again.")
    confirm = "confirm" in request.POST
    try:
        save_roster(class_session, ticked, confirm=confirm, actor=actor)
    except (BadRequest, Conflict) as error:
        return _page(request, actor, class_session, ticked=ticked, error=error.detail)
    messages.success(request, _("Roster confirmed.") if confirm else _("Roster saved, not confirmed."))
    return redirect("portal:roster", slug, class_id)


@accepts_files
@require_POST
def roster_file(request: StudioRequest, slug: str, class_id: UUID) -> HttpResponse:
    """Ticks the dancers that a CSV file names. Nothing is saved before a person has reviewed the list."""
    actor = actor_of(request)
    class_session = _class(actor, class_id)
    form = ListForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, actor, class_session, file_form=form)
    try:
        listed = read_dancers(form.content(), today=timezone.localdate())
        named = dancers_named(listed)
    except InvalidDancerList as error:
        return _page(request, actor, class_session, file_form=form, lines=error.errors)
    return _page(request, actor, class_session, ticked=[dancer.id for dancer in named], from_file=len(named))


def _class(actor: Actor, class_id: UUID) -> ClassSession:
    class_session = class_for(actor, class_id)
    access.require(actor, MANAGE_DANCERS, class_session)
    return class_session


def _page(
    request: StudioRequest,
    actor: Actor,
    class_session: ClassSession,
    *,
    ticked: list[UUID] | None = None,
    from_file: int = 0,
    **context: Any,
) -> HttpResponse:
    note_read(ROSTER_OPENED, class_session, actor=actor)
    lines = roster_lines(actor, class_session, ticked=ticked)
    wrong = bool(context)
    confirmed_by = None
    if class_session.roster_confirmed_by:
        confirmed_by = User.objects.filter(pk=class_session.roster_confirmed_by).first()
    page = {
        "section": "classes",
        "class_session": class_session,
        "dancers": lines,
        "count": sum(line.is_ticked for line in lines),
        "from_file": from_file,
        "confirmed_by": confirmed_by,
        "file_form": ListForm(),
        "class_types": ClassType.objects.filter(Q(ended_at=None) | Q(pk=class_session.class_type_id))[
            :MOST_CLASS_TYPES
        ],
    } | context
    return studio_page(request, "portal/classes/roster.html", page, status=400 if wrong else 200)
