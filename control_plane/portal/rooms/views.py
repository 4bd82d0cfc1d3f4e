"""Rooms, and the Record button."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from control_plane.access import access
from control_plane.access.requests import StudioRequest
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict, NotFound
from control_plane.fleet.permissions import RECORD
from control_plane.portal.classes.presenter import class_rows
from control_plane.portal.page import actor_of, is_part, studio_page
from control_plane.portal.rooms.presenter import cameras_in, room_cards, room_of
from control_plane.recordings.selectors import class_for, visible_classes
from control_plane.recordings.services import start_class, stop_class
from control_plane.tenancy.models import Room

RECENT = 8


@require_safe
def room_list(request: StudioRequest, slug: str) -> HttpResponse:
    """Shows the rooms."""
    return studio_page(request, "portal/rooms/list.html", {"section": "rooms"} | _cards(request))


@require_safe
def room_page(request: StudioRequest, slug: str, room_id: UUID) -> HttpResponse:
    """Shows one room: its cameras and its latest classes."""
    actor = actor_of(request)
    room = _room(actor, room_id)
    context = {
        "section": "rooms",
        "room": room,
        "cameras": cameras_in(actor, room),
        "classes": class_rows(visible_classes(actor).filter(room=room)[:RECENT], actor=actor),
    }
    return studio_page(request, "portal/rooms/detail.html", context | _cards(request, only=room))


@require_safe
def room_cards_part(request: StudioRequest, slug: str) -> HttpResponse:
    """Returns the cards of all rooms, or of `?room=`, for polling."""
    actor = actor_of(request)
    access.require(actor, RECORD, request.studio)
    return studio_page(request, "portal/rooms/cards.html", _cards(request, only=_asked(request, actor)))


@require_POST
def record(request: StudioRequest, slug: str, room_id: UUID) -> HttpResponse:
    """Starts a recording in the room."""
    actor = actor_of(request)
    room = _room(actor, room_id)
    errors: dict[UUID, str] = {}
    try:
        start_class(room, actor=actor, title=request.POST.get("title", ""))
    except Conflict as error:
        errors[room.id] = error.detail
    return _answer(request, actor, errors)


@require_POST
def stop(request: StudioRequest, slug: str, class_id: UUID) -> HttpResponse:
    """Stops the recording of a class."""
    actor = actor_of(request)
    stop_class(class_for(actor, class_id), actor=actor)
    return _answer(request, actor, {})


def _answer(request: StudioRequest, actor: Actor, errors: dict[UUID, str]) -> HttpResponse:
    if is_part(request):
        context = _cards(request, only=_asked(request, actor), errors=errors)
        return studio_page(request, "portal/rooms/cards.html", context)
    for text in errors.values():
        messages.error(request, text)
    return redirect("portal:classes", slug=request.studio.slug)


def _asked(request: StudioRequest, actor: Actor) -> Room | None:
    try:
        room_id = UUID(request.GET["room"])
    except (KeyError, ValueError):
        return None
    return _room(actor, room_id)


def _cards(
    request: StudioRequest, *, only: Room | None = None, errors: dict[UUID, str] | None = None
) -> dict[str, object]:
    cards = room_cards(actor_of(request), only=only, errors=errors)
    return {"rooms": cards, "busy": any(card.can_stop for card in cards), "only": only}


def _room(actor: Actor, room_id: UUID) -> Room:
    room = room_of(actor, room_id)
    if room is None:
        raise NotFound
    return room
