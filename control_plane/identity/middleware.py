"""Opens the studio of a request: the `<slug>` of its address, or the one chosen for the admin site."""

import zoneinfo
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from control_plane.access.access import require_signed_in
from control_plane.access.models import ApiKey, BreakGlass
from control_plane.access.requests import StudioRequest
from control_plane.access.selectors import own_break_glass
from control_plane.access.services.api_keys import actor_of
from control_plane.accounts import mail
from control_plane.accounts.guard import can_confirm
from control_plane.common.errors import ControlPlaneError, Forbidden, NotFound, SignInRequired
from control_plane.common.middleware import Handler, answer
from control_plane.common.problems import data_error_response, wants_html
from control_plane.common.scoping import studio_scope
from control_plane.identity.signin_rules import Missing, Refusal, note_seen, reachable, refusal
from control_plane.tenancy.models import Membership
from control_plane.tenancy.selectors import admin_memberships, own_membership

ADMIN_PREFIX = "/admin/"
ADMIN_STUDIO = "admin_studio_id"
"""Session key: the studio that the admin site shows."""

_AGAIN = {
    Missing.FRESH: "The studio asks you to sign in again.",
    Missing.ENDED: "An admin of the studio ended your sessions in it. Sign in again to open it.",
}

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
        except DataError as error:
            return data_error_response(request, error)

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
        refused = refusal(request, membership) if key is None else None
        if refused is not None:
            return _refuse(opened, refused)
        if membership is not None and key is None:
            note_seen(request, membership)
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
    if refused.missing in (Missing.FRESH, Missing.ENDED):
        return _ask_again(request, refused)
    if not wants_html(request):
        return answer(request, Forbidden(f"The studio asks for more at sign-in: {refused.missing}."))
    if refused.missing is Missing.SECOND_FACTOR:
        return redirect(f"{reverse('mfa_index')}?needed={request.studio.slug}")
    context = {"providers": refused.providers, "asking": request.studio}
    request.studio = request.membership = None  # type: ignore[assignment]
    return _page(request, "identity/signin_needed.html", context)


def _ask_again(request: StudioRequest, refused: Refusal) -> HttpResponse:
    """Ask for another sign-in for this studio. The session stays: what it opens elsewhere is not this studio's to end."""
    if not wants_html(request):
        return answer(request, SignInRequired(_AGAIN[refused.missing]))
    context: dict[str, object] = {
        "asking": request.studio,
        "why": refused.missing.value,
        "ended_at": request.membership.signin_not_before if request.membership else None,
        "providers": refused.providers,
        "can_confirm": not refused.providers and can_confirm(request),
        "has_mail": mail.has_server(),
    }
    request.studio = request.membership = None  # type: ignore[assignment]
    return _page(request, "identity/signin_again.html", context)


def _page(request: StudioRequest, template: str, context: dict[str, object]) -> HttpResponse:
    response = render(request, template, context, status=403)
    response["Cache-Control"] = "no-store"
    return response
