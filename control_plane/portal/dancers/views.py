"""Dancers and their guardians, and the import of a list."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from control_plane.access import access
from control_plane.access.reads import note_read
from control_plane.access.requests import StudioRequest
from control_plane.common.actors import Actor
from control_plane.common.body_limits import accepts_files
from control_plane.common.errors import BadRequest, Conflict, NotFound
from control_plane.people import services
from control_plane.people.audit_events import DANCER_OPENED, DANCERS_LISTED
from control_plane.people.dancer_list import InvalidDancerList, NewDancer, list_text, read_dancers
from control_plane.people.models import Dancer, Guardianship, Relation
from control_plane.people.permissions import MANAGE_DANCERS, VIEW_DANCERS
from control_plane.portal.dancers.forms import (
    DancerForm,
    GuardianForm,
    GuardianInvitationForm,
    ListForm,
    ListTextForm,
)
from control_plane.portal.dancers.presenter import classes_of, dancer_for, dancers_found, invited_guardians
from control_plane.portal.page import actor_of, studio_page

PAGE_SIZE = 50
LATEST = 12
PREVIEWED = 20
HERE: dict[str, Any] = {"section": "settings"}


@require_safe
def dancer_list(request: StudioRequest, slug: str) -> HttpResponse:
    """Lists the dancers. Families never see this list, not even for their own dancers."""
    actor = actor_of(request)
    access.require(actor, VIEW_DANCERS, request.studio)
    wanted, left = request.GET.get("q", "").strip()[:80], "left" in request.GET
    page = Paginator(dancers_found(actor, wanted, left=left), PAGE_SIZE).get_page(request.GET.get("page"))
    note_read(DANCERS_LISTED, request.studio, actor=actor, rows=len(page.object_list))
    context = HERE | {"page": page, "wanted": wanted, "left": left, "may_write": _may_write(request, actor)}
    return studio_page(request, "portal/dancers/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def add_dancer(request: StudioRequest, slug: str) -> HttpResponse:
    """Adds one dancer."""
    actor = actor_of(request)
    access.require(actor, MANAGE_DANCERS, request.studio)
    form = DancerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            dancer = services.add_dancer(request.studio, NewDancer(**_values(form)), actor=actor)
        except BadRequest as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("%(dancer)s was added.") % {"dancer": dancer.name})
            return redirect("portal:dancer", slug, dancer.id)
    return studio_page(request, "portal/dancers/add.html", HERE | {"form": form}, status=_status(form))


@require_http_methods(["GET", "HEAD", "POST"])
def dancer_page(request: StudioRequest, slug: str, dancer_id: UUID) -> HttpResponse:
    """Shows and changes a dancer."""
    actor = actor_of(request)
    dancer = dancer_for(actor, dancer_id)
    if request.method != "POST":
        return _dancer(request, actor, dancer)
    access.require(actor, MANAGE_DANCERS, dancer)
    form = DancerForm(request.POST)
    if form.is_valid():
        try:
            services.change_dancer(dancer_for(actor, dancer_id), actor=actor, **_values(form))
        except BadRequest as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("Saved."))
            return redirect("portal:dancer", slug, dancer.id)
    return _dancer(request, actor, dancer, form=form)


@require_POST
def dancer_left(request: StudioRequest, slug: str, dancer_id: UUID) -> HttpResponse:
    """Marks a dancer as left, or as back (`left=no`)."""
    actor = actor_of(request)
    dancer = dancer_for(actor, dancer_id)
    services.set_dancer_left(dancer, request.POST.get("left") != "no", actor=actor)
    return redirect("portal:dancer", slug, dancer.id)


@require_POST
def add_guardian(request: StudioRequest, slug: str, dancer_id: UUID) -> HttpResponse:
    """Makes a member a guardian of a dancer."""
    actor = actor_of(request)
    dancer = dancer_for(actor, dancer_id)
    access.require(actor, MANAGE_DANCERS, dancer)
    form = GuardianForm(request.POST)
    if form.is_valid():
        try:
            services.start_guardianship(
                dancer, form.cleaned_data["person"], Relation(form.cleaned_data["relation"]), actor=actor
            )
        except (Conflict, NotFound) as error:
            form.add_error("person", error.detail)
        else:
            messages.success(
                request,
                _("%(person)s is now guardian of %(dancer)s.")
                % {"person": form.cleaned_data["person"], "dancer": dancer.name},
            )
            return redirect("portal:dancer", slug, dancer.id)
    return _dancer(request, actor, dancer, guardian_form=form)


@require_POST
def end_guardian(request: StudioRequest, slug: str, dancer_id: UUID, guardianship_id: UUID) -> HttpResponse:
    """Ends a guardianship and the access that it gave."""
    actor = actor_of(request)
    dancer = dancer_for(actor, dancer_id)
    found = Guardianship.objects.filter(pk=guardianship_id, dancer=dancer).select_related("user").first()
    if found is None:
        raise NotFound
    services.end_guardianship(found, actor=actor)
    messages.success(
        request,
        _("%(user)s is no longer guardian of %(dancer)s.") % {"user": found.user, "dancer": dancer.name},
    )
    return redirect("portal:dancer", slug, dancer.id)


@accepts_files
@require_http_methods(["GET", "HEAD", "POST"])
def import_dancers(request: StudioRequest, slug: str) -> HttpResponse:
    """Previews a CSV file (`file`), then adds its dancers (`text`): all, or none if a line is wrong."""
    actor = actor_of(request)
    access.require(actor, MANAGE_DANCERS, request.studio)
    form = ListForm(request.POST or None, request.FILES or None)
    context = HERE | {"form": form}
    previewed = ListTextForm(request.POST) if "text" in request.POST else None
    if request.method == "POST" and (previewed or form).is_valid():
        content = previewed.cleaned_data["text"].encode() if previewed else form.content()
        try:
            listed = read_dancers(content, today=timezone.localdate())
        except InvalidDancerList as error:
            context["errors"] = error.errors
        else:
            if not previewed:
                return studio_page(request, "portal/dancers/preview.html", HERE | _preview(content, listed))
            added, there = services.add_dancers(request.studio, listed, actor=actor)
            messages.success(request, _said(len(added), there))
            return redirect("portal:dancers", slug)
    refused = request.method == "POST"
    return studio_page(request, "portal/dancers/import.html", context, status=400 if refused else 200)


def _preview(content: bytes, listed: list[NewDancer]) -> dict[str, Any]:
    return {
        "text": list_text(content),
        "listed": listed[:PREVIEWED],
        "total": len(listed),
        "known": services.count_known(listed),
    }


def _dancer(
    request: StudioRequest,
    actor: Actor,
    dancer: Dancer,
    *,
    form: DancerForm | None = None,
    guardian_form: GuardianForm | None = None,
) -> HttpResponse:
    note_read(DANCER_OPENED, dancer, actor=actor)
    may_write = access.can(actor, MANAGE_DANCERS, dancer)
    initial = {name: getattr(dancer, name) for name in DancerForm.base_fields}
    ties = dancer.guardianships.select_related("user").order_by("ended_at", "started_at")
    context = HERE | {
        "dancer": dancer,
        "form": form or DancerForm(initial=initial),
        "guardian_form": guardian_form or GuardianForm(),
        "guardianships": [tie for tie in ties if tie.ended_at is None] if may_write else [],
        "invited": invited_guardians(dancer) if may_write else [],
        "invitation_form": GuardianInvitationForm(auto_id="invite_%s"),
        "former": [tie for tie in ties if tie.ended_at is not None] if may_write else [],
        "classes": classes_of(actor, dancer, most=LATEST),
        "may_write": may_write,
    }
    wrong = [item for item in (form, guardian_form) if item is not None]
    return studio_page(request, "portal/dancers/detail.html", context, status=400 if wrong else 200)


def _values(form: DancerForm) -> dict[str, Any]:
    return {name: form.cleaned_data[name] for name in DancerForm.base_fields}


def _status(form: forms.Form) -> int:
    return 400 if form.is_bound and form.errors else 200


def _may_write(request: StudioRequest, actor: Actor) -> bool:
    return access.can(actor, MANAGE_DANCERS, request.studio)


def _said(added: int, there: int) -> str:
    text = f"{added} dancer{'' if added == 1 else 's'} added."
    return f"{text} {there} {'was' if there == 1 else 'were'} there already." if there else text
