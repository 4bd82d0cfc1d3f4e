"""Who a program is: an API key in the `Authorization` header, or the session of somebody signed in, with its CSRF token."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request

from control_plane.access.services.api_keys import PREFIX, key_of
from control_plane.common.errors import SignInRequired
from control_plane.common.problems import error_response

ROOT = "/api/"


class ApiKeys:
    """Middleware: reads the key of a request under `/api/`, before the studio is opened. Nowhere else is one heard."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Calls on, or answers 401 where the header is no key of ours."""
        given = request.headers.get("Authorization", "")
        if not request.path.startswith(ROOT) or not given:
            return self.get_response(request)
        scheme, _, secret = given.partition(" ")
        key = key_of(secret) if scheme.lower() == "bearer" and secret.startswith(PREFIX) else None
        if key is None:
            answer = error_response(SignInRequired("This is no API key, or it has ended."), request)
            answer["WWW-Authenticate"] = "Bearer"
            return answer
        # A key is the whole of who asks: a session that comes along with it counts for nothing.
        request.user = key.user
        request.api_key = key  # type: ignore[attr-defined]
        return self.get_response(request)


class KeyOrSession(SessionAuthentication):
    """The person of the key, or of the session; of a session only with the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """Returns the person and the key (None for a session)."""
        key = getattr(request._request, "api_key", None)
        return (key.user, key) if key is not None else super().authenticate(request)

    def authenticate_header(self, request: Request) -> str:
        """Returns what a program is asked for."""
        return "Bearer"
