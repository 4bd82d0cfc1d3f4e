"""The studio's notices: drafts with a preview, and published versions."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from control_plane.access import access
from control_plane.access.requests import StudioRequest
from control_plane.common.errors import BadRequest, Conflict, NotFound
from control_plane.people.consent_models import ConsentNotice, ConsentPurpose
from control_plane.people.consent_notices import NoticeContent, publish, save_draft, template
from control_plane.people.permissions import MANAGE_CONSENTS
from control_plane.portal.consents.forms import NoticeForm
from control_plane.portal.page import actor_of, studio_page

READ_WRITE = ("GET", "HEAD", "POST")
HERE: dict[str, Any] = {"section": "settings"}
SHOWN = 100


@require_http_methods(READ_WRITE)
def notices(request: StudioRequest, slug: str) -> HttpResponse:
    """Lists the notices, and begins a draft from the template."""
    actor = actor_of(request)
    access.require(actor, MANAGE_CONSENTS, request.studio)
    if request.method == "POST":
        try:
            draft = save_draft(request.studio, template(request.studio), actor=actor)
        except Conflict as error:
            messages.error(request, error.detail)
            return redirect("portal:notices", slug)
        return redirect("portal:notice", slug, draft.pk)
    context = HERE | {"notices": access.visible(actor, ConsentNotice)[:SHOWN]}
    return studio_page(request, "portal/consents/notices.html", context)


@require_http_methods(READ_WRITE)
def notice(request: StudioRequest, slug: str, notice_id: UUID) -> HttpResponse:
    """Shows a notice as its readers see it; a draft can be changed, and published (`publish`)."""
    actor = actor_of(request)
    access.require(actor, MANAGE_CONSENTS, request.studio)
    found: ConsentNotice | None = access.visible(actor, ConsentNotice).filter(pk=notice_id).first()
    if found is None:
        raise NotFound
    form = NoticeForm(request.POST or None, initial=_initial(found))
    if request.method == "POST" and form.is_valid():
        try:
            _saved(request, form, found)
        except (BadRequest, Conflict) as error:
            form.add_error(None, error.detail)
        else:
            return redirect("portal:notice", slug, notice_id)
    context = HERE | {"notice": found, "form": form, "purposes": map(ConsentPurpose, found.purposes)}
    status = 400 if form.is_bound and form.errors else 200
    return studio_page(request, "portal/consents/notice.html", context, status=status)


def _saved(request: StudioRequest, form: NoticeForm, found: ConsentNotice) -> None:
    actor = actor_of(request)
    purposes = [ConsentPurpose(value) for value in form.cleaned_data["purposes"]]
    content = NoticeContent(
        form.cleaned_data["title"], form.cleaned_data["text"], purposes, language=found.language
    )
    draft = save_draft(request.studio, content, actor=actor, notice_id=found.pk)
    if "publish" not in request.POST:
        messages.success(request, _("Saved."))
        return
    published = publish(draft, actor=actor)
    messages.success(request, _("Published as version %(version)s.") % {"version": published.version})


def _initial(found: ConsentNotice) -> dict[str, object]:
    return {"title": found.title, "text": found.text, "purposes": found.purposes}
