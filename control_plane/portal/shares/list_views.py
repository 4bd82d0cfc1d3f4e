"""The list of share links: of the whole studio for people who manage people, else those that a person made."""

from collections.abc import Mapping
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from control_plane.access import access
from control_plane.access.reads import note_read
from control_plane.access.requests import StudioRequest
from control_plane.common.errors import BadRequest, Conflict
from control_plane.portal.page import actor_of, studio_page
from control_plane.portal.shares.presenter import choices_of, link_rows
from control_plane.recordings.permissions import SHARE
from control_plane.sharing.audit_events import SHARE_LINKS_LISTED
from control_plane.sharing.links import revoke_listed
from control_plane.sharing.selectors import LinkFilter, active, filtered, links_for, manages_links

PAGE_SIZE = 25
STATES = {"active": True, "ended": False}
FIELDS = ("state", "class", "by", "page")
"""Parameters of the address of the list."""


@require_safe
def links(request: StudioRequest, slug: str) -> HttpResponse:
    """Lists share links, with when and from which network each was opened."""
    actor = actor_of(request)
    access.require(actor, SHARE, request.studio)
    now, own = timezone.now(), links_for(actor, request.studio)
    wanted = _wanted(request.GET)
    found = filtered(own, wanted, now)
    page = Paginator(found.select_related("class_session__room"), PAGE_SIZE).get_page(request.GET.get("page"))
    note_read(SHARE_LINKS_LISTED, request.studio, actor=actor, rows=len(page.object_list))
    context = {
        "section": "settings",
        "page": page,
        "rows": link_rows(page.object_list, now),
        "wanted": wanted,
        "state": request.GET.get("state", ""),
        "choices": choices_of(own),
        "active_count": found.filter(active(now)).count(),
        "manages": manages_links(actor, request.studio),
        "kept": _kept(request.GET),
    }
    return studio_page(request, "portal/shares/list.html", context)


@require_POST
def revoke_listed_links(request: StudioRequest, slug: str) -> HttpResponse:
    """Revokes all links of the list as it was shown: those of its filter that can still be opened."""
    seen = request.POST.get("seen", "")[:6]
    try:
        count = revoke_listed(
            request.studio,
            _wanted(request.POST),
            seen=int(seen) if seen.isdecimal() else 0,
            actor=actor_of(request),
        )
    except Conflict as error:
        messages.error(request, error.detail)
    else:
        text = ngettext("%(count)d link revoked.", "%(count)d links revoked.", count)
        messages.success(request, text % {"count": count})
    return redirect(list_address(slug, request.POST))


def list_address(slug: str, given: Mapping[str, str]) -> str:
    """Returns the address of the list with the filter and page in `given`, and nothing else of it."""
    address, kept = reverse("portal:links", args=[slug]), urlencode(_kept(given))
    return f"{address}?{kept}" if kept else address


def _kept(given: Mapping[str, str]) -> dict[str, str]:
    return {name: given[name][:64] for name in FIELDS if given.get(name)}


def _wanted(given: Mapping[str, str]) -> LinkFilter:
    """Returns the filter. A wrong value is an error, not a wider filter: what it finds can be revoked at once."""
    state = given.get("state", "")
    if state and state not in STATES:
        raise BadRequest("state: active, ended or empty.")
    return LinkFilter(STATES.get(state), _id(given.get("class", "")), _id(given.get("by", "")))


def _id(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError as error:
        raise BadRequest("This filter names nothing. Load the page again.") from error
