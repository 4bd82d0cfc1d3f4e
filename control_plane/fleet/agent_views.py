"""HTTP calls of agents: the token, the body, and problem+json around a view that only does the work."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from control_plane.common.errors import BadRequest, ControlPlaneError
from control_plane.common.problems import error_response, method_refused
from control_plane.fleet.authentication import Caller, authenticate
from control_plane.plans.throttling import LEAST_FOR_A_BOX, MOST_FOR_AN_AGENT, hold_back
from shared.protocol.codec import MESSAGE_LIMIT_BYTES, decode, encode
from shared.protocol.errors import Code

P = ParamSpec("P")
B = TypeVar("B")

View = Callable[..., HttpResponse]


def agent_call(
    *methods: str,
) -> Callable[[Callable[Concatenate[HttpRequest, Caller, P], HttpResponse]], View]:
    """Makes a view out of a function of request and caller; whoever proves nothing gets 401.

    Such a view needs no CSRF token: no cookie opens it.
    """

    def decorate(function: Callable[Concatenate[HttpRequest, Caller, P], HttpResponse]) -> View:
        @program_call(*methods)
        @wraps(function)
        def view(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            caller = authenticate(request.headers.get("Authorization", ""), address=address_of(request))
            request.agent_caller = caller  # type: ignore[attr-defined]  # for whoever shares the threads
            hold_back(
                caller.studio_id,
                f"agent:{caller.agent_id}",
                least=LEAST_FOR_A_BOX,
                otherwise=MOST_FOR_AN_AGENT,
            )
            return function(request, caller, *args, **kwargs)

        return view

    return decorate


def program_call(*methods: str) -> Callable[[Callable[..., HttpResponse]], View]:
    """Makes a view for programs out of a function: other methods get 405, errors become problem+json."""

    def decorate(function: Callable[..., HttpResponse]) -> View:
        @csrf_exempt
        @wraps(function)
        def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method not in methods:
                return method_refused(request, methods)
            try:
                return function(request, *args, **kwargs)
            except Exception as error:
                # Everything becomes an answer that a program can read; what is not ours is logged in there.
                return error_response(error, request)

        return view

    return decorate


def address_of(request: HttpRequest) -> str:
    """Returns the address a request came from, as `common.middleware.ClientAddress` found it."""
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
    """Returns a struct of the wire as an answer."""
    response = HttpResponse(encode(value), content_type="application/json", headers=headers)
    response["Cache-Control"] = "no-store"
    return response
