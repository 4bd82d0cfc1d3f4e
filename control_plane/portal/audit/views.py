"""The audit log: search, export, receipts, and the report of who has seen a dancer."""

import re
import zoneinfo
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from asgiref.sync import sync_to_async
from django import forms
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from control_plane.access import access
from control_plane.access.reads import note_read
from control_plane.access.requests import StudioRequest
from control_plane.audit.audit_events import AUDIT_READ, RECEIPTS_TAKEN
from control_plane.audit.events import CATEGORY_LABELS, AuditEvent, Category
from control_plane.audit.permissions import VIEW_AUDIT
from control_plane.common.errors import BadRequest, NotFound
from control_plane.compliance.checkpointing import checkpoint_status, receipts
from control_plane.compliance.exporting import CONTENT_TYPES, Form, export_log
from control_plane.compliance.footage_access_report import as_csv, report_footage_access
from control_plane.compliance.search import AuditQuery, decode_cursor, encode_cursor, search
from control_plane.compliance.signing import public_key
from control_plane.people.models import Dancer
from control_plane.portal.page import actor_of, studio_page
from control_plane.tenancy.models import Membership

HANDFUL = 1000
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
HERE: dict[str, Any] = {"section": "settings"}


class SearchForm(forms.Form):
    """Search form of the audit log; every field is optional."""

    person = forms.ChoiceField(label=gettext_lazy("Person"), required=False)
    category = forms.ChoiceField(
        label=gettext_lazy("About"),
        required=False,
        choices=[("", "Everything"), *((item.value, CATEGORY_LABELS[item]) for item in Category)],
    )
    action = forms.ChoiceField(
        label=gettext_lazy("Event"),
        required=False,
        choices=[("", "Any event"), *((item.code, item.meaning.rstrip(".")) for item in AuditEvent.all())],
    )
    thing = forms.CharField(
        label=gettext_lazy("Id of a class, dancer, agent …"), required=False, max_length=64
    )
    first = forms.DateField(
        label=gettext_lazy("From"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    last = forms.DateField(
        label=gettext_lazy("To"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def __init__(self, *args: Any, people: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["person"].choices = [("", "Anyone"), *people]  # type: ignore[attr-defined]

    def question(self, zone: zoneinfo.ZoneInfo) -> AuditQuery:
        """Returns the search of the form; days are in the studio's time zone.

        Raises:
            BadRequest: a field has an invalid value; the text names the field.
        """
        if not self.is_valid():
            raise BadRequest(
                "; ".join(f"{name}: {' '.join(map(str, text))}" for name, text in self.errors.items())
            )
        values = self.cleaned_data
        return AuditQuery(
            person_id=UUID(values["person"]) if values["person"] else None,
            thing=values["thing"].strip(),
            action=values["action"],
            category=Category(values["category"]) if values["category"] else None,
            from_at=datetime.combine(values["first"], time.min, zone) if values["first"] else None,
            to_at=datetime.combine(values["last"] + timedelta(days=1), time.min, zone)
            if values["last"]
            else None,
        )


@require_safe
def audit_log(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows the audit events that match the search, newest first. Reading the log is an audit event itself."""
    actor = actor_of(request)
    access.require(actor, VIEW_AUDIT, request.studio)
    form = _form(request)
    before = decode_cursor(request.GET["before"]) if request.GET.get("before") else None
    context: dict[str, Any] = HERE | {
        "form": form,
        "checkpoints": checkpoint_status(request.studio.created_at),
        "public_key": public_key(),
    }
    status = 200
    try:
        question = form.question(zoneinfo.ZoneInfo(request.studio.time_zone))
    except BadRequest:
        status = 400
    else:
        page = search(question, reader=actor, before=before)
        note_read(AUDIT_READ, request.studio, actor=actor, rows=len(page.rows), **question.facts())
        kept = {name: value for name, value in form.cleaned_data.items() if value}
        context |= {
            "page": page,
            "is_first": before is None,
            "first_page": urlencode(kept),
            "older": urlencode(kept | {"before": encode_cursor(page.older)}) if page.older else "",
            "kept": kept,
            "export_forms": [("csv", "CSV"), ("jsonl", "JSON Lines")],
        }
    return studio_page(request, "portal/audit/log.html", context, status=status)


@require_POST
def audit_export(request: StudioRequest, slug: str) -> HttpResponseBase:
    """Streams the signed log, or the result of the search."""
    actor = actor_of(request)
    access.require(actor, VIEW_AUDIT, request.studio)
    question = _form(request).question(zoneinfo.ZoneInfo(request.studio.time_zone))
    try:
        form = Form(request.POST.get("form", ""))
    except ValueError as error:
        raise BadRequest("form: it is neither csv nor jsonl") from error
    lines = export_log(request.studio, question, form, actor=actor)
    response = StreamingHttpResponse(_pieces(lines), content_type=CONTENT_TYPES[form])
    name = f"audit-{request.studio.slug}-{timezone.now():%Y%m%d-%H%M}.{form.value}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


@require_POST
def audit_receipts(request: StudioRequest, slug: str) -> HttpResponse:
    """Downloads the studio's receipts of the newest checkpoints, one per line."""
    actor = actor_of(request)
    access.require(actor, VIEW_AUDIT, request.studio)
    content = b"".join(receipts(request.studio.id))
    note_read(RECEIPTS_TAKEN, request.studio, actor=actor)
    return _file(content, f"checkpoints-{request.studio.slug}.jsonl", "application/jsonl")


@require_safe
def dancer_seen(request: StudioRequest, slug: str, dancer_id: UUID) -> HttpResponse:
    """Shows who has seen a dancer, to readers of the audit log and to the dancer's guardians."""
    return studio_page(
        request,
        "portal/audit/seen.html",
        HERE | {"report": report_footage_access(_dancer(dancer_id), reader=actor_of(request))},
    )


@require_safe
def dancer_seen_file(request: StudioRequest, slug: str, dancer_id: UUID) -> HttpResponse:
    """Downloads the same report as CSV."""
    report = report_footage_access(_dancer(dancer_id), reader=actor_of(request))
    return _file(as_csv(report).encode(), f"seen-{dancer_id}.csv", "text/csv; charset=utf-8")


def _dancer(dancer_id: UUID) -> Dancer:
    dancer: Dancer | None = Dancer.objects.filter(pk=dancer_id).first()
    if dancer is None:
        raise NotFound
    return dancer


def _form(request: StudioRequest) -> SearchForm:
    members = Membership.objects.select_related("user").order_by("user__display_name", "user__email")
    people = [(str(item.user_id), item.user.get_full_name()) for item in members]
    asked = request.POST if request.method == "POST" else request.GET
    person = asked.get("person", "")
    if _UUID.fullmatch(person) and person not in dict(people):
        # Somebody who has left can still be looked for by id.
        people.append((person, f"person {person[-8:]}"))
    return SearchForm(asked, people=people)


def _file(content: bytes, name: str, content_type: str) -> HttpResponse:
    response = HttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


async def _pieces(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yields the lines in handfuls, each written in the thread that may ask the database."""

    def handful() -> bytes:
        return b"".join(line for line, _ in zip(lines, range(HANDFUL), strict=False))

    while piece := await sync_to_async(handful)():
        yield piece
