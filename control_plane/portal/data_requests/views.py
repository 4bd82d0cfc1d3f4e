"""Requests about the data of a dancer."""

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from control_plane.access import access
from control_plane.access.requests import StudioRequest
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict, NotFound, Unavailable
from control_plane.data_requests import erasure, services
from control_plane.data_requests.access_package import access_package
from control_plane.data_requests.models import DataRequest, RequestKind, RequestState
from control_plane.data_requests.permissions import ANSWER_DATA_REQUESTS
from control_plane.people.models import Dancer
from control_plane.portal.data_requests.forms import CloseForm, EraseForm, OpenForm
from control_plane.portal.page import actor_of, studio_page

PAGE_SIZE = 50
HERE: dict[str, Any] = {"section": "settings"}


@require_safe
def request_list(request: StudioRequest, slug: str) -> HttpResponse:
    """Lists the requests: open ones first, by the day on which they are due."""
    actor = actor_of(request)
    access.require(actor, ANSWER_DATA_REQUESTS, request.studio)
    rows = access.visible(actor, DataRequest)
    waiting = list(rows.filter(state=RequestState.OPEN).order_by("due_on")[:PAGE_SIZE])
    closed = Paginator(rows.exclude(state=RequestState.OPEN), PAGE_SIZE).get_page(request.GET.get("page"))
    names = _names([*waiting, *closed.object_list])
    context = HERE | {
        "waiting": [(row, names.get(row.dancer_id, "")) for row in waiting],
        "closed": [(row, names.get(row.dancer_id, "")) for row in closed.object_list],
        "page": closed,
        "today": timezone.localdate(),
    }
    return studio_page(request, "portal/data_requests/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def request_page(request: StudioRequest, slug: str, data_request_id: UUID) -> HttpResponse:
    """Shows a request with its receipt, and closes it."""
    row = _request(actor_of(request), data_request_id)
    form = CloseForm(_posted(request), kind=row.kind)
    if request.method == "POST" and form.is_valid():
        try:
            services.close_request(
                row,
                RequestState(form.cleaned_data["state"]),
                answer=form.cleaned_data["answer"],
                actor=actor_of(request),
            )
        except (BadRequest, Conflict) as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("The request is closed."))
            return redirect("portal:data_request", slug, row.id)
    context = HERE | {
        "row": row,
        "dancer": Dancer.objects.filter(pk=row.dancer_id).first(),
        "form": form,
        "today": timezone.localdate(),
    }
    return studio_page(
        request, "portal/data_requests/detail.html", context, status=422 if form.errors else 200
    )


@require_safe
def receipt_file(request: StudioRequest, slug: str, data_request_id: UUID) -> HttpResponse:
    """Downloads the receipt of an erasure as JSON."""
    row = _request(actor_of(request), data_request_id)
    if row.receipt is None:
        raise NotFound
    body = {"receipt": row.receipt, "sha256": row.receipt_sha256}
    return _file(json.dumps(body, indent=2).encode(), f"erasure-{row.dancer_id}.json", "application/json")


@require_http_methods(["GET", "HEAD", "POST"])
def open_one(request: StudioRequest, slug: str, dancer_id: UUID) -> HttpResponse:
    """Enters a request about a dancer."""
    actor = actor_of(request)
    dancer = _dancer(actor, dancer_id)
    form = OpenForm(_posted(request))
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data | {"kind": RequestKind(form.cleaned_data["kind"])}
        try:
            row = services.open_request(dancer, values.pop("kind"), actor=actor, **values)
        except (BadRequest, Conflict) as error:
            form.add_error(None, error.detail)
        else:
            return redirect("portal:data_request", slug, row.id)
    context = HERE | {"dancer": dancer, "form": form}
    return studio_page(request, "portal/data_requests/open.html", context, status=422 if form.errors else 200)


@require_POST
def download(request: StudioRequest, slug: str, dancer_id: UUID) -> HttpResponse:
    """Downloads everything that the studio holds about a dancer."""
    actor = actor_of(request)
    package = access_package(_dancer(actor, dancer_id), actor=actor)
    return _file(package.content, package.name, "application/zip")


@require_http_methods(["GET", "HEAD", "POST"])
def erase(request: StudioRequest, slug: str, dancer_id: UUID) -> HttpResponse:
    """Shows what the erasure of a dancer concerns, and erases."""
    actor = actor_of(request)
    dancer = _dancer(actor, dancer_id)
    report = erasure.erasure_report(dancer, actor=actor)
    waiting = DataRequest.objects.filter(
        dancer_id=dancer.id, kind=RequestKind.ERASURE, state=RequestState.OPEN
    ).first()
    initial = {"destroy": [str(item.class_session.id) for item in report.classes]}
    asked_by = waiting.requester if waiting else ""
    form = EraseForm(_posted(request), report=report, asked_by=asked_by, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            row = erasure.erase_dancer(
                dancer,
                destroy={UUID(id_) for id_ in form.cleaned_data.get("destroy", ())},
                confirmation=form.cleaned_data["confirmation"],
                requester=asked_by or form.cleaned_data.get("requester", ""),
                reason=form.cleaned_data["reason"],
                actor=actor,
            )
        except (BadRequest, Conflict, Unavailable) as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("The dancer was erased."))
            return redirect("portal:data_request", slug, row.id)
    context = HERE | {"dancer": dancer, "report": report, "waiting": waiting, "form": form}
    return studio_page(
        request, "portal/data_requests/erase.html", context, status=422 if form.errors else 200
    )


def _posted(request: StudioRequest) -> QueryDict | None:
    # An empty form is one too.
    return request.POST if request.method == "POST" else None


def _dancer(actor: Actor, dancer_id: UUID) -> Dancer:
    found: Dancer | None = access.visible(actor, Dancer).filter(pk=dancer_id).first()
    if found is None:
        raise NotFound
    access.require(actor, ANSWER_DATA_REQUESTS, found)
    return found


def _request(actor: Actor, data_request_id: UUID) -> DataRequest:
    found: DataRequest | None = DataRequest.objects.filter(pk=data_request_id).first()
    if found is None:
        raise NotFound
    access.require(actor, ANSWER_DATA_REQUESTS, found)
    return found


def _names(rows: list[DataRequest]) -> dict[UUID, str]:
    return dict(Dancer.objects.filter(pk__in={row.dancer_id for row in rows}).values_list("id", "name"))


def _file(content: bytes, name: str, content_type: str) -> HttpResponse:
    response = HttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response
