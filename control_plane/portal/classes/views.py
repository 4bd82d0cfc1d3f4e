"""Classes: the list, the replay page, and the upload progress."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from control_plane.access import access
from control_plane.access.reads import note_read
from control_plane.access.requests import StudioRequest
from control_plane.clips.permissions import MAKE_CLIPS
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict
from control_plane.compliance.footage_access_report import own_dancers
from control_plane.fleet.permissions import RECORD
from control_plane.fleet.selectors import visible_agents
from control_plane.portal.classes.presenter import by_day, class_rows, waiting
from control_plane.portal.page import actor_of, studio_page
from control_plane.portal.rooms.presenter import room_cards
from control_plane.recordings.audit_events import CLASS_OPENED
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.recordings.permissions import EXPORT, MANAGE_CLASS, SHARE
from control_plane.recordings.selectors import class_for, visible_classes
from control_plane.recordings.services import give_up_class
from control_plane.storage.stores import origins_of

PAGE_SIZE = 30


@require_safe
def class_list(request: StudioRequest, slug: str) -> HttpResponse:
    """Lists the classes, newest first, and the rooms for members who may record."""
    actor = actor_of(request)
    page = Paginator(visible_classes(actor), PAGE_SIZE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "section": "classes",
        "page": page,
        "days": by_day(class_rows(page.object_list, actor=actor)),
        "own_dancers": own_dancers(actor),
    }
    if access.can(actor, RECORD, request.studio):
        cards = room_cards(actor)
        context |= {
            "rooms": cards,
            "busy": any(card.can_stop for card in cards),
            "agent_count": visible_agents(actor).count(),
        }
    return studio_page(request, "portal/classes/list.html", context)


@require_safe
def class_page(request: StudioRequest, slug: str, class_id: UUID) -> HttpResponse:
    """Shows the replay of a class, or its upload progress."""
    actor = actor_of(request)
    class_session = class_for(actor, class_id)
    note_read(CLASS_OPENED, class_session, actor=actor)
    (row,) = class_rows([class_session], actor=actor, count_segments=True)
    context = {
        "section": "classes",
        "row": row,
        "ready": row.is_replayable and row.may_replay and row.segment_count > 0,
        **_progress(actor, class_session),
        "first_urls": _first_urls(slug, class_session),
        "may_make_clips": access.can(actor, MAKE_CLIPS, class_session),
        "may_share": access.can(actor, SHARE, class_session),
        "may_export": access.can(actor, EXPORT, class_session),
    }
    return _allow_stores(class_session, studio_page(request, "portal/classes/replay.html", context))


def _allow_stores(class_session: ClassSession, response: HttpResponse) -> HttpResponse:
    """Extends this page's content security policy by the studio's own stores that hold the class."""
    held = class_session.segments.exclude(store=None).order_by().values_list("store_id", flat=True).distinct()
    if origins := origins_of(set(held)):
        response._csp_update = {"connect-src": origins}  # type: ignore[attr-defined]  # django-csp's own seam
    return response


def _first_urls(slug: str, class_session: ClassSession) -> list[str]:
    """Returns the player's first requests, so that the browser can preload them."""
    tracks = class_session.tracks.filter(segments__isnull=False).distinct()
    playlists = [reverse("playback:playlist", args=[slug, class_session.id, track.id]) for track in tracks]
    return [reverse("playback:timeline", args=[slug, class_session.id]), *playlists]


@require_safe
def class_progress(request: StudioRequest, slug: str, class_id: UUID) -> HttpResponse:
    """Returns the progress of a class, for polling; redirects to its page once it can be replayed."""
    actor = actor_of(request)
    class_session = class_for(actor, class_id)
    (row,) = class_rows([class_session], actor=actor, count_segments=True)
    context = {
        "row": row,
        **_progress(actor, class_session),
    }
    response = studio_page(request, "portal/classes/progress.html", context)
    if row.is_replayable and row.may_replay and row.segment_count:
        response["HX-Redirect"] = reverse("portal:class", args=[slug, class_id])
    return response


@require_POST
def give_up(request: StudioRequest, slug: str, class_id: UUID) -> HttpResponse:
    """Ends the wait for an agent's footage: the class can be replayed with the footage that has arrived."""
    actor = actor_of(request)
    try:
        give_up_class(class_for(actor, class_id), actor=actor)
    except Conflict as error:
        messages.error(request, error.detail)
    return redirect("portal:class", slug=slug, class_id=class_id)


def _progress(actor: Actor, class_session: ClassSession) -> dict[str, Any]:
    """Returns the actions that a member has for a class that is not ready, and the agents it waits for."""
    finishing = class_session.state == ClassState.FINISHING
    agents = waiting(class_session) if finishing or class_session.is_running else []
    return {
        "can_stop": class_session.is_running and access.can(actor, RECORD, class_session),
        "can_give_up": finishing and access.can(actor, MANAGE_CLASS, class_session),
        "waiting": agents if finishing else [],
        "stopped": [agent.name for agent in agents if agent.is_stopped] if class_session.is_running else [],
    }
