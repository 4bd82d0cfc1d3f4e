"""Every error becomes one shape of answer, with a stable code and a way out."""

import json
from typing import Any

import msgspec
import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import RequestFactory
from rest_framework import exceptions as drf
from rest_framework.request import Request

from control_plane.common import errors
from control_plane.common.problems import drf_exception_handler, error_response
from shared.protocol.errors import MEANINGS, Code, Problem


def body(response: Any) -> Problem:
    assert response["Content-Type"] == "application/problem+json"
    return msgspec.json.decode(response.content, type=Problem)


@pytest.mark.parametrize(
    ("error", "code", "detail"),
    [
        (errors.NotFound(), Code.NOT_FOUND, ""),
        (errors.Forbidden("why"), Code.FORBIDDEN, "why"),
        (errors.BadRequest("name: too long"), Code.BAD_REQUEST, "name: too long"),
        (errors.Conflict(code=Code.PAIRING_CODE_USED), Code.PAIRING_CODE_USED, ""),
        (errors.StoreUnavailable(), Code.STORE_UNAVAILABLE, ""),
        (errors.ScopeMissing("studio 1 asked for"), Code.INTERNAL, ""),
        (Http404("secret"), Code.NOT_FOUND, ""),
        (PermissionDenied("secret"), Code.FORBIDDEN, ""),
        (RuntimeError("secret"), Code.INTERNAL, ""),
    ],
)
def test_an_error_is_answered_by_its_code(error: Exception, code: Code, detail: str) -> None:
    request = RequestFactory().get("/")
    request.request_id = "request-1"  # type: ignore[attr-defined]
    response = error_response(error, request)
    problem = body(response)
    assert (problem.code, problem.detail, problem.instance) == (code, detail, "request-1")
    assert response.status_code == problem.status == MEANINGS[code].status
    assert problem.hint == MEANINGS[code].hint
    assert "secret" not in response.content.decode()


def test_a_body_that_breaks_the_wire_names_the_field() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b'{"title":1}', type=Problem)
    problem = body(error_response(caught.value, RequestFactory().get("/")))
    assert problem.code == Code.BAD_REQUEST
    assert "$.title" in problem.detail


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (drf.NotAuthenticated(), 401, Code.SIGN_IN_REQUIRED),
        (drf.PermissionDenied(), 403, Code.FORBIDDEN),
        (drf.NotFound(), 404, Code.NOT_FOUND),
        (drf.MethodNotAllowed("PUT"), 405, Code.BAD_REQUEST),
        (drf.ValidationError({"name": ["too long"]}), 400, Code.BAD_REQUEST),
        (drf.Throttled(wait=9), 429, Code.TOO_MANY_REQUESTS),
        (errors.NotFound(), 404, Code.NOT_FOUND),
    ],
)
def test_rest_framework_answers_alike(error: Exception, status: int, code: Code) -> None:
    response = drf_exception_handler(error, {"request": Request(RequestFactory().get("/"))})
    assert response is not None
    assert response.status_code == status
    problem = body(response)
    assert (problem.status, problem.code) == (status, code)
    assert response.headers.get("Retry-After") == ("9" if status == 429 else None)


def test_rest_framework_leaves_what_is_not_an_answer() -> None:
    assert drf_exception_handler(RuntimeError(), {"request": Request(RequestFactory().get("/"))}) is None


def test_an_answer_is_plain_json() -> None:
    assert json.loads(error_response(errors.NotFound(), RequestFactory().get("/")).content)["status"] == 404
