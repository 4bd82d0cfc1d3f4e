"""Authenticates API requests: an API key in the `Authorization` header, or a session with its CSRF token."""

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
    """Middleware: authenticates the API key of a request under `/api/`, before the studio is opened.

    Other paths ignore API keys.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Passes the request on, or answers 401 if the header is not a valid API key."""
        given = request.headers.get("Authorization", "")
        if not request.path.startswith(ROOT) or not given:
            return self.get_response(request)
        scheme, _, secret = given.partition(" ")
        key = key_of(secret) if scheme.lower() == "bearer" and secret.startswith(PREFIX) else None
        if key is None:
            answer = error_response(SignInRequired("The API key is not valid or has expired."), request)
            answer["WWW-Authenticate"] = "Bearer"
            return answer
        # The key alone identifies the caller: a session in the same request is ignored.
        request.user = key.user
        request.api_key = key  # type: ignore[attr-defined]
        return self.get_response(request)


class KeyOrSession(SessionAuthentication):
    """Authenticates as the person of the API key, or of the session; a session needs the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """Returns the person and the key (None for a session)."""
        key = getattr(request._request, "api_key", None)
        return (key.user, key) if key is not None else super().authenticate(request)

    def authenticate_header(self, request: Request) -> str:
        """Returns the `WWW-Authenticate` scheme of a 401."""
        return "Bearer"
