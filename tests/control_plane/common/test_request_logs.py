"""No secret, and nobody's name, reaches the logs: every address is asked so that it is refused, and so that it breaks."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import IntegrityError
from django.http import HttpRequest
from django.test import Client

from control_plane.common.outages import ALWAYS
from control_plane.common.request_logs import RequestRecords, shown_path
from control_plane.identity.middleware import StudioScope
from shared.kernel.logs import Flood, JsonFormatter, TextFormatter, configure_logs
from tests.control_plane.conftest import Cast, as_person
from tests.matrix.routes import Route, routes

SECRET = "Zq7-secret-Zq7XkPwVbNmLrTyUiOpAsDfGhJkLzXcV"
QUERY = {
    "token": SECRET, "q": "Annabelle Smith", "state": f"{SECRET}x", "code": SECRET, "key": SECRET,
    "next": f"/invitation/?token={SECRET}", "address": "annabelle.smith@school.example", "SAMLResponse": SECRET,
}  # fmt: skip
WORDS = ("Zq7", "Annabelle", "annabelle", "Smith", "smith", "school.example")
NAMES_OF_SECRETS = {"token", "key", "secret", "code", "uidb36", "signature"}
ID = "01a22dcb-827f-73fe-b039-4bf530ea40a8"


class Log:
    """Everything that is logged, as lines of JSON and as text, through the filters of the web process."""

    def __init__(self) -> None:
        self.streams = io.StringIO(), io.StringIO()
        self.handlers = [logging.StreamHandler(stream) for stream in self.streams]
        for handler, formatter in zip(self.handlers, (JsonFormatter(), TextFormatter()), strict=True):
            handler.setFormatter(formatter)
            handler.addFilter(RequestRecords())

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(stream.getvalue() for stream in self.streams)


@pytest.fixture
def log() -> Iterator[Log]:
    found, root = Log(), logging.getLogger()
    for handler in found.handlers:
        root.addHandler(handler)
    yield found
    for handler in found.handlers:
        root.removeHandler(handler)


def path_of(route: Route, slug: str) -> str:
    """Returns the path of an address, with a secret for every parameter that can hold one."""
    address = route.address.replace("(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$", f"1a-{SECRET}/")
    address = address.replace("^", "").replace("<slug:slug>", slug)
    address = address.replace("<uuid:", "<").replace("<int:", "<int")
    address = re.sub(r"<int\w+>", "7", address)
    address = re.sub(r"<\w*_id>", ID, address)
    return "/" + re.sub(r"<(?:\w+:)?\w+>|\(\?P<.*", SECRET, address)


def ask(route: Route, clients: list[Client], slug: str) -> set[int]:
    """Asks an address in ways that are refused; returns the statuses."""
    path, statuses = path_of(route, slug), set()
    headers = {
        "referer": f"http://testserver{path}?token={SECRET}&q=Annabelle+Smith",
        "origin": "https://evil.example",
        "authorization": f"Bearer {SECRET}",
        "accept": "text/html",
    }
    for client in clients:
        statuses.add(client.get(path, QUERY, headers=headers).status_code)
        statuses.add(client.post(f"{path}?token={SECRET}", QUERY, headers=headers).status_code)
        statuses.add(client.get(path.rstrip("/") + "/x/" + SECRET, QUERY, headers=headers).status_code)
    return statuses


def assert_clean(log: Log, route: Route) -> None:
    """Fails where a word of a request is in the logs."""
    found = [line for line in log.text.splitlines() if any(word in line for word in WORDS)]
    assert found == [], route.address


@pytest.fixture
def clients(cast: Cast) -> list[Client]:
    """A stranger, and an admin; both with a check of where forms come from, and without errors of views raised."""
    cache.clear()
    admin = as_person(cast.alice)
    stranger = Client(enforce_csrf_checks=True, raise_request_exception=False)
    inside = Client(enforce_csrf_checks=True, raise_request_exception=False)
    inside.cookies = admin.cookies
    return [stranger, inside]


def test_no_refusal_of_any_address_logs_what_was_asked(cast: Cast, log: Log, clients: list[Client]) -> None:
    statuses: set[int] = set()
    for route in routes():
        statuses |= ask(route, clients, cast.studio.slug)
        assert_clean(log, route)
    assert {400, 403, 404, 405} <= statuses
    assert log.text.count("/studio/") > 50, "paths are still there to find a fault by"
    assert f"/studio/{cast.studio.slug}/people/" in log.text


def test_no_crash_of_any_address_logs_what_was_asked(
    cast: Cast, log: Log, clients: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(self: StudioScope, request: HttpRequest, *rest: Any) -> None:
        raise IntegrityError(
            'null value in column "x"\nDETAIL:  Failing row contains (1, Annabelle Smith,\nsmith).\n'
            f"CONTEXT:  of annabelle.smith@school.example, http://x/y?token={SECRET}"
        )

    monkeypatch.setattr(StudioScope, "process_view", crash)
    for route in routes():
        path = path_of(route, cast.studio.slug)
        response = clients[1].get(path, QUERY, headers={"accept": "text/html"})
        # Health is answered further out, and so does not reach what crashes.
        assert path in ALWAYS or response.status_code in (500, 503, 403, 401), route.address
        assert_clean(log, route)
    assert "Traceback" in log.text


def test_every_parameter_that_names_a_secret_is_masked() -> None:
    found = {name for route in routes() for name in route.parameters} & NAMES_OF_SECRETS
    assert {"uidb36", "key"} <= found
    for route in routes():
        if NAMES_OF_SECRETS & set(route.parameters):
            request = HttpRequest()
            request.path_info = path_of(route, "demo")
            assert SECRET not in shown_path(request), route.address


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/studio/demo/classes/{ID}/", f"/studio/demo/classes/{ID}/"),
        (f"/accounts/password/reset/key/3-{SECRET}/", "/accounts/password/reset/key/3-***/"),
        (f"/nowhere/{SECRET}", "/nowhere/***"),
        (f"/nowhere/{ID}/12", f"/nowhere/{ID}/12"),
        ("/nowhere/Annabelle Smith", "/nowhere/***"),
        ("/" + "a/" * 500, ("/" + "a/" * 500)[:300]),
        ("/", "/"),
    ],
)
def test_a_path_is_shown_without_what_may_be_secret(path: str, shown: str) -> None:
    request = HttpRequest()
    request.path_info = path
    assert shown_path(request) == shown


def test_strangers_cannot_fill_the_disk_with_lines() -> None:
    flood = Flood(most=5, window_s=1000)

    def record(name: str, level: int, status: int) -> logging.LogRecord:
        made = logging.LogRecord(name, level, "", 0, "x", (), None)
        made.status_code = status
        return made

    passed = [flood.filter(record("django.request", logging.WARNING, 404)) for _ in range(100)]
    assert passed == [True] * 5 + [False] * 95
    assert flood.filter(record("django.request", logging.ERROR, 500))
    assert flood.filter(record("django.request", logging.WARNING, 403))
    assert flood.filter(record("control_plane.fleet", logging.WARNING, 404))


def test_a_flood_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    flood = Flood(most=5, window_s=0)  # each record begins a window of its own
    flood._since[("a", logging.INFO, None)] = (0.0, 12)
    record = logging.LogRecord("a", logging.INFO, "", 0, "x", (), None)
    assert flood.filter(record)
    assert record.left_out == 7  # type: ignore[attr-defined]


def test_libraries_do_not_log_beside_it() -> None:
    root, library = logging.getLogger(), logging.getLogger("uvicorn.error.test")
    handlers, level, own = root.handlers[:], root.level, io.StringIO()
    library.addHandler(logging.StreamHandler(own))
    library.propagate = False
    stream = io.StringIO()
    try:
        configure_logs(json_lines=True, stream=stream)
        library.error("Exception in ASGI application at /x?token=%s", SECRET)
    finally:
        root.handlers[:], root.level = handlers, level
        library.handlers.clear()
    assert own.getvalue() == ""
    assert json.loads(stream.getvalue())["message"] == "Exception in ASGI application at /x?***"
