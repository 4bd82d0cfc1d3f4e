"""Responses to errors: problem+json for programs, pages for browsers."""

import logging
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from django.core.exceptions import PermissionDenied
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults
from rest_framework import exceptions as drf
from rest_framework.views import set_rollback

from control_plane.common.errors import (
    BadRequest,
    Busy,
    ControlPlaneError,
    Forbidden,
    NotFound,
    ScopeError,
    TooManyRequests,
    Unavailable,
)
from control_plane.common.outages import OUTAGES, unavailable
from control_plane.common.refusals import PROGRAMS
from shared.protocol.codec import encode
from shared.protocol.errors import PROBLEM_CONTENT_TYPE, Code, Problem, problem

log = logging.getLogger(__name__)

_DJANGO_ERRORS = {
    "TooManyFieldsSent": "It has too many fields.",
    "TooManyFilesSent": "It has too many files.",
    "RequestDataTooBig": "The body is too large.",
    "MultiPartParserError": "The parts of the body cannot be separated.",
    "DisallowedHost": "This server does not serve the host in the address.",
}
"""Texts by the name of Django's exception, whose own text may repeat the input."""
_DRF_CODES = {
    401: Code.SIGN_IN_REQUIRED,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    429: Code.TOO_MANY_REQUESTS,
}


def problem_response(body: Problem, *, headers: dict[str, str] | None = None) -> HttpResponse:
    """Returns a response with `body`; never cached."""
    response = HttpResponse(
        encode(body), status=body.status, content_type=PROBLEM_CONTENT_TYPE, headers=headers
    )
    response["Cache-Control"] = "no-store"
    return response


def error_response(error: BaseException, request: HttpRequest) -> HttpResponse:
    """Returns the problem+json response to `error`; unknown errors become `internal` and are logged."""
    instance = getattr(request, "request_id", "")
    match error:
        case ScopeError():
            log.error("scope rule broken", exc_info=error, extra={"request_id": instance})
            return problem_response(problem(Code.INTERNAL, instance=instance))
        case Busy():
            response = problem_response(
                error.problem(instance), headers={"Retry-After": str(error.retry_after_s)}
            )
            response.busy_until = error.until  # type: ignore[attr-defined]  # for `config.handler`
            return response
        case TooManyRequests() | Unavailable() if error.retry_after_s is not None:
            return problem_response(
                error.problem(instance), headers={"Retry-After": str(error.retry_after_s)}
            )
        case ControlPlaneError():
            return problem_response(error.problem(instance))
        case Http404():
            return problem_response(NotFound().problem(instance))
        case PermissionDenied():
            return problem_response(Forbidden().problem(instance))
        case msgspec.ValidationError() | msgspec.DecodeError():
            return problem_response(problem(Code.BAD_REQUEST, str(error), instance=instance))
        case DataError():
            return data_error_response(request, error)
        case _ if isinstance(error, OUTAGES):
            return unavailable(request)
        case _:
            log.error("request failed", exc_info=error, extra={"request_id": instance})
            return problem_response(problem(Code.INTERNAL, instance=instance))


def wants_html(request: HttpRequest) -> bool:
    """Returns whether a browser requests a page; never below the paths for programs."""
    return not request.path.startswith(PROGRAMS) and "text/html" in request.headers.get("Accept", "")


def refusal_response(request: HttpRequest, error: ControlPlaneError) -> HttpResponse:
    """Returns the response to a request that is refused before authentication.

    The page needs neither a session nor the database.
    """
    if not wants_html(request):
        return error_response(error, request)
    body = error.problem(getattr(request, "request_id", ""))
    response = HttpResponse(render_to_string("refused.html", {"problem": body}), status=body.status)
    response["Cache-Control"] = "no-store"
    return response


def data_error_response(request: HttpRequest, error: DataError) -> HttpResponse:
    """Returns the response (400) to input that the database cannot store: a number too large, a date out of range.

    Logged, because a validation is missing.
    """
    instance = getattr(request, "request_id", "")
    log.warning("value does not fit its column", exc_info=error, extra={"request_id": instance})
    return refusal_response(request, BadRequest("A value is too large, too long, or cannot be stored."))


def method_refused(request: HttpRequest, allowed: Sequence[str] = ()) -> HttpResponse:
    """Returns the response (405) to a program whose method is not allowed.

    Args:
        allowed: the methods for the Allow header; empty: the caller sets the header.
    """
    body = msgspec.structs.replace(
        problem(Code.BAD_REQUEST, instance=getattr(request, "request_id", "")),
        status=405,
        title="This address does not allow this method",
        hint="The Allow header names the allowed methods.",
    )
    return problem_response(body, headers={"Allow": ", ".join(allowed)} if allowed else None)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answers requests that Django refuses to read: too many fields, an invalid form, a foreign host."""
    return refusal_response(request, BadRequest(_DJANGO_ERRORS.get(type(exception).__name__, "")))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answers an unknown address: a page for browsers, a problem for programs."""
    return (
        defaults.page_not_found(request, exception)
        if wants_html(request)
        else error_response(exception, request)
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Answers a request that failed: 503 if the database or the cache is unavailable, else 500 with the logged id.

    The page needs neither a session nor the database, which may be what failed. Django has logged the error and the id.
    """
    if isinstance(sys.exc_info()[1], OUTAGES):
        return unavailable(request)
    request_id = getattr(request, "request_id", "")
    if wants_html(request):
        response = HttpResponse(render_to_string("500.html", {"request_id": request_id}), status=500)
        response["Cache-Control"] = "no-store"
        return response
    return problem_response(problem(Code.INTERNAL, instance=request_id))


def drf_exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Answers errors in DRF views as problem+json. Django handles unknown ones."""
    request = context["request"]._request
    if isinstance(error, ControlPlaneError | Http404 | PermissionDenied):
        set_rollback()
        return error_response(error, request)
    if isinstance(error, DataError):
        set_rollback()
        return error_response(error, request)
    if isinstance(error, drf.MethodNotAllowed):
        set_rollback()
        return method_refused(request)  # the header Allow is DRF's own
    if isinstance(error, drf.APIException):
        set_rollback()
        code = _DRF_CODES.get(
            error.status_code, Code.BAD_REQUEST if error.status_code < 500 else Code.UNAVAILABLE
        )
        instance = getattr(request, "request_id", "")
        body = msgspec.structs.replace(
            problem(code, str(error.detail), instance=instance), status=error.status_code
        )
        wait_s = getattr(error, "wait", None)
        return problem_response(body, headers={"Retry-After": str(int(wait_s))} if wait_s else None)
    return None
