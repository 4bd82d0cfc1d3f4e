"""The studio's pages of consents: the table, asking, and one dancer's answers with the entry of a paper."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from control_plane.access import access
from control_plane.access.reads import note_read
from control_plane.access.requests import StudioRequest
from control_plane.common.errors import BadRequest, Conflict, NotFound
from control_plane.people.audit_events import CONSENTS_LISTED
from control_plane.people.consent_models import ConsentAnswer, ConsentNotice, ConsentPurpose
from control_plane.people.consent_requests import ask as ask_for_consent
from control_plane.people.consent_services import record_paper
from control_plane.people.permissions import MANAGE_CONSENTS, VIEW_DANCERS
from control_plane.portal.consents.forms import AskForm, PaperForm
from control_plane.portal.consents.presenter import dancers_listed, history_of, lines_of
from control_plane.portal.dancers.presenter import dancer_for
from control_plane.portal.page import actor_of, studio_page

PAGE_SIZE = 50
LATEST = 100
HERE: dict[str, Any] = {"section": "settings"}


@require_safe
def consents(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows who has allowed what, and lets those who may ask choose dancers to ask."""
    actor = actor_of(request)
    access.require(actor, VIEW_DANCERS, request.studio)
    missing = request.GET.get("missing", "")
    purpose = ConsentPurpose(missing) if missing in ConsentPurpose.values else None
    wanted = request.GET.get("q", "").strip()[:80]
    page = Paginator(dancers_listed(actor, purpose, wanted), PAGE_SIZE).get_page(request.GET.get("page"))
    note_read(CONSENTS_LISTED, request.studio, actor=actor, rows=len(page.object_list))
    notices = list(ConsentNotice.objects.filter(published_at__isnull=False).order_by("-version")[:20])
    context = HERE | {
        "page": page,
        "lines": lines_of(page.object_list),
        "purposes": list(ConsentPurpose),
        "missing": purpose,
        "wanted": wanted,
        "notices": notices,
        "may_write": access.can(actor, MANAGE_CONSENTS, request.studio),
    }
    return studio_page(request, "portal/consents/list.html", context)


@require_POST
def ask(request: StudioRequest, slug: str) -> HttpResponse:
    """Asks the people who answer for the chosen dancers."""
    actor = actor_of(request)
    access.require(actor, MANAGE_CONSENTS, request.studio)
    form = AskForm(request.POST)
    back = f"{reverse('portal:consents', args=[slug])}?{urlencode({'missing': request.POST.get('missing', '')[:16]})}"
    if not form.is_valid():
        messages.error(request, _("Choose dancers, at least one purpose and a notice."))
        return redirect(back)
    notice = ConsentNotice.objects.filter(pk=form.cleaned_data["notice"]).first()
    if notice is None:
        raise NotFound
    purposes = [ConsentPurpose(value) for value in form.cleaned_data["purpose"]]
    try:
        asked = ask_for_consent(notice, form.dancer_ids(), purposes, actor=actor)
    except (BadRequest, Conflict) as error:
        messages.error(request, error.detail)
        return redirect(back)
    text = ngettext("%(count)s person is asked.", "%(count)s people are asked.", asked.people)
    messages.success(request, text % {"count": asked.people})
    if asked.unreachable:
        text = ngettext(
            "Nobody can answer for %(count)s dancer: add a guardian, or the account of an adult dancer.",
            "Nobody can answer for %(count)s dancers: add guardians, or the accounts of adult dancers.",
            len(asked.unreachable),
        )
        messages.error(request, text % {"count": len(asked.unreachable)})
    return redirect(back)


@require_http_methods(["GET", "HEAD", "POST"])
def dancer_consents(request: StudioRequest, slug: str, dancer_id: UUID) -> HttpResponse:
    """Shows the answers about one dancer, and enters those on a paper."""
    actor = actor_of(request)
    dancer = dancer_for(actor, dancer_id)
    form = PaperForm(request.POST or None)
    if request.method == "POST":
        access.require(actor, MANAGE_CONSENTS, dancer)
        if form.is_valid():
            answers = {
                ConsentPurpose(value): ConsentAnswer(form.cleaned_data["answer"])
                for value in form.cleaned_data["purpose"]
            }
            try:
                record_paper(
                    dancer,
                    answers,
                    signed_by=form.cleaned_data["signed_by"],
                    signed_on=form.cleaned_data["signed_on"],
                    actor=actor,
                )
            except BadRequest as error:
                form.add_error(None, error.detail)
            else:
                messages.success(request, _("Saved."))
                return redirect("portal:dancer_consents", slug, dancer.id)
    note_read(CONSENTS_LISTED, dancer, actor=actor)
    context = HERE | {
        "dancer": dancer,
        "line": lines_of([dancer])[0],
        "history": history_of(dancer, most=LATEST),
        "form": form,
        "may_write": access.can(actor, MANAGE_CONSENTS, dancer),
    }
    status = 400 if form.is_bound and form.errors else 200
    return studio_page(request, "portal/consents/dancer.html", context, status=status)
