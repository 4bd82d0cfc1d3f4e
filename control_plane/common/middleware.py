"""Middleware of every request: a request id for logs, the caller's address, and responses to our errors."""

import re
from collections.abc import Callable
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url

from control_plane.common.client_network import calling_from, client_address
from control_plane.common.errors import (
    ControlPlaneError,
    Forbidden,
    NotFound,
    SignInRequired,
    TooManyRequests,
)
from control_plane.common.problems import data_error_response, error_response, wants_html
from shared.protocol.errors import Code
from shared.protocol.ids import new_id

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

Handler = Callable[[HttpRequest], HttpResponse]


class RequestId:
    """Gives each request an id and returns it in `X-Request-Id`. Keeps a valid id set by a proxy."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Calls the next handler."""
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else str(new_id())
        request.request_id = request_id  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-Id"] = request_id
        return response


class ClientAddress:
    """Sets REMOTE_ADDR, which all code reads, to the caller's address: see `client_address`."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Calls the next handler."""
        request.META["REMOTE_ADDR"] = client_address(
            request.META.get("REMOTE_ADDR") or "", request.headers.get("X-Forwarded-For", "")
        )
        with calling_from(request.META["REMOTE_ADDR"]):
            return self.get_response(request)


class ErrorResponses:
    """Turns `ControlPlaneError` into a response: pages for browsers (404, 403, sign-in), problem+json for programs."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Calls the next handler."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answers our errors, and values that do not fit their column, when a view raises them."""
        if isinstance(error, DataError):
            return data_error_response(request, error)
        return answer(request, error) if isinstance(error, ControlPlaneError) else None


def answer(request: HttpRequest, error: ControlPlaneError) -> HttpResponse:
    """Returns the response to `error`.

    Raises:
        Http404: for a browser, which gets the site's own page.
        PermissionDenied: for a browser, likewise.
    """
    if wants_html(request):
        if isinstance(error, NotFound):
            raise Http404 from error
        if isinstance(error, Forbidden):
            raise PermissionDenied from error
        if isinstance(error, SignInRequired):
            return redirect(f"{resolve_url('account_login')}?{urlencode({'next': request.get_full_path()})}")
        if isinstance(error, TooManyRequests):
            response = render(request, "429.html", {"detail": error.detail}, status=429)
            response["Retry-After"] = str(error.retry_after_s)
            response["Cache-Control"] = "no-store"
            return response
        if error.code is Code.FOOTAGE_DESTROYED:
            return render(request, "410.html", status=410)
    return error_response(error, request)
