"""Opens the studio of a request: the one named by `<slug>` in the path, or the one chosen for the admin site."""

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
from control_plane.accounts.reauthentication import can_confirm
from control_plane.common import mail
from control_plane.common.errors import ControlPlaneError, Forbidden, NotFound, SignInRequired
from control_plane.common.middleware import Handler, answer
from control_plane.common.problems import data_error_response, wants_html
from control_plane.common.scoping import studio_scope
from control_plane.identity.signin_rules import Refusal, Requirement, reachable, record_visit, refusal
from control_plane.tenancy.models import Membership
from control_plane.tenancy.selectors import admin_memberships, own_membership

ADMIN_PREFIX = "/admin/"
ADMIN_STUDIO = "admin_studio_id"
"""Session key: the studio that the admin site shows."""

_SIGNIN_AGAIN = {
    Requirement.FRESH: "The studio asks you to sign in again.",
    Requirement.ENDED: "An admin of the studio ended your sessions in it. Sign in again to open it.",
}

StudioAccess = Membership | BreakGlass


class StudioScope:
    """Wraps a view in `studio_scope`. It must be the last middleware, because it calls the view itself.

    A view with `slug` in its path gets a `StudioRequest`, and must be a plain function, not a coroutine. Members are
    admitted, and operators with break-glass access. Others get 404; people who are not signed in get 401 or the sign-in
    page. The response is rendered inside the scope.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Calls the next handler."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """Calls the view in its studio's scope; returns None if the path belongs to no studio."""
        try:
            studio_access: StudioAccess | None
            if "slug" in kwargs:
                studio_access = self._by_slug(request, kwargs["slug"])
                if (key := _key_of(request)) is not None and key.studio_id != studio_access.studio_id:
                    raise NotFound
            elif request.path.startswith(ADMIN_PREFIX) and request.user.is_authenticated:
                studio_access = self._for_admin(request)
            else:
                return None
            return None if studio_access is None else _call(request, studio_access, view, args, kwargs)
        except ControlPlaneError as error:
            return answer(request, error)
        except DataError as error:
            return data_error_response(request, error)

    def _by_slug(self, request: HttpRequest, slug: str) -> StudioAccess:
        if not request.user.is_authenticated:
            raise SignInRequired
        studio_access = own_membership(request.user.pk, slug=slug) or own_break_glass(
            request.user.pk, slug=slug
        )
        if studio_access is None:
            raise NotFound
        return studio_access

    def _for_admin(self, request: HttpRequest) -> Membership | None:
        user_id: UUID = request.user.pk  # type: ignore[assignment]
        found = reachable(request, admin_memberships(user_id))
        chosen = request.session.get(ADMIN_STUDIO)
        return next((item for item in found if str(item.studio_id) == chosen), found[0] if found else None)


def _call(
    request: HttpRequest,
    studio_access: StudioAccess,
    view: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> HttpResponse:
    membership = studio_access if isinstance(studio_access, Membership) else None
    # Forms are read and pages are rendered in the studio's time zone.
    with (
        studio_scope(studio_access.studio_id),
        timezone.override(zoneinfo.ZoneInfo(studio_access.studio.time_zone)),
    ):
        opened = cast("StudioRequest", request)
        opened.studio, opened.membership = studio_access.studio, membership
        opened.break_glass = studio_access if isinstance(studio_access, BreakGlass) else None
        key = _key_of(request)
        opened.actor = require_signed_in(request.user) if key is None else actor_of(key)
        # An API key has no session to check: its creator had a session that met the requirements.
        refused = refusal(request, membership) if key is None else None
        if refused is not None:
            return _refuse(opened, refused)
        if membership is not None and key is None:
            record_visit(request, membership)
        response: HttpResponse = view(opened, *args, **kwargs)
        render = getattr(response, "render", None)
        if callable(render) and not getattr(response, "is_rendered", True):
            response = render()
        return response


def _key_of(request: HttpRequest) -> ApiKey | None:
    """Returns the API key of a request. `api.authentication` sets it, under `/api/` only."""
    return getattr(request, "api_key", None)


def _refuse(request: StudioRequest, refused: Refusal) -> HttpResponse:
    """Answers a session that does not meet the studio's requirements. Shows only the studio's name.

    Raises:
        NotFound: the session may not even learn that the studio exists.
    """
    if refused.missing is Requirement.OWN_SIGNIN:
        # The owner of another studio's provider can sign in as anybody, so such a session learns no more than a stranger.
        request.studio = request.membership = None  # type: ignore[assignment]
        raise NotFound
    if refused.missing in (Requirement.FRESH, Requirement.ENDED):
        return _ask_again(request, refused)
    if not wants_html(request):
        return answer(request, Forbidden(f"The studio requires more at sign-in: {refused.missing}."))
    if refused.missing is Requirement.SECOND_FACTOR:
        return redirect(f"{reverse('mfa_index')}?needed={request.studio.slug}")
    context = {"providers": refused.providers, "asking": request.studio}
    request.studio = request.membership = None  # type: ignore[assignment]
    return _page(request, "identity/signin_needed.html", context)


def _ask_again(request: StudioRequest, refused: Refusal) -> HttpResponse:
    """Asks for a new sign-in for this studio. Keeps the session, because it may be good enough for other studios."""
    if not wants_html(request):
        return answer(request, SignInRequired(_SIGNIN_AGAIN[refused.missing]))
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
