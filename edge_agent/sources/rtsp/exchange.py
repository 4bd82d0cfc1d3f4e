"""The RTSP exchange between FFmpeg and a camera, without sockets: signs requests, filters responses.

FFmpeg plays `local_url` and knows neither the camera's address nor its password. Of the camera's responses it gets what it
needs to read packets, and nothing that could direct it elsewhere. Pure. Source: RFC 2326; RFC 7826 for status codes.
"""

from dataclasses import dataclass

from edge_agent.errors import CameraFailed
from edge_agent.sources.authentication import Authenticator
from edge_agent.sources.camera_errors import error_from_response
from edge_agent.sources.rtsp.wire import Message, NotRtsp, RtspWire
from shared.protocol.status import CameraError

MOST_TRIES = 3
"""Attempts per request: unsigned, signed, and signed again after a stale nonce."""
USER_AGENT = "3Dance"
UNREAD_LIMIT_BYTES = 256 << 10
"""Limit of data that a camera has not read. One read of the relay adds at most half of it."""

_FROM_PLAYER = ("accept", "transport", "session", "range", "content-type", "scale", "speed", "blocksize")
_TO_PLAYER = (
    "session",
    "transport",
    "content-base",
    "content-type",
    "public",
    "range",
)
"""The headers that are forwarded. FFmpeg would act on `Location`, `WWW-Authenticate`, `Server`, `RealChallenge1`, `Notice`.

Without `RTP-Info`, which is often wrong, its times start with the first packet, which `packetizer` relies on.
"""
_MUST_SUCCEED = ("DESCRIBE", "SETUP", "PLAY")


@dataclass
class _Pending:
    """A request of FFmpeg that the camera has not answered yet."""

    method: str
    uri: str
    cseq: str
    headers: list[tuple[str, str]]
    tries: int = 0
    is_signed: bool = False


class RtspExchange:
    """One connection. `to_camera` and `to_player` hold what is to be sent; the sender removes it.

    Used by one thread. `failure` says why the camera delivers no stream, as soon as that is known.
    """

    def __init__(self, *, local_url: str, camera_url: str, authenticator: Authenticator) -> None:
        """Args:
        local_url: the address that FFmpeg plays.
        camera_url: the camera's address, without credentials.
        authenticator: signs the requests.
        """
        self.to_camera = bytearray()
        self.to_player = bytearray()
        self.failure: CameraFailed | None = None
        self._local_url = local_url
        self._camera_url = camera_url
        self._authenticator = authenticator
        self._from_player = RtspWire()
        self._from_camera = RtspWire()
        self._current: _Pending | None = None
        self._cseq = 0
        self._session = ""
        self._session_uri = ""

    def receive_from_player(self, data: bytes) -> None:
        """Receives data of FFmpeg: requests and receiver reports."""
        try:
            items = self._from_player.feed(data)
        except NotRtsp as error:
            self._fail(CameraFailed(CameraError.BAD_DATA, f"the reader sends no RTSP: {error}"))
            return
        for item in items:
            if self.failure is not None:
                return
            if isinstance(item, bytes):
                self._queue_to_camera(item)
            elif not item.is_response:
                self._forward_request(item)

    def receive_from_camera(self, data: bytes) -> None:
        """Receives data of the camera: packets, responses, and its own requests."""
        try:
            items = self._from_camera.feed(data)
        except NotRtsp as error:
            self._fail(_wrong_protocol(error))
            return
        for item in items:
            if self.failure is not None:
                return
            if isinstance(item, bytes):
                self.to_player += item
            elif item.is_response:
                self._handle_response(item)
            else:
                self._answer_camera(item)

    def camera_closed(self) -> None:
        """Records that the camera closed the connection."""
        if self._from_camera.has_begun:
            self._fail(CameraFailed(CameraError.ENDED, "the camera closed the connection"))
        else:
            self._fail(CameraFailed(CameraError.ENDED, "the camera closed the connection without an answer"))

    def camera_broke(self, reason: str) -> None:
        """Records that the connection to the camera broke."""
        self._fail(CameraFailed(CameraError.ENDED, f"the connection broke: {reason}"[:200]))

    def player_closed(self) -> None:
        """Records that FFmpeg is gone, and ends the camera's session unless FFmpeg did."""
        if self._session:
            headers = [("session", self._session)]
            self._send(_Pending("TEARDOWN", self._session_uri, "", headers))
            self._session = ""

    def _queue_to_camera(self, data: bytes) -> None:
        if len(self.to_camera) + len(data) > UNREAD_LIMIT_BYTES:
            self._fail(
                CameraFailed(CameraError.BAD_DATA, "the camera sends requests and does not read answers")
            )
            return
        self.to_camera += data

    def _fail(self, error: CameraFailed) -> None:
        if self.failure is None:
            self.failure = error

    # Requests of FFmpeg.

    def _forward_request(self, request: Message) -> None:
        """Forwards a request. FFmpeg waits for each response, except to keep-alives of a playing session.

        A camera may leave keep-alives unanswered, so a new request replaces the pending one.
        """
        headers = [(name, value) for name, value in request.headers if name in _FROM_PLAYER]
        uri = request.uri
        if uri.startswith(self._local_url):
            rest = uri.removeprefix(self._local_url)
            # FFmpeg adds a `/` between address and track if the address has none at its end; the local one never has.
            camera_url = self._camera_url.removesuffix("/") if rest.startswith("/") else self._camera_url
            uri = camera_url + rest
        if request.method == "TEARDOWN":
            self._session = ""
        self._current = _Pending(request.method, uri, request.header("cseq"), headers)
        self._send(self._current)

    def _send(self, pending: _Pending) -> None:
        self._cseq += 1
        pending.tries += 1
        signed = self._authenticator.header(pending.method, pending.uri)
        pending.is_signed = signed is not None
        lines = [
            f"{pending.method} {pending.uri} RTSP/1.0",
            f"CSeq: {self._cseq}",
            f"User-Agent: {USER_AGENT}",
        ]
        lines += [f"Authorization: {signed}"] if signed else []
        lines += [f"{name.title()}: {value}" for name, value in pending.headers]
        self._queue_to_camera(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"))

    # Responses of the camera.

    def _handle_response(self, answer: Message) -> None:
        # CSeq is not checked: many cameras echo a wrong one, and none responds out of order.
        pending = self._current
        if pending is None or answer.status < 200:
            return
        if answer.status == 401:
            try:
                if pending.tries >= MOST_TRIES:
                    raise CameraFailed(CameraError.REFUSED, "the camera keeps requesting authentication")
                self._authenticator.add_challenges(
                    answer.headers_called("www-authenticate"), was_signed=pending.is_signed
                )
            except CameraFailed as error:
                self._fail(error)
                return
            self._send(pending)
            return
        self._current = None
        if 300 <= answer.status < 400:
            self._fail(error_from_response(answer.status, answer.reason, location=answer.header("location")))
        elif answer.status >= 400 and pending.method in _MUST_SUCCEED:
            self._fail(error_from_response(answer.status, answer.reason))
        else:
            self._forward_response(pending, answer)

    def _forward_response(self, pending: _Pending, answer: Message) -> None:
        if answer.status < 300:
            self._authenticator.accepted()
        transport = answer.header("transport").lower()
        if pending.method == "SETUP" and "tcp" not in transport and "interleaved" not in transport:
            self._fail(CameraFailed(CameraError.NO_TCP, "the camera answers with another transport"))
            return
        if pending.method in ("SETUP", "PLAY") and (
            session := answer.header("session").partition(";")[0].strip()
        ):
            self._session, self._session_uri = session, pending.uri
        headers = [(name, value) for name, value in answer.headers if name in _TO_PLAYER]
        body = b""
        if pending.method == "DESCRIBE":
            if "sdp" not in (answer.header("content-type") or "sdp").lower() or not answer.body:
                self._fail(CameraFailed(CameraError.BAD_DATA, "the camera describes no stream"))
                return
            body = answer.body
        # Cameras may refuse OPTIONS or keep-alives and still play.
        lines = ["RTSP/1.0 200 OK", f"CSeq: {pending.cseq}"]
        lines += [f"{name.title()}: {value}" for name, value in headers]
        lines += [f"Content-Length: {len(body)}"] if body else []
        self.to_player += ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body

    def _answer_camera(self, request: Message) -> None:
        if request.method == "REDIRECT":
            self._fail(error_from_response(302, "", location=request.header("location")))
            return
        known = request.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER")
        lines = ["RTSP/1.0 200 OK" if known else "RTSP/1.0 501 Not Implemented"]
        lines += [f"CSeq: {request.header('cseq')}"]
        lines += [f"Session: {session}"] if (session := request.header("session")) else []
        self._queue_to_camera(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))


def _wrong_protocol(error: NotRtsp) -> CameraFailed:
    began = error.began_with
    if began.startswith(b"HTTP/"):
        return CameraFailed(CameraError.WRONG_PROTOCOL, "the server at this port speaks HTTP, not RTSP")
    if began[:1] in (b"\x15", b"\x16") and began[1:2] == b"\x03":
        return CameraFailed(CameraError.WRONG_PROTOCOL, "the server at this port speaks TLS: use rtsps://")
    if began:
        return CameraFailed(CameraError.WRONG_PROTOCOL, "the server at this port does not speak RTSP")
    return CameraFailed(CameraError.BAD_DATA, str(error))
