"""Decorators for the HTTP views of agents: authentication, body parsing and problem+json errors."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from control_plane.common.errors import BadRequest, ControlPlaneError
from control_plane.common.problems import error_response, method_refused
from control_plane.fleet.authentication import Caller, authenticate
from control_plane.plans.throttling import (
    BURST_OF_AN_AGENT,
    DEFAULT_FOR_AN_AGENT,
    MIN_FOR_AN_AGENT,
    throttle_caller,
)
from shared.protocol.codec import MESSAGE_LIMIT_BYTES, decode, encode
from shared.protocol.errors import Code

P = ParamSpec("P")
B = TypeVar("B")

View = Callable[..., HttpResponse]


def agent_view(
    *methods: str,
) -> Callable[[Callable[Concatenate[HttpRequest, Caller, P], HttpResponse]], View]:
    """Turns a function of request and caller into a view that requires an agent token (401 without one).

    The view needs no CSRF token, because no cookie authenticates it.
    """

    def decorate(function: Callable[Concatenate[HttpRequest, Caller, P], HttpResponse]) -> View:
        @machine_view(*methods)
        @wraps(function)
        def view(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            caller = authenticate(request.headers.get("Authorization", ""), address=address_of(request))
            request.agent_caller = caller  # type: ignore[attr-defined]  # read by the scheduler of request threads
            throttle_caller(
                caller.studio_id,
                f"agent:{caller.agent_id}",
                minimum=MIN_FOR_AN_AGENT,
                default=DEFAULT_FOR_AN_AGENT,
                burst=BURST_OF_AN_AGENT,
            )
            return function(request, caller, *args, **kwargs)

        return view

    return decorate


def machine_view(*methods: str) -> Callable[[Callable[..., HttpResponse]], View]:
    """Turns a function into a view for machine clients: other methods get 405, errors become problem+json."""

    def decorate(function: Callable[..., HttpResponse]) -> View:
        @csrf_exempt
        @wraps(function)
        def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method not in methods:
                return method_refused(request, methods)
            try:
                return function(request, *args, **kwargs)
            except Exception as error:
                # A client always gets problem+json; `error_response` logs unexpected exceptions.
                return error_response(error, request)

        return view

    return decorate


def address_of(request: HttpRequest) -> str:
    """Returns the client address of a request, as set by `common.middleware.ClientAddress`."""
    return str(request.META["REMOTE_ADDR"])


def body_of(request: HttpRequest, type_: type[B]) -> B:
    """Returns the JSON body of a request.

    Raises:
        ControlPlaneError: it is longer than `MESSAGE_LIMIT_BYTES` (`too_large`).
        msgspec.ValidationError: it is not a `type_`.
        msgspec.DecodeError: it is not JSON.
    """
    data = request.read(MESSAGE_LIMIT_BYTES + 1)
    if len(data) > MESSAGE_LIMIT_BYTES:
        raise ControlPlaneError(f"The body is over {MESSAGE_LIMIT_BYTES} bytes.", code=Code.TOO_LARGE)
    if not data:
        raise BadRequest("The request has no body.")
    return decode(data, type_)


def json_response(value: Any, *, headers: dict[str, str] | None = None) -> HttpResponse:
    """Returns a wire struct as an uncached JSON response."""
    response = HttpResponse(encode(value), content_type="application/json", headers=headers)
    response["Cache-Control"] = "no-store"
    return response
