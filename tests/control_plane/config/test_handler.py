"""Requests of different addresses in the few threads of the web process."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from django.http import HttpResponse

from control_plane.config.handler import THREADS, Handler
from shared.protocol.codec import decode
from shared.protocol.errors import Problem

PATIENCE_S = 20.0
CROWD = "203.0.113.5"


class Requests:
    """Sends requests to a handler whose answers to one address wait until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, status: int = 200) -> None:
        self.handler = Handler()
        self.status = status
        """Of the answers to the crowd."""
        self.let_go = threading.Event()
        monkeypatch.setattr(self.handler, "_answer", self._answer)

    def _answer(self, scope: dict[str, Any], body: Any) -> HttpResponse:
        if scope["client"][0] == CROWD:
            assert self.let_go.wait(PATIENCE_S)
            return HttpResponse("answered", status=self.status)
        return HttpResponse("answered")

    async def ask(
        self, address: str, *, content_type: str = "", accept: str = "*/*"
    ) -> list[Mapping[str, Any]]:
        """Returns what is sent to one request."""
        sent: list[Mapping[str, Any]] = []

        async def receive() -> Mapping[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)

        headers = [(b"accept", accept.encode())]
        headers += [(b"content-type", content_type.encode("latin-1"))] if content_type else []
        scope = {"type": "http", "method": "GET", "path": "/", "headers": headers, "client": (address, 1)}
        await self.handler(scope, receive, send)
        return sent


async def test_somebody_else_is_answered_while_one_address_has_a_crowd(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests = Requests(monkeypatch)
    crowd = [asyncio.create_task(requests.ask(CROWD)) for _ in range(THREADS * 4)]
    await asyncio.sleep(0)
    other = asyncio.create_task(requests.ask("203.0.113.6"))
    await asyncio.wait({other}, timeout=PATIENCE_S / 2)
    assert other.done(), "it waits for the crowd"
    assert other.result()[0]["status"] == 200
    assert not any(one.done() for one in crowd)
    requests.let_go.set()
    assert {sent[0]["status"] for sent in await asyncio.gather(*crowd)} == {200}


async def test_an_address_with_too_many_requests_is_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests = Requests(monkeypatch)
    crowd = [asyncio.create_task(requests.ask(CROWD)) for _ in range(300)]
    done, _ = await asyncio.wait(crowd, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
    head, content = done.pop().result()
    assert decode(content["body"], Problem).status == head["status"] == 503
    assert dict(head["headers"])[b"retry-after"] == b"5"
    requests.let_go.set()
    statuses = [sent[0]["status"] for sent in await asyncio.gather(*crowd)]
    assert statuses.count(200) >= 256


async def test_a_429_is_late_and_holds_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(monkeypatch, status=429)
    requests.let_go.set()
    crowd = [asyncio.create_task(requests.ask(CROWD)) for _ in range(THREADS * 4)]
    other = asyncio.create_task(requests.ask("203.0.113.6"))
    done, _ = await asyncio.wait([*crowd, other], return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
    assert done == {other}, "refusals are sent at once, or hold the threads"
    assert {sent[0]["status"] for sent in await asyncio.gather(*crowd)} == {429}


@pytest.mark.parametrize(
    ("content_type", "is_taken"),
    [
        ("", True),
        ("text/plain", True),
        ("application/x-www-form-urlencoded; charset=utf-8", True),
        ('multipart/form-data; boundary=x; charset="UTF-8"', True),
        ("application/json;charset=us-ascii", True),
        ("text/plain; charset=hex", False),
        ("text/plain; charset=rot13", False),
        ("text/plain; charset=utf-16", False),
        ("text/plain; charset=no-such", False),
        ("text/plain; charset=", False),
        ("text/plain; a*=foo''%41", False),
        ("text/plain; charset=\xff", False),
        ("text/plain; charset=" + "x" * 60_000, False),
    ],
)
async def test_a_request_in_another_encoding_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, content_type: str, is_taken: bool
) -> None:
    head, content = await Requests(monkeypatch).ask("203.0.113.7", content_type=content_type)
    assert head["status"] == (200 if is_taken else 400)
    if not is_taken:
        assert decode(content["body"], Problem).detail == "The encoding in Content-Type is not UTF-8."


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
async def test_what_fails_around_django_is_answered_with_the_id_that_the_log_has(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, accept: str
) -> None:
    def break_(scope: dict[str, Any], body: Any) -> HttpResponse:
        raise RuntimeError("Zq7-the-reason")

    requests = Requests(monkeypatch)
    monkeypatch.setattr(requests.handler, "_answer", break_)
    head, content = await requests.ask("203.0.113.8", accept=accept)
    request_id = dict(head["headers"])[b"x-request-id"].decode()
    assert head["status"] == 500
    assert request_id.encode() in content["body"]
    assert b"Zq7" not in content["body"]
    (record,) = [one for one in caplog.records if one.name == "control_plane.config.handler"]
    assert (record.levelname, vars(record)["request_id"]) == ("ERROR", request_id)
    assert record.exc_info
