"""HTTP as the agent speaks it: the one place that imports httpx, and the one place that maps its exceptions.

HTTP/1.1 with a few kept-alive connections (HTTP/2 in pure Python costs eight times the CPU for the same bytes).
"""

import ssl
import sys
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import urlsplit

# httpx imports its own command line, with click and pygments, if they are installed: a fifth of the agent's start time. It
# tolerates that the module is missing.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

import httpx  # noqa: E402

from edge_agent.errors import (  # noqa: E402
    AddressInvalid,
    AnswerTooLarge,
    ProxyRefused,
    ServerNotHttp,
    ServerTimeout,
    ServerUnreachable,
    TlsFailed,
)
from shared.kernel.loopback import SelfConnected, refuse_self_connection  # noqa: E402

CONNECT_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 30.0
"""Longest wait for the next bytes of an answer, or for a body to be accepted."""

ANSWER_LIMIT_BYTES = 8 * 1024 * 1024
"""Longer than any expected answer; a longer one must not fill the memory."""


@dataclass(frozen=True)
class HttpAnswer:
    """Status, headers (names in lower case) and the whole body of one answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case; empty where the server states none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def date_at(self) -> datetime | None:
        """The `Date` header in UTC (whole seconds), or None where it is missing or unreadable."""
        return _moment(self.headers.get("date", ""))

    @property
    def retry_after_s(self) -> float | None:
        """`Retry-After` in seconds, at most an hour; None if it is missing or malformed.

        A date is compared with the answer's own `Date`: the agent's clock may be wrong.
        Source: RFC 9110, section 10.2.3.
        """
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return min(float(text), 3600.0)
        until_at, date_at = _moment(text), self.date_at
        if until_at is None or date_at is None:
            return None
        return min(max((until_at - date_at).total_seconds(), 0.0), 3600.0)

    @property
    def is_web_page(self) -> bool:
        """Whether it is an HTML page, which no server of ours answers with."""
        start = self.body[:200].lstrip().lower()
        return bool(start) and (
            self.content_type in ("text/html", "application/xhtml+xml")
            or start.startswith((b"<!doctype html", b"<html"))
        )


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def trust() -> ssl.SSLContext:
    """Returns the TLS context of every connection to the control plane: the system's authorities, names checked.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` add a studio's own authority. If the system has none (a Python without
    them), those that ship with httpx are used.
    """
    context = ssl.create_default_context()
    return context if context.cert_store_stats()["x509_ca"] else httpx.create_ssl_context()


class HttpClient:
    """Sends requests and returns answers of any status; raises only if there is no answer.

    Goes through the proxy that `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of the environment name.
    Used by the tasks of one event loop.
    """

    def __init__(
        self,
        *,
        connections: int = 4,
        verify: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._client = httpx.AsyncClient(
            http2=False,
            verify=verify or trust(),
            transport=transport,
            follow_redirects=False,
            timeout=httpx.Timeout(IDLE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, pool=None),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the kept connections."""
        await self._client.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterable[bytes] | None = None,
        on_sending: Callable[[], None] | None = None,
    ) -> HttpAnswer:
        """Sends one request and returns its answer, whatever its status. Redirects are not followed.

        Args:
            method: GET, POST, PUT.
            url: the absolute address.
            headers: request headers.
            body: request body; None: none.
            on_sending: called when the connection is open and the request starts to be sent.

        Raises:
            AddressInvalid: `url` is no http or https address.
            ServerUnreachable: the name does not resolve, nobody listens, or the line broke before an answer.
            ServerTimeout: connected, but no answer in time.
            ServerNotHttp: what answers does not speak HTTP.
            ProxyRefused: the proxy that the environment names does not let us through.
            TlsFailed: the certificate is not trusted, or there is no TLS at that port.
            AnswerTooLarge: it is over `ANSWER_LIMIT_BYTES`.
        """
        host = _host(url)
        try:
            async with self._client.stream(
                method, url, headers=headers, content=body, extensions={"trace": _traced(on_sending)}
            ) as answer:
                content = await _bounded(answer, host)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise AddressInvalid(url, str(error)) from error
        except httpx.TimeoutException as error:
            raise ServerTimeout(host) from error
        except httpx.ProxyError as error:
            raise ProxyRefused(host, str(error)) from error
        except httpx.ConnectError as error:
            raise _connect_error(host, error) from error
        except httpx.RemoteProtocolError as error:
            # "Server disconnected" is a broken connection; anything else is a peer with another protocol.
            if "disconnected" in str(error).lower() or "peer closed" in str(error).lower():
                raise ServerUnreachable(host, "it closed the connection without an HTTP answer") from error
            raise ServerNotHttp(host) from error
        except httpx.DecodingError as error:
            raise ServerUnreachable(host, f"its answer cannot be unpacked: {error}") from error
        except (httpx.TransportError, ssl.SSLError, ConnectionError) as error:
            raise ServerUnreachable(host, str(error) or type(error).__name__) from error
        return HttpAnswer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, content)


def _traced(on_sending: Callable[[], None] | None) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
    """Returns the trace callback of one request. Source: httpcore, "Extensions", "trace"."""

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            await _refuse_self_connection(info["return_value"])
        elif event == "http11.send_request_headers.started" and on_sending is not None:
            on_sending()

    return trace


async def _refuse_self_connection(stream: Any) -> None:
    """Closes a new connection whose other end is itself, as happens while a control plane on this machine is down."""
    line = stream.get_extra_info("socket")
    if line is None:  # a transport of its own, without a socket
        return
    try:
        refuse_self_connection(line)
    except SelfConnected as error:
        await stream.aclose()
        raise httpx.ConnectError(str(error)) from error


async def _bounded(answer: httpx.Response, host: str) -> bytes:
    content = bytearray()
    async for piece in answer.aiter_bytes():
        content += piece
        if len(content) > ANSWER_LIMIT_BYTES:
            raise AnswerTooLarge(host)
    return bytes(content)


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises where the port is no number
    except ValueError as error:
        raise AddressInvalid(url, str(error)) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AddressInvalid(url, "it has to start with http:// or https:// and name a host")
    return parts.netloc.rpartition("@")[2]


def _connect_error(host: str, error: httpx.ConnectError) -> ServerUnreachable | TlsFailed:
    if (failed := tls_failed(host, error)) is not None:
        return failed
    text = str(error)
    if "CERTIFICATE" in text or "SSL" in text:
        return TlsFailed(host, text)
    return ServerUnreachable(host, text)


def tls_failed(host: str, error: BaseException) -> TlsFailed | None:
    """Returns our error for a failed TLS handshake with `host`; None if `error` has another cause."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return TlsFailed(host, cause.verify_message or "the certificate is not trusted")
    if "WRONG_VERSION_NUMBER" in str(cause) or "RECORD_LAYER_FAILURE" in str(cause):
        return TlsFailed(host, "the server does not speak TLS at this port", plain=True)
    return TlsFailed(host, cause.reason or str(cause))
