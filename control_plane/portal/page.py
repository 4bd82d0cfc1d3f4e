"""How every page of a studio is rendered: in the studio's time zone, with what its viewer may do."""

import zoneinfo
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from control_plane.common.actors import Actor
from control_plane.studios import access
from control_plane.studios.requests import StudioRequest


def actor_of(request: HttpRequest) -> Actor:
    """Returns who asks.

    Raises:
        SignInRequired: nobody is signed in.
    """
    return access.require_signed_in(request.user)


def is_part(request: HttpRequest) -> bool:
    """Says whether htmx asks for a part of a page, not a browser for a whole one."""
    return bool(getattr(request, "htmx", False))


def studio_page(
    request: StudioRequest, template: str, context: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """Returns the page, never cached: what it shows may be another viewer's secret a minute later."""
    actor = actor_of(request)
    allowed = {action.value: True for action in access.permissions(actor, request.studio.id)}
    with timezone.override(zoneinfo.ZoneInfo(request.studio.time_zone)):
        response = render(request, template, {"allowed": allowed, **(context or {})}, status=status)
    response["Cache-Control"] = "no-store"
    return response
