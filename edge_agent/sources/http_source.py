"""Cameras that answer an HTTP GET with an endless stream."""

import contextlib
import http.client
import socket
from typing import Any

import av

from edge_agent.errors import CameraFailed
from edge_agent.settings import Settings
from edge_agent.sources.addresses import Endpoint, endpoint_of
from edge_agent.sources.authentication import Authenticator
from edge_agent.sources.av_source import FORMATS, AvSource
from edge_agent.sources.camera_errors import error_from_response
from edge_agent.sources.dial import dial
from shared.kernel.clock import Clock
from shared.protocol.config import Credentials
from shared.protocol.status import CameraError

TIMEOUT_S = 5
"""Longest silence of a camera."""
MOST_TRIES = 3
"""Requests for the stream: unsigned, signed, and signed again after a stale nonce."""
USER_AGENT = "3Dance"


class _Body:
    """The body of a response as the file that FFmpeg reads. Its exceptions pass through FFmpeg."""

    name = "camera"

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer = answer

    def read(self, size: int) -> bytes:
        try:
            return self._answer.read1(size)
        except (http.client.HTTPException, ValueError) as error:
            raise ConnectionAbortedError(f"the camera's answer is damaged: {type(error).__name__}") from error

    def close(self) -> None:
        self._answer.close()


class HttpSource(AvSource):
    """One GET, read until it ends, over our own connection: FFmpeg gets bytes and connects to nothing.

    The environment's proxy is not used: it serves the internet, and must not see a camera's password. Redirects are not
    followed: the address rules were checked for the configured address only.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | None,
        *,
        settings: Settings,
        with_audio: bool,
        clock: Clock,
    ) -> None:
        """Args:
        url: the camera's address, without credentials.
        credentials: its user and password; dropped once the stream runs.
        settings: the agent's own rules, for its address.
        with_audio: whether its sound is read.
        clock: dates arrivals.
        """
        options = {
            "fpsprobesize": "0",
            "analyzeduration": "3000000",
            "format_whitelist": FORMATS,
            # It has nothing to open: no format may name another address.
            "protocol_whitelist": "none",
        }
        super().__init__(options, with_audio=with_audio, clock=clock)
        self._endpoint = endpoint_of(url)
        self._credentials = credentials
        self._settings = settings
        self._body: _Body | None = None
        self._socket: socket.socket | None = None

    def _open_container(self) -> Any:
        authenticator = Authenticator(self._credentials)
        self._credentials = None
        self._body = _Body(self._open_stream(authenticator))
        return av.open(self._body, options=self._options, buffer_size=32 << 10)

    def _open_stream(self, authenticator: Authenticator) -> http.client.HTTPResponse:
        """Returns the response with the stream."""
        for _ in range(MOST_TRIES):
            signed = authenticator.header("GET", self._endpoint.target)
            answer = self._request(signed)
            if answer.status == 200:
                return answer
            with contextlib.closing(answer):
                if answer.status != 401:
                    raise error_from_response(
                        answer.status, answer.reason, location=answer.getheader("Location") or ""
                    )
                authenticator.add_challenges(
                    answer.headers.get_all("WWW-Authenticate") or (), was_signed=signed is not None
                )
        raise CameraFailed(CameraError.REFUSED, "the camera keeps requesting authentication")

    def _request(self, signed: str | None) -> http.client.HTTPResponse:
        endpoint = self._endpoint
        connection = http.client.HTTPConnection(endpoint.host, endpoint.port)
        with dial(endpoint, self._settings, timeout_s=TIMEOUT_S, is_aborted=self._aborted.is_set) as line:
            connection.sock = self._socket = line
            # `abort` sets the flag, then reads the socket; here the socket is stored, then the flag is read: one sees the
            # other.
            if self._aborted.is_set():
                raise CameraFailed(CameraError.ENDED, "the connection was aborted")
            connection.putrequest("GET", endpoint.target, skip_host=True, skip_accept_encoding=True)
            for name, value in _headers(endpoint, signed):
                connection.putheader(name, value)
            try:
                connection.endheaders()
                # The response keeps the connection open from here on, until it is closed.
                return connection.getresponse()
            except http.client.HTTPException as error:
                raise _no_http(error) from error

    def abort(self) -> None:
        """Ends a waiting `open` or `packets` at once: the connection is shut down under the read that waits for it."""
        super().abort()
        if (line := self._socket) is not None:
            with contextlib.suppress(OSError):
                # Not `line.shutdown`: that of a TLS socket takes its state away from under the thread that reads.
                socket.socket.shutdown(line, socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes the connection; idempotent."""
        super().close()
        body, self._body = self._body, None
        if body is not None:
            body.close()


def _headers(endpoint: Endpoint, signed: str | None) -> list[tuple[str, str]]:
    headers = [("Host", endpoint.authority), ("User-Agent", USER_AGENT), ("Accept", "*/*")]
    headers += [("Authorization", signed)] if signed else []
    return [*headers, ("Connection", "close")]


def _no_http(error: http.client.HTTPException) -> CameraFailed:
    if isinstance(error, http.client.RemoteDisconnected):
        return CameraFailed(CameraError.ENDED, "the camera closed the connection without an answer")
    line = str(error) if isinstance(error, http.client.BadStatusLine) else ""
    if "RTSP/" in line:
        return CameraFailed(CameraError.WRONG_PROTOCOL, "the server at this port speaks RTSP, not HTTP")
    if "\x15\x03" in line:
        return CameraFailed(CameraError.WRONG_PROTOCOL, "the server at this port speaks TLS: use https://")
    return CameraFailed(CameraError.WRONG_PROTOCOL, "the server at this port does not speak HTTP")
