"""Calls to the control plane: JSON both ways, signed, its time taken from every answer, its problems mapped to ours."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from edge_agent.errors import (
    AddressInvalid,
    AgentRevoked,
    AuthenticationRefused,
    LoginPageAnswers,
    NotThreeDance,
    RequestRefused,
    ServerBroke,
    ServerUnavailable,
)
from edge_agent.http import HttpAnswer, HttpClient
from shared.kernel.clock import ServerClock
from shared.protocol.codec import decode, encode
from shared.protocol.errors import PROBLEM_CONTENT_TYPE, Code, Problem
from shared.protocol.version import PROTOCOL_HEADER, PROTOCOL_VERSION

T = TypeVar("T")

JSON, BYTES = "application/json", "application/octet-stream"
DATE_TOLERANCE = timedelta(seconds=2)
"""`Date` has whole seconds and is as old as the way of the answer: only a larger difference moves the server's time."""


def base_address(text: str) -> str:
    """Returns the address of a control plane as a person typed it, without a path, query or trailing slash.

    Raises:
        AddressInvalid: it names no http or https server.
    """
    address = text.strip()
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise AddressInvalid(address, str(error)) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not address.isprintable():
        raise AddressInvalid(address, "it has to start with http:// or https:// and name a host")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}"


def take_date(clock: ServerClock, moment: datetime | None) -> None:
    """Sets `clock` from the `Date` of an answer of the control plane where it is off by more than its coarseness."""
    if moment is None:
        return
    if abs(clock.now() - moment) > DATE_TOLERANCE:
        clock.set_server_time(moment)
    else:
        clock.confirm()


def problem_of(answer: HttpAnswer) -> Problem | None:
    """Returns the problem an answer states, or None where it states none that we can read."""
    if answer.content_type != PROBLEM_CONTENT_TYPE:
        return None
    try:
        return decode(answer.body, Problem)
    except msgspec.DecodeError:
        return None


class ControlPlaneApi:
    """The control plane's HTTP endpoints for this agent.

    `sign` returns a fresh request token: each one is good once, so every try asks for its own.
    """

    def __init__(
        self, http: HttpClient, address: str, clock: ServerClock, sign: Callable[[], str] | None
    ) -> None:
        self.address = address
        self.http = http
        self.clock = clock
        self._sign = sign

    async def post(self, path: str, body: object, type_: type[T]) -> T:
        """Posts `body` as JSON and returns the answer as `type_`.

        Raises:
            ServerUnavailable: no answer, 429 or 5xx: try again later.
            AuthenticationRefused: 401 or 403: the token, or the agent, is not accepted.
            AgentRevoked: 401 with a signed revocation; its signature is not checked yet.
            RequestRefused: any other problem the server states.
            NotThreeDance: the answer is no answer of a 3Dance control plane; `LoginPageAnswers`: but a web page's.
        """
        answer = await self.send("POST", path, body=encode(body))
        return _decoded(answer, type_, self.address)

    async def post_for_nothing(self, path: str, body: object) -> None:
        """Posts `body` as JSON where the answer says nothing but that it arrived. Raises as `post`."""
        await self.send("POST", path, body=encode(body))

    async def get(self, path: str, type_: type[T], *, etag: str | None = None) -> tuple[T, str | None] | None:
        """Returns the document at `path` and its ETag, or None where it is still that of `etag`. Raises as `post`."""
        answer = await self.send("GET", path, headers={"if-none-match": etag} if etag else None)
        if answer.status in (204, 304):
            return None
        return _decoded(answer, type_, self.address), answer.headers.get("etag")

    async def send(
        self, method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> HttpAnswer:
        """Sends one signed request and returns its answer of 2xx or 304. Raises as `post`."""
        try:
            return await self._send_once(method, path, body, headers)
        except AuthenticationRefused as refusal:
            # The answer's Date has been taken; a token made from it is from the right time.
            if refusal.code is not Code.AGENT_CLOCK_OFF:
                raise
        return await self._send_once(method, path, body, headers)

    async def _send_once(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str] | None
    ) -> HttpAnswer:
        full = {"accept": f"{JSON}, {PROBLEM_CONTENT_TYPE}", PROTOCOL_HEADER: str(PROTOCOL_VERSION)}
        full |= headers or {}
        if body is not None:
            full["content-type"] = JSON
        if self._sign is not None:
            full["authorization"] = f"Bearer {self._sign()}"
        answer = await self.http.request(method, self.address + path, headers=full, body=body)
        # Before it is paired a box has only what a person typed; after that the address is known to be right.
        raise_for_problem(answer, self.address, self.clock, is_known=self._sign is not None)
        return answer


def raise_for_problem(answer: HttpAnswer, address: str, clock: ServerClock, *, is_known: bool = True) -> None:
    """Takes the time from an answer of the control plane, and raises what its status means. 2xx and 304 pass.

    Args:
        answer: what came.
        address: whom it should be from.
        clock: the server's time; no other's answer moves it.
        is_known: whether a control plane has ever answered there; else a web page is rather a wrong address.
    """
    status = answer.status
    problem = problem_of(answer)
    fine = status in (204, 304) or (200 <= status < 300 and answer.content_type in (JSON, BYTES))
    if fine or problem is not None:
        take_date(clock, answer.date_at)
    if fine:
        return
    elsewhere = LoginPageAnswers if is_known else NotThreeDance
    if status == 511:
        raise elsewhere(address, "HTTP 511")
    if status == 429 or status >= 500:
        said = problem.title if problem else f"HTTP {status}"
        kind = ServerBroke if status == 500 else ServerUnavailable
        raise kind(address, said, answer.retry_after_s)
    if 300 <= status < 400:
        raise elsewhere(address, f"it points to {_place(answer.headers.get('location', 'another address'))}")
    if problem is None:
        if answer.is_web_page and (status < 300 or (is_known and status in (401, 403))):
            raise elsewhere(address, f"a web page, HTTP {status}")
        if status in (401, 403):
            raise AuthenticationRefused(address, None, f"HTTP {status}")
        raise NotThreeDance(address, f"it answers HTTP {status} without an explanation")
    if problem.code is Code.AGENT_REVOKED and problem.revocation:
        raise AgentRevoked(problem.revocation)
    if status in (401, 403):
        raise AuthenticationRefused(address, problem.code, problem.detail or problem.title)
    raise RequestRefused(problem)


def _place(location: str) -> str:
    # A login page's address carries what it knows of this box.
    return location.partition("?")[0][:200]


def _decoded(answer: HttpAnswer, type_: type[T], address: str) -> T:
    try:
        return decode(answer.body, type_)
    except msgspec.DecodeError as error:
        raise NotThreeDance(address, f"its answer cannot be read: {error}") from error
