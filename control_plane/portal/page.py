"""Renders the pages of a studio with the viewer's permissions. `identity.middleware` sets the time zone."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from control_plane.access import access
from control_plane.access.requests import StudioRequest
from control_plane.access.selectors import open_break_glasses
from control_plane.audit.permissions import VIEW_AUDIT
from control_plane.common.actors import Actor
from control_plane.compliance.checkpointing import are_late


def actor_of(request: HttpRequest) -> Actor:
    """Returns the signed-in person as an actor.

    Raises:
        SignInRequired: nobody is signed in.
    """
    return access.require_signed_in(request.user)


def is_part(request: HttpRequest) -> bool:
    """Returns whether htmx requests a fragment instead of a whole page."""
    return bool(getattr(request, "htmx", False))


def page_number(request: HttpRequest) -> int:
    """Returns the requested page of a list, from 1."""
    text = request.GET.get("page", "")[:6]
    return min(max(int(text), 1), 10_000) if text.isdecimal() else 1


def studio_page(
    request: StudioRequest, template: str, context: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """Renders the page with `no-store`: a later viewer of the same browser may have fewer permissions."""
    actor = actor_of(request)
    allowed: dict[str, bool] = dict.fromkeys(access.permissions(actor, request.studio.id), True)
    page = {"allowed": allowed, **_support(request, actor, allowed), **(context or {})}
    response = render(request, template, page, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _support(request: StudioRequest, actor: Actor, allowed: Mapping[str, bool]) -> dict[str, Any]:
    """Returns the context of the break-glass banner: for the operator, and for members who can end the access."""
    if is_part(request):
        return {}
    if request.break_glass is not None:
        return {"break_glass": request.break_glass}
    if VIEW_AUDIT not in allowed:
        return {}
    return {
        "open_break_glasses": open_break_glasses(),
        # Readers of the audit log see on every page that its checkpoints are late.
        "clock_stands_still": are_late(request.studio.created_at),
    }
