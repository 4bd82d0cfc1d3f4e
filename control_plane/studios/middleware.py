"""Opens the studio of a request: the `<slug>` of its address, or the one chosen for the admin site."""

import zoneinfo
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from control_plane.common.errors import ControlPlaneError, Forbidden, NotFound, SignInRequired
from control_plane.common.middleware import Handler, answer
from control_plane.common.problems import wants_html
from control_plane.common.scoping import studio_scope
from control_plane.studios.access import require_signed_in
from control_plane.studios.models import ApiKey, BreakGlass, Membership
from control_plane.studios.requests import StudioRequest
from control_plane.studios.selectors import admin_memberships, own_break_glass, own_membership
from control_plane.studios.services.api_keys import actor_of
from control_plane.studios.signin_rules import Missing, Refusal, reachable, refusal

ADMIN_PREFIX = "/admin/"
ADMIN_STUDIO = "admin_studio_id"
"""Session key: the studio that the admin site shows."""

WayIn = Membership | BreakGlass


class StudioScope:
    """Wraps a view in `studio_scope`; must be the last middleware, because it calls the view itself.

    A view whose address holds `slug` gets a `StudioRequest`; it is a plain function, no coroutine. Members come in, and
    platform operators with an open break-glass; strangers get 404, people who are not signed in 401 or the sign-in
    page. The page is rendered inside the scope.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Calls on."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """Calls the view in its studio's scope; None where the address belongs to no studio."""
        try:
            way_in: WayIn | None
            if "slug" in kwargs:
                way_in = self._by_slug(request, kwargs["slug"])
                if (key := _key_of(request)) is not None and key.studio_id != way_in.studio_id:
                    raise NotFound
            elif request.path.startswith(ADMIN_PREFIX) and request.user.is_authenticated:
                way_in = self._for_admin(request)
            else:
                return None
            return None if way_in is None else _call(request, way_in, view, args, kwargs)
        except ControlPlaneError as error:
            return answer(request, error)

    def _by_slug(self, request: HttpRequest, slug: str) -> WayIn:
        if not request.user.is_authenticated:
            raise SignInRequired
        way_in = own_membership(request.user.pk, slug=slug) or own_break_glass(request.user.pk, slug=slug)
        if way_in is None:
            raise NotFound
        return way_in

    def _for_admin(self, request: HttpRequest) -> Membership | None:
        user_id: UUID = request.user.pk  # type: ignore[assignment]
        found = reachable(request, admin_memberships(user_id))
        chosen = request.session.get(ADMIN_STUDIO)
        return next((item for item in found if str(item.studio_id) == chosen), found[0] if found else None)


def _call(
    request: HttpRequest,
    way_in: WayIn,
    view: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> HttpResponse:
    membership = way_in if isinstance(way_in, Membership) else None
    # What a form says and a page shows is in the studio's own time.
    with studio_scope(way_in.studio_id), timezone.override(zoneinfo.ZoneInfo(way_in.studio.time_zone)):
        opened = cast("StudioRequest", request)
        opened.studio, opened.membership = way_in.studio, membership
        opened.break_glass = way_in if isinstance(way_in, BreakGlass) else None
        key = _key_of(request)
        opened.actor = require_signed_in(request.user) if key is None else actor_of(key)
        # A key has no session to ask anything of: whoever made it had one that was good enough.
        refused = refusal(request, membership.role if membership else None) if key is None else None
        if refused is not None:
            return _refuse(opened, refused)
        response: HttpResponse = view(opened, *args, **kwargs)
        render = getattr(response, "render", None)
        if callable(render) and not getattr(response, "is_rendered", True):
            response = render()
        return response


def _key_of(request: HttpRequest) -> ApiKey | None:
    """Returns the API key of a request; set under `/api/` alone (`api.authentication`)."""
    return getattr(request, "api_key", None)


def _refuse(request: StudioRequest, refused: Refusal) -> HttpResponse:
    """Answers somebody whose session is not what the studio asks for; nothing of the studio is shown but its name.

    Raises:
        NotFound: not even that.
    """
    if refused.missing is Missing.OWN_SIGNIN:
        # Whoever runs another studio's provider signs in as anybody: they learn no more than a stranger would.
        request.studio = request.membership = None  # type: ignore[assignment]
        raise NotFound
    if refused.missing is Missing.FRESH:
        logout(request)
        return answer(request, SignInRequired("The studio asks you to sign in again."))
    if not wants_html(request):
        return answer(request, Forbidden(f"The studio asks for more at sign-in: {refused.missing}."))
    if refused.missing is Missing.SECOND_FACTOR:
        return redirect(f"{reverse('mfa_index')}?needed={request.studio.slug}")
    context = {"providers": refused.providers, "asking": request.studio}
    request.studio = request.membership = None  # type: ignore[assignment]
    response = render(request, "studios/signin_needed.html", context, status=403)
    response["Cache-Control"] = "no-store"
    return response
