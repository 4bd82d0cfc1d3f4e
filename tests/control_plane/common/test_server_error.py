"""A person who meets an internal error sees the id under which the log has its reason, and nothing of the reason."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from control_plane.common.request_logs import RequestRecords
from control_plane.portal.people import views as people
from shared.kernel.logs import JsonFormatter
from shared.protocol.errors import PROBLEM_CONTENT_TYPE
from tests.control_plane.conftest import Cast, as_person

SECRET = "Zq7-the-reason"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Log lines, as the web process writes them."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(RequestRecords())
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def broken(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Alice, to whom the page of people is a fault."""

    def break_(*_: object, **__: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(people, "studio_page", break_)
    client = Client(raise_request_exception=False)
    client.cookies = as_person(cast.alice).cookies
    return client


def reasons(log: io.StringIO, request_id: str) -> list[dict[str, Any]]:
    """Returns the lines of the log that have an id and a traceback."""
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in lines if line.get("request_id") == request_id and "exception" in line]


@pytest.mark.parametrize("given", ["", "proxy-id-0123456789"])
def test_the_page_shows_the_id_that_the_log_has(
    cast: Cast, broken: Client, log: io.StringIO, given: str
) -> None:
    headers = {"accept": "text/html", **({"x-request-id": given} if given else {})}
    response = broken.get(f"/studio/{cast.studio.slug}/people/", headers=headers)
    request_id = response["X-Request-Id"]
    assert response.status_code == 500
    assert given in ("", request_id)
    assert f"<code>{request_id}</code>" in response.text
    assert SECRET not in response.text
    assert response["Cache-Control"] == "no-store"
    assert "default-src" in response["Content-Security-Policy"]
    lines = reasons(log, request_id)
    assert len(lines) == 1
    line = lines[0]
    assert SECRET in line["exception"]
    assert line["level"] == "ERROR"


def test_programs_get_the_id_in_a_problem(cast: Cast, broken: Client, log: io.StringIO) -> None:
    response = broken.get(f"/studio/{cast.studio.slug}/people/", headers={"accept": "*/*"})
    assert (response.status_code, response["Content-Type"]) == (500, PROBLEM_CONTENT_TYPE)
    body = response.json()
    assert (body["code"], body["instance"]) == ("internal", response["X-Request-Id"])
    assert SECRET not in response.text
    assert len(reasons(log, body["instance"])) == 1


def test_the_api_answers_a_fault_with_a_problem_to_a_browser_too(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    def break_(*_: object, **__: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("control_plane.api.resource.Resource.page", break_)
    client = Client(raise_request_exception=False)
    client.cookies = as_person(cast.alice).cookies
    response = client.get(
        f"/api/v1/studios/{cast.studio.slug}/members/", headers={"accept": "text/html,*/*;q=0.8"}
    )
    assert (response.status_code, response["Content-Type"]) == (500, PROBLEM_CONTENT_TYPE)
    assert len(reasons(log, response.json()["instance"])) == 1
