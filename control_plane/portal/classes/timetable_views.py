"""The timetable: class types, the dancers enrolled for them, and the class type of a class."""

from datetime import date
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from control_plane.access import access
from control_plane.access.reads import note_read
from control_plane.access.requests import StudioRequest
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict, NotFound
from control_plane.people.models import Dancer
from control_plane.people.permissions import MANAGE_DANCERS
from control_plane.portal.page import actor_of, studio_page
from control_plane.recordings import timetable
from control_plane.recordings.audit_events import ENROLMENTS_OPENED
from control_plane.recordings.class_type_models import ClassType, Enrolment
from control_plane.recordings.selectors import class_for

HERE: dict[str, Any] = {"section": "settings"}
READ_WRITE = ("GET", "HEAD", "POST")


class ClassTypeForm(forms.Form):
    """A new class type."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)


class DayForm(forms.Form):
    """A day, today if none is chosen."""

    day = forms.DateField(required=False)

    def chosen(self) -> date:
        """Returns the day."""
        return self.cleaned_data["day"] or timezone.localdate()


@require_http_methods(READ_WRITE)
def class_types(request: StudioRequest, slug: str) -> HttpResponse:
    """Lists the class types with the number of their dancers, and adds one."""
    actor = actor_of(request)
    access.require(actor, MANAGE_DANCERS, request.studio)
    form = ClassTypeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            added = timetable.add_class_type(request.studio, form.cleaned_data["name"], actor=actor)
        except (BadRequest, Conflict) as error:
            form.add_error(None, error.detail)
        else:
            return redirect("portal:class_type", slug, added.pk)
    now = Q(enrolments__ends_at=None) | Q(enrolments__ends_at__gt=timezone.now())
    rows = ClassType.objects.filter(ended_at=None).annotate(dancers=Count("enrolments", filter=now))
    context = HERE | {"form": form, "class_types": rows[: timetable.MOST_CLASS_TYPES]}
    status = 400 if form.is_bound and form.errors else 200
    return studio_page(request, "portal/classes/class_types.html", context, status=status)


@require_http_methods(READ_WRITE)
def class_type(request: StudioRequest, slug: str, class_type_id: UUID) -> HttpResponse:
    """Shows the dancers of a class type, and enrols more."""
    actor = actor_of(request)
    found = _class_type(request, actor, class_type_id)
    error = ""
    if request.method == "POST":
        form = DayForm(request.POST)
        try:
            if not form.is_valid():
                raise BadRequest(_("Enter a day such as 31 May 2026."))
            ids = [UUID(value) for value in request.POST.getlist("dancer")]
            timetable.enrol(found, ids, starts_on=form.chosen(), actor=actor)
        except ValueError:
            error = _("Choose dancers.")
        except (BadRequest, Conflict) as refused:
            error = refused.detail
        else:
            return redirect("portal:class_type", slug, class_type_id)
    note_read(ENROLMENTS_OPENED, found, actor=actor)
    now = timezone.now()
    enrolled = list(
        Enrolment.objects.filter(Q(ends_at=None) | Q(ends_at__gt=now), class_type=found)
        .select_related("dancer")
        .order_by("dancer__name", "pk")
    )
    others = access.visible(actor, Dancer).filter(left_at=None)
    others = others.exclude(pk__in=[row.dancer_id for row in enrolled if row.ends_at is None])
    context = HERE | {
        "class_type": found,
        "enrolled": enrolled,
        "others": others.order_by("name", "pk")[: timetable.MOST_ENROLLED],
        "today": timezone.localdate(),
        "error": error,
    }
    return studio_page(request, "portal/classes/class_type.html", context, status=400 if error else 200)


@require_POST
def end_class_type(request: StudioRequest, slug: str, class_type_id: UUID) -> HttpResponse:
    """Ends a class type and its enrolments."""
    actor = actor_of(request)
    timetable.end_class_type(_class_type(request, actor, class_type_id), actor=actor)
    return redirect("portal:class_types", slug)


@require_POST
def end_enrolment(request: StudioRequest, slug: str, class_type_id: UUID, enrolment_id: UUID) -> HttpResponse:
    """Ends an enrolment with a day, today if none is chosen."""
    actor = actor_of(request)
    found = _class_type(request, actor, class_type_id)
    row = Enrolment.objects.filter(pk=enrolment_id, class_type=found).select_related("class_type").first()
    if row is None:
        raise NotFound
    form = DayForm(request.POST)
    if not form.is_valid():
        raise BadRequest(_("Enter a day such as 31 May 2026."))
    timetable.end_enrolment(row, last_day=form.chosen(), actor=actor)
    return redirect("portal:class_type", slug, class_type_id)


@require_POST
def set_class_type(request: StudioRequest, slug: str, class_id: UUID) -> HttpResponse:
    """Says which class type a class is one of (`class_type`; empty: of none)."""
    actor = actor_of(request)
    session = class_for(actor, class_id)
    access.require(actor, MANAGE_DANCERS, session)
    chosen = request.POST.get("class_type", "")
    found = None
    if chosen:
        try:
            found = _class_type(request, actor, UUID(chosen))
        except ValueError as error:
            raise NotFound from error
    timetable.set_class_type(session, found, actor=actor)
    messages.success(request, _("Saved."))
    return redirect("portal:roster", slug, class_id)


def _class_type(request: StudioRequest, actor: Actor, class_type_id: UUID) -> ClassType:
    access.require(actor, MANAGE_DANCERS, request.studio)
    found: ClassType | None = access.visible(actor, ClassType).filter(pk=class_type_id).first()
    if found is None:
        raise NotFound
    return found
