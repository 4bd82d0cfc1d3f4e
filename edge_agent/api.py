"""Signed JSON calls to the control plane. Each answer updates the server time; problems become exceptions."""

import secrets
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from edge_agent.errors import (
    AddressInvalid,
    AgentRevoked,
    AuthenticationRefused,
    CaptivePortal,
    NotThreeDance,
    RequestRefused,
    ServerInternalError,
    ServerUnavailable,
)
from edge_agent.http import HttpAnswer, HttpClient
from shared.kernel.clock import ServerClock
from shared.protocol.codec import decode, encode
from shared.protocol.errors import PROBLEM_CONTENT_TYPE, Code, Problem
from shared.protocol.timing import NONCE_HEADER, TIME_HEADER, TIME_PATH, read_time
from shared.protocol.version import PROTOCOL_HEADER, PROTOCOL_VERSION

T = TypeVar("T")

JSON, BYTES = "application/json", "application/octet-stream"


def base_address(text: str) -> str:
    """Returns the address of a control plane from what a person typed, without path, query or trailing slash.

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


class TimeExchange:
    """Reads the server's time with one request: a nonce in its headers, the time in the answer's headers."""

    def __init__(self, clock: ServerClock) -> None:
        self._clock = clock
        self._nonce = secrets.token_urlsafe(12)
        self._sent_ns = clock.mark()
        self.headers = {NONCE_HEADER: self._nonce}
        """Headers to send with the request."""

    def mark_sent(self) -> None:
        """Marks the time of sending, without the time that connecting took."""
        self._sent_ns = self._clock.mark()

    def accept(self, headers: Mapping[str, str]) -> bool:
        """Gives the clock the time in an answer's headers (lower-case names); returns False if they have none for us.

        Only an answer with this request's nonce counts: a `Date`, a proxy's time or a cached answer do not.
        """
        server_time_at = read_time(headers.get(TIME_HEADER, ""), self._nonce)
        if server_time_at is None:
            return False
        self._clock.take(server_time_at, self._sent_ns)
        return True


def verify_file(answer: HttpAnswer) -> Problem | None:
    """Returns the problem document of an answer; None if there is none or it cannot be read."""
    if answer.content_type != PROBLEM_CONTENT_TYPE:
        return None
    try:
        return decode(answer.body, Problem)
    except msgspec.DecodeError:
        return None


class ControlPlaneApi:
    """The control plane's HTTP endpoints for this agent.

    `sign` returns a new request token: tokens are single-use, so each attempt needs its own.
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
            NotThreeDance: the answer is not a 3Dance control plane's; `CaptivePortal`: it is a web page.
        """
        answer = await self.send("POST", path, body=encode(body))
        return _decoded(answer, type_, self.address)

    async def post_for_nothing(self, path: str, body: object) -> None:
        """Posts `body` as JSON; the answer is empty. Raises as `post`."""
        await self.send("POST", path, body=encode(body))

    async def get(self, path: str, type_: type[T], *, etag: str | None = None) -> tuple[T, str | None] | None:
        """Returns the document at `path` and its ETag; None if it still matches `etag`. Raises as `post`."""
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
            # The refusal carried the server's time, which the next token uses.
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
        question = TimeExchange(self.clock)
        answer = await self.http.request(
            method,
            self.address + path,
            headers=full | question.headers,
            body=body,
            on_sending=question.mark_sent,
        )
        question.accept(answer.headers)
        # Before pairing the address is only what a person typed; afterwards it is known to be right.
        raise_for_problem(answer, self.address, is_known=self._sign is not None)
        return answer

    async def ask_time(self) -> None:
        """Reads the server's time and gives it to the clock. Needs no token.

        Raises:
            ServerError: there is no answer, or it does not state the time.
        """
        question = TimeExchange(self.clock)
        answer = await self.http.request(
            "GET", self.address + TIME_PATH, headers=question.headers, on_sending=question.mark_sent
        )
        if not question.accept(answer.headers):
            raise_for_problem(answer, self.address)
            raise NotThreeDance(self.address, "its answer does not state the time")


def raise_for_problem(answer: HttpAnswer, address: str, *, is_known: bool = True) -> None:
    """Raises the error that the status of an answer means. 2xx and 304 of a control plane pass.

    Args:
        answer: the answer.
        address: the server's address.
        is_known: whether a control plane has answered there before; otherwise a web page means a wrong address.
    """
    status = answer.status
    problem = verify_file(answer)
    fine = status in (204, 304) or (200 <= status < 300 and answer.content_type in (JSON, BYTES))
    if fine:
        return
    elsewhere = CaptivePortal if is_known else NotThreeDance
    if status == 511:
        raise elsewhere(address, "HTTP 511")
    if status == 429 or status >= 500:
        said = (problem.detail or problem.title) if problem else f"HTTP {status}"
        kind = ServerInternalError if status == 500 else ServerUnavailable
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
    # The query of a login page carries data about this machine.
    return location.partition("?")[0][:200]


def _decoded(answer: HttpAnswer, type_: type[T], address: str) -> T:
    try:
        return decode(answer.body, type_)
    except msgspec.DecodeError as error:
        raise NotThreeDance(address, f"its answer cannot be read: {error}") from error
