"""Errors as answers: problem+json for programs, Django's own pages for people."""

import logging
import sys
from typing import Any

import msgspec
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from rest_framework import exceptions as drf
from rest_framework.views import set_rollback

from control_plane.common.errors import (
    Busy,
    ControlPlaneError,
    Forbidden,
    NotFound,
    ScopeError,
    TooManyRequests,
    Unavailable,
)
from control_plane.common.outages import OUTAGES, unavailable
from shared.protocol.codec import encode
from shared.protocol.errors import PROBLEM_CONTENT_TYPE, Code, Problem, problem

log = logging.getLogger(__name__)

_DRF_CODES = {
    401: Code.SIGN_IN_REQUIRED,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    429: Code.TOO_MANY_REQUESTS,
}


def problem_response(body: Problem, *, headers: dict[str, str] | None = None) -> HttpResponse:
    """Returns the answer that carries `body`; never cached."""
    response = HttpResponse(
        encode(body), status=body.status, content_type=PROBLEM_CONTENT_TYPE, headers=headers
    )
    response["Cache-Control"] = "no-store"
    return response


def error_response(error: BaseException, request: HttpRequest) -> HttpResponse:
    """Returns the problem+json answer to `error`; what is not ours becomes `internal` and is logged."""
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
        case _ if isinstance(error, OUTAGES):
            return unavailable(request)
        case _:
            log.error("request failed", exc_info=error, extra={"request_id": instance})
            return problem_response(problem(Code.INTERNAL, instance=instance))


def wants_html(request: HttpRequest) -> bool:
    """Says whether a person's browser asks for a page."""
    return "text/html" in request.headers.get("Accept", "")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answers an address that leads nowhere: a page to people, a problem to programs."""
    return (
        defaults.page_not_found(request, exception)
        if wants_html(request)
        else error_response(exception, request)
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Answers a request that failed: with 503 where the database or the cache is away, else with the page for a fault."""
    if isinstance(sys.exc_info()[1], OUTAGES):
        return unavailable(request)
    return defaults.server_error(request)


def drf_exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Answers errors in DRF views as problem+json; unknown ones go on to Django's own handling."""
    request = context["request"]._request
    if isinstance(error, ControlPlaneError | Http404 | PermissionDenied):
        set_rollback()
        return error_response(error, request)
    if isinstance(error, drf.APIException):
        set_rollback()
        code = _DRF_CODES.get(
            error.status_code, Code.BAD_REQUEST if error.status_code < 500 else Code.UNAVAILABLE
        )
        instance = getattr(request, "request_id", "")
        body = msgspec.structs.replace(
            problem(code, str(error.detail), instance=instance), status=error.status_code
        )
        if isinstance(error, drf.MethodNotAllowed):
            body = msgspec.structs.replace(
                body,
                title="This address does not take this method",
                hint="The header Allow names those it takes.",
            )
        wait_s = getattr(error, "wait", None)
        return problem_response(body, headers={"Retry-After": str(int(wait_s))} if wait_s else None)
    return None
