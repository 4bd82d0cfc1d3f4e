"""People: who belongs to the studio, as what, and what each of them can see."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from control_plane.portal.page import actor_of, studio_page
from control_plane.portal.people import members_found, person_lines, role_counts
from control_plane.studios import access
from control_plane.studios.requests import StudioRequest

PAGE_SIZE = 50
SUGGESTED = 10
SHORTEST = 2
HERE: dict[str, Any] = {"section": "people"}


@require_safe
def people(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows the members, page by page."""
    actor = actor_of(request)
    access.require(actor, access.Action.MANAGE_PEOPLE, request.studio)
    wanted, role = request.GET.get("q", "").strip()[:80], request.GET.get("role", "")
    page = Paginator(members_found(actor, wanted, role), PAGE_SIZE).get_page(request.GET.get("page"))
    context = HERE | {
        "page": page,
        "people": person_lines(list(page.object_list)),
        "roles": role_counts(actor),
        "wanted": wanted,
        "role": role,
    }
    return studio_page(request, "portal/people/list.html", context)


@require_safe
def suggest_people(request: StudioRequest, slug: str) -> HttpResponse:
    """Returns the first members whose name or address holds what somebody types, as options of a list."""
    actor = actor_of(request)
    access.require(actor, access.Action.MANAGE_PEOPLE, request.studio)
    wanted = request.GET.get("person", "").strip()[:80]
    found = members_found(actor, wanted, "")[:SUGGESTED] if len(wanted) >= SHORTEST else []
    return studio_page(request, "portal/people/suggested.html", {"people": person_lines(list(found))})
