"""No input is a fault of ours: whatever stands in whichever field of whichever address, the answer says what is wrong."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache

from shared.protocol.codec import decode
from shared.protocol.errors import PROBLEM_CONTENT_TYPE, Problem
from tests.matrix import hostile, routes
from tests.matrix.actors import Asker
from tests.matrix.calls import JSON, Call, call
from tests.matrix.cells import Answer, Desk, Undo
from tests.matrix.expected import State, Target
from tests.matrix.hostile import Listening, Sent
from tests.matrix.policy import Policy, Rule
from tests.matrix.routes import Route
from tests.matrix.test_routes import listed

ROUTES = {route.address: route for route in routes.routes()}
OWN = Target("own", State.PRESENT)
PROGRAMS = ("api/", "agent/")
ROUNDS = 2
"""How often an address is listened to: with the fields of one round filled in, the next may ask for more."""


@pytest.mark.parametrize("address", ROUTES, ids=lambda address: address or "/")
def test_no_input_is_a_fault_of_ours(
    address: str, desk: Desk, askers: dict[str, Asker], policy: Policy
) -> None:
    route, faults = ROUTES[address], list[str]()
    for rule in policy.of(address):
        for method in rule.methods:
            if method in ("HEAD", "OPTIONS"):
                continue
            asker = askers[_asks(route, rule)].at(address)
            with Undo():
                for sent in _all_of(desk, route, method, asker):
                    faults += _faults(desk, asker, sent, is_program=address.startswith(PROGRAMS))
    assert not faults, listed(faults)


def _asks(route: Route, rule: Rule) -> str:
    """Returns who gets furthest at an address."""
    if rule.kind in ("agent", "operator"):
        return rule.kind
    if route.address.startswith("api/"):
        return "key of the admin"
    return "signed out" if rule.kind in ("anyone", "bearer") else "admin"


def _all_of(desk: Desk, route: Route, method: str, asker: Asker) -> Iterator[Sent]:
    good = call(desk.world, route, method, OWN)
    heard = _listen(desk, route, method, asker, good)
    yield from hostile.headers(method, good)
    yield from hostile.paths(method, good)
    if method == "GET":
        yield from hostile.queries(good, heard.fields)
    elif good.content_type == JSON or route.address.startswith(PROGRAMS):
        value = json.loads(good.body or b"{}") if good.content_type == JSON else {}
        yield from hostile.documents(method, good, heard.json | value)
    else:
        yield from hostile.forms(method, good, heard.fields)


def _listen(desk: Desk, route: Route, method: str, asker: Asker, good: Call) -> Listening:
    """Asks an address for what it reads of a request: first with nothing wrong, then with what it asked for filled in."""
    with Listening() as listening:
        for _ in range(ROUNDS):
            fields = urlencode(listening.fields, doseq=True)
            query = f"{good.path}?{fields}"
            filled = Call(query) if method == "GET" else Call(good.path, fields.encode())
            for sent in (good, filled):
                with Undo():
                    desk.ask(asker, method, sent, page=not route.address.startswith(PROGRAMS))
    return listening


def _faults(desk: Desk, asker: Asker, sent: Sent, *, is_program: bool) -> Iterator[str]:
    cache.clear()
    with Undo(), _crashes() as crashes:
        answer = desk.ask(asker, sent.method, sent.call, page=not is_program, headers=sent.headers)
    where = f"{sent.method} {sent.call.path[:120]} with {sent.what}"
    if answer.status >= 500:
        yield ascii(f"{where}: {answer.status} {crashes or answer.body[:200]!r}")
    elif answer.status >= 400 and is_program and not _is_problem(answer):
        yield ascii(f"{where}: {answer.status} is no problem: {answer.body[:100]!r}")


def _is_problem(answer: Answer) -> bool:
    if f"Content-Type: {PROBLEM_CONTENT_TYPE}".encode() not in answer.headers:
        return False
    return decode(answer.body, Problem).status == answer.status


@contextmanager
def _crashes() -> Iterator[list[str]]:
    """Gathers what broke, for the message of a failure."""
    found: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1] is not None:
                found.append(_short(record.exc_info[1]))

    root = logging.getLogger()
    others = root.handlers[:]
    # Alone: what pytest keeps of logs, it cannot hand to another process where it holds half a letter.
    root.handlers[:] = [Kept(logging.ERROR)]
    try:
        yield found
    finally:
        root.handlers[:] = others


def _short(error: BaseException) -> str:
    last: Any = error.__traceback__
    place = ""
    while last is not None:
        file = last.tb_frame.f_code.co_filename
        if "control_plane" in file or "shared" in file or not place:
            place = f"{file.rpartition('/')[2]}:{last.tb_lineno}"
        last = last.tb_next
    return f"{type(error).__name__} at {place}: {str(error)[:100]}"
