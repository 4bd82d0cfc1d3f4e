"""Pages of share links: making and revoking them, and the page without an account that a link opens."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from control_plane.access import access
from control_plane.access.reads import note_read
from control_plane.access.requests import StudioRequest
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict, TooManyRequests
from control_plane.portal.page import actor_of, studio_page
from control_plane.portal.shares.forms import LinkForm
from control_plane.portal.shares.list_views import list_address
from control_plane.portal.shares.presenter import link_rows, message_text, qr_code
from control_plane.recordings.models import ClassSession
from control_plane.recordings.permissions import SHARE
from control_plane.recordings.selectors import class_for
from control_plane.sharing.audit_events import SHARE_LINKS_LISTED
from control_plane.sharing.egress import EgressKind, EgressRefused, blockers, egress_policy, may_know
from control_plane.sharing.links import MadeLink, make_link, needs_pin, revoke_link, revoke_links
from control_plane.sharing.models import ShareLink

MOST_LISTED = 100


@require_safe
def link_page(request: HttpRequest, public_id: str) -> HttpResponse:
    """Shows the page of a link: the same for every public id, known or not. Reads no row and counts no view."""
    response = render(request, "portal/shares/link.html", {"public_id": public_id})
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def share(request: StudioRequest, slug: str, class_id: UUID) -> HttpResponse:
    """Shows the links of a class and the form for a new one; a POST makes it, and shows its address and PIN once."""
    actor = actor_of(request)
    class_session = _class(actor, class_id)
    if request.method != "POST":
        days = min(LinkForm.base_fields["days"].initial, egress_policy().longest_link_days)
        return _page(request, actor, class_session, form=LinkForm(initial={"days": days}))
    form = LinkForm(request.POST)
    if not form.is_valid():
        return _page(request, actor, class_session, form=form)
    try:
        made = make_link(class_session, form.facts(request.POST.getlist("camera")), actor=actor)
    except EgressRefused:
        return _page(request, actor, class_session, form=form)
    except (BadRequest, Conflict, TooManyRequests) as error:
        return _page(request, actor, class_session, form=form, error=error.detail)
    return _page(request, actor, class_session, form=LinkForm(), made=made)


@require_POST
def revoke(request: StudioRequest, slug: str, link_id: UUID) -> HttpResponse:
    """Revokes one link."""
    link = get_object_or_404(access.visible(actor_of(request), ShareLink), pk=link_id)
    revoke_link(link, actor=actor_of(request))
    messages.success(request, _("Link revoked. An open page stops within seconds."))
    # To one of our own pages, never to an address that somebody sent.
    if request.POST.get("back") == "links":
        return redirect(list_address(slug, request.POST))
    page = "portal:class_access" if request.POST.get("back") == "access" else "portal:share"
    return redirect(page, slug, link.class_session_id)


@require_POST
def revoke_all(request: StudioRequest, slug: str, class_id: UUID) -> HttpResponse:
    """Revokes all links of a class."""
    actor = actor_of(request)
    count = revoke_links(request.studio, actor=actor, class_session=_class(actor, class_id))
    messages.success(
        request, ngettext("%(count)d link revoked.", "%(count)d links revoked.", count) % {"count": count}
    )
    return redirect("portal:share", slug, class_id)


def _class(actor: Actor, class_id: UUID) -> ClassSession:
    class_session = class_for(actor, class_id)
    access.require(actor, SHARE, class_session)
    return class_session


def _page(
    request: StudioRequest,
    actor: Actor,
    class_session: ClassSession,
    *,
    form: LinkForm,
    made: MadeLink | None = None,
    error: str = "",
) -> HttpResponse:
    note_read(SHARE_LINKS_LISTED, class_session, actor=actor)
    now, knows = timezone.now(), may_know(actor, class_session)
    found = blockers(class_session, EgressKind.SHARE, now)
    links = ShareLink.objects.filter(class_session=class_session).select_related("class_session")[
        :MOST_LISTED
    ]
    rows = link_rows(links, now)
    context: dict[str, Any] = {
        "section": "classes",
        "class_session": class_session,
        "form": form,
        "error": error,
        "blockers": [{"text": item.text_for(may_know=knows), "way_out": item.way_out} for item in found],
        "ready": class_session.has_ended,
        "tracks": class_session.tracks.all(),
        "pin_is_needed": needs_pin(class_session, egress_policy()),
        "links": rows,
        "active_count": sum(row.is_active for row in rows),
    }
    if made is not None:
        context |= {
            "made": made,
            "qr_code": qr_code(made.address),
            "message": message_text(made, request.studio.name),
        }
    # A form that made nothing is shown again.
    status = 422 if form.is_bound else 200
    return studio_page(request, "portal/shares/share.html", context, status=status)
