"""Opens the studio of a request: the `<slug>` of its address, or the one chosen for the admin site."""

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from control_plane.common.errors import ControlPlaneError, NotFound, SignInRequired
from control_plane.common.middleware import Handler, answer
from control_plane.common.scoping import studio_scope
from control_plane.studios.access import require_signed_in
from control_plane.studios.models import Membership
from control_plane.studios.requests import StudioRequest
from control_plane.studios.selectors import admin_memberships, own_membership

ADMIN_PREFIX = "/admin/"
ADMIN_STUDIO = "admin_studio_id"
"""Session key: the studio that the admin site shows."""


class StudioScope:
    """Wraps a view in `studio_scope`; must be the last middleware, because it calls the view itself.

    A view whose address holds `slug` gets a `StudioRequest`; it is a plain function, no coroutine. Strangers get
    404, people who are not signed in 401 or the sign-in page. The page is rendered inside the scope.
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
            membership: Membership | None
            if "slug" in kwargs:
                membership = self._by_slug(request, kwargs["slug"])
            elif request.path.startswith(ADMIN_PREFIX) and request.user.is_authenticated:
                membership = self._for_admin(request)
            else:
                return None
            if membership is None:
                return None
            return _call(request, membership, view, args, kwargs)
        except ControlPlaneError as error:
            return answer(request, error)

    def _by_slug(self, request: HttpRequest, slug: str) -> Membership:
        if not request.user.is_authenticated:
            raise SignInRequired
        membership = own_membership(request.user.pk, slug=slug)
        if membership is None:
            raise NotFound
        return membership

    def _for_admin(self, request: HttpRequest) -> Membership | None:
        user_id: UUID = request.user.pk  # type: ignore[assignment]
        found = admin_memberships(user_id)
        chosen = request.session.get(ADMIN_STUDIO)
        return next((item for item in found if str(item.studio_id) == chosen), found[0] if found else None)


def _call(
    request: HttpRequest,
    membership: Membership,
    view: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> HttpResponse:
    with studio_scope(membership.studio_id):
        opened = cast("StudioRequest", request)
        opened.studio, opened.membership = membership.studio, membership
        opened.actor = require_signed_in(request.user)
        response: HttpResponse = view(opened, *args, **kwargs)
        render = getattr(response, "render", None)
        if callable(render) and not getattr(response, "is_rendered", True):
            response = render()
        return response
