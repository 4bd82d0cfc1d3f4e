"""An RTSP camera in plain Python, for what no real server does when asked: any answer, any time stamp, any damage.

It plays numbered pictures over TCP, one access unit after the other, as fast as they are due. A test bends it by
arguments: `answer` takes over single requests, `stamp` makes the RTP time of a picture, `pictures` are access units.
"""

import asyncio
import base64
import contextlib
import hashlib
import itertools
import re
import secrets
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext

MTU_BYTES = 1400
PAYLOAD_TYPE = 96
SSRC = 0x3D5A


@dataclass(frozen=True)
class Request:
    """A request of a client. Header names are in lower case."""

    method: str
    uri: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Reply:
    """A response of the camera. `raw` replaces all of it, to the byte."""

    status: str = "200 OK"
    headers: tuple[str, ...] = ()
    body: bytes = b""
    raw: bytes | None = None


@dataclass(frozen=True)
class Picture:
    """One access unit in Annex B, and its place in the order of showing."""

    data: bytes
    shown: int
    keyframe: bool = False


@dataclass
class Login:
    """The login that the camera requires: user, password and scheme (`Basic`, or the algorithm of Digest).

    What it says itself (`realm`, `opaque`) is bytes, in any encoding; in headers each byte is a character of Latin-1.
    """

    username: str
    password: str
    scheme: str = "MD5"
    qop: str = ""
    realm: bytes = b"cam"
    opaque: bytes = b""
    nonces: list[str] = field(default_factory=lambda: [secrets.token_hex(8)])

    def challenges(self, *, stale: bool = False) -> tuple[str, ...]:
        """Returns the headers of a 401."""
        if self.scheme == "Basic":
            return ('WWW-Authenticate: Basic realm="cam"',)
        parts = [f'Digest realm="{self.realm.decode("latin-1")}", nonce="{self.nonces[-1]}"']
        parts += [f'opaque="{self.opaque.decode("latin-1")}"'] if self.opaque else []
        parts += [f"algorithm={self.scheme}"] if self.scheme != "plain" else []
        parts += [f'qop="{self.qop}"'] if self.qop else []
        parts += ["stale=true"] if stale else []
        return ("WWW-Authenticate: " + ", ".join(parts),)

    def lets_in(self, method: str, said: str, uri: str = "") -> bool:
        """Says whether an `Authorization` header is right, and for the address `uri`, where that is given."""
        if self.scheme == "Basic":
            login = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            return said == f"Basic {login}"
        fields = {
            name.lower(): quoted or plain
            for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', said)
        }
        if fields.get("nonce") != self.nonces[-1] or not said.startswith("Digest "):
            return False
        if uri and fields["uri"] != uri:
            return False
        if (fields["realm"], fields.get("opaque", "")) != (
            self.realm.decode("latin-1"),
            self.opaque.decode("latin-1"),
        ):
            return False
        algorithm = self.scheme.upper().removesuffix("-SESS") if self.scheme != "plain" else "MD5"
        name = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[algorithm]

        def hashed(*parts: str | bytes) -> str:
            said = (part if isinstance(part, bytes) else part.encode() for part in parts)
            return hashlib.new(name, b":".join(said)).hexdigest()

        secret = hashed(self.username, self.realm, self.password)
        if self.scheme.upper().endswith("-SESS"):
            secret = hashed(secret, self.nonces[-1].encode("latin-1"), fields["cnonce"])
        numbered = [fields["nc"], fields["cnonce"], fields["qop"]] if self.qop else []
        asked = [method, fields["uri"].encode("latin-1")] + (
            [hashed("")] if fields.get("qop") == "auth-int" else []
        )
        return fields.get("response") == hashed(
            secret, self.nonces[-1].encode("latin-1"), *numbered, hashed(*asked)
        )


def pictures_of(path: Path) -> list[Picture]:
    """Returns the pictures of a file of numbered pictures."""
    found: list[tuple[bytes, bool, int]] = []
    with av.open(str(path)) as media:
        stream: Any = media.streams.video[0]
        extradata = stream.codec_context.extradata or b""
        name = f"{stream.codec_context.name}_mp4toannexb"
        to_annex_b = BitStreamFilterContext(name, stream) if extradata[:1] == b"\x01" else None
        for packet in media.demux(stream):
            if not packet.size:
                continue
            found += [
                (bytes(one), one.is_keyframe, one.pts or 0)
                for one in (to_annex_b.filter(packet) if to_annex_b else [packet])
            ]
        rate, base = stream.average_rate, stream.time_base
    first = min(pts for _, _, pts in found)
    return [Picture(data, round((pts - first) * base * rate), keyframe) for data, keyframe, pts in found]


def units_of(data: bytes) -> list[bytes]:
    """Returns the NAL units of an access unit in Annex B."""
    return [unit.rstrip(b"\0") for unit in re.split(rb"\x00*\x00\x00\x01", data)[1:]]


class ScriptedCamera:
    """Listens on a loopback address while the block lasts; use it as a context manager.

    `requests` are those of all connections in order, `connections` counts them. `played` is set once it has begun to
    play. `finished` is set when all `pictures` were sent, where they are not repeated.
    """

    def __init__(
        self,
        pictures: Iterable[Picture] = (),
        *,
        fps: int = 30,
        stamp: Callable[[int, Picture], int] | None = None,
        answer: Callable[[Request], Reply | None] | None = None,
        login: Login | None = None,
        sdp: Callable[[str], str] | None = None,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        greeting: bytes | None = None,
        pace: float = 1.0,
        sprop: str | None = None,
        content_base: bool = True,
    ) -> None:
        """Args:
        pictures: what it plays, once.
        fps: how many a second.
        stamp: returns the RTP time of the picture with a number, 32 bits; None: its place in the order of showing.
        answer: takes over the requests for which it returns a reply.
        login: what it asks for.
        sdp: rewrites the description.
        host: the address to listen on.
        tls: serves with it.
        greeting: sent at once instead of any RTSP; the connection is closed after it.
        pace: 1 is real time, 0 as fast as it goes.
        sprop: the parameter sets in the description; None: the right ones.
        content_base: whether it says what the addresses of its tracks follow; else they follow the one asked for.
        """
        self._pictures = list(pictures)
        self._fps = fps
        self._stamp = stamp or (lambda _, picture: 1000 + picture.shown * (90_000 // fps))
        self._answer = answer
        self._login = login
        self._sdp = sdp
        self._tls = tls
        self._greeting = greeting
        self._pace = pace
        self._sprop = sprop
        self._content_base = content_base
        self.requests: list[Request] = []
        self.connections = 0
        self.played, self.finished, self.torn_down = threading.Event(), threading.Event(), threading.Event()
        self._over = threading.Event()
        self._listener = socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
        self.host, self.port = host, self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._front = TlsFront(host, self.port, tls) if tls is not None else None
        if self._front is not None:
            self.port = self._front.port

    def url(self, path: str = "/cam", *, host: str = "", scheme: str = "") -> str:
        """Returns its address."""
        host = host or (f"[{self.host}]" if ":" in self.host else self.host)
        return f"{scheme or ('rtsps' if self._tls else 'rtsp')}://{host}:{self.port}{path}"

    def __enter__(self) -> "ScriptedCamera":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._front is not None:
            self._front.close()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            # It is closed when the other side is: a reset would take what is on its way with it.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_WR)

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._client, args=(connection,), daemon=True).start()

    def _client(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._greeting is not None:
                connection.recv(4096)
                connection.sendall(self._greeting)
                connection.close()
                return
            with connection, connection.makefile("rb") as lines:
                while request := self._read(lines):
                    self.requests.append(request)
                    if not self._take(connection, request):
                        return

    def _read(self, lines: Any) -> Request | None:
        while True:
            first = lines.read(1)
            if first != b"$":
                break
            lines.read(struct.unpack(">BH", lines.read(3))[1])
        if not first:
            return None
        method, uri, _ = (first + lines.readline()).decode("latin-1").split(" ")
        headers: dict[str, str] = {}
        while line := lines.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Request(method, uri, headers)

    def _take(self, connection: socket.socket, request: Request) -> bool:
        reply = self._answer(request) if self._answer else None
        said = request.headers.get("authorization", "")
        is_open = (
            not self._login
            or request.method == "OPTIONS"
            or self._login.lets_in(request.method, said, request.uri)
        )
        if reply is None and self._login and not is_open:
            is_stale = bool(said) and len(self._login.nonces) > 1
            reply = Reply("401 Unauthorized", self._login.challenges(stale=is_stale))
        reply = reply or self._usual(request)
        data = reply.raw
        if data is None:
            lines = [f"RTSP/1.0 {reply.status}", f"CSeq: {request.headers.get('cseq', '0')}", *reply.headers]
            lines += [f"Content-Length: {len(reply.body)}"] if reply.body else []
            data = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + reply.body
        connection.sendall(data)
        if request.method == "TEARDOWN":
            self.torn_down.set()
            return False
        if request.method == "PLAY" and reply.status.startswith("200") and reply.raw is None:
            threading.Thread(target=self._play, args=(connection,), daemon=True).start()
        return True

    def _usual(self, request: Request) -> Reply:
        match request.method:
            case "OPTIONS":
                return Reply(headers=("Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN",))
            case "DESCRIBE":
                headers = ["Content-Type: application/sdp"]
                headers += [f"Content-Base: {request.uri}/"] if self._content_base else []
                return Reply(headers=tuple(headers), body=self.description().encode())
            case "SETUP":
                return Reply(
                    headers=(f"Transport: {request.headers['transport']}", "Session: 4711;timeout=60")
                )
            case _:
                return Reply(headers=("Session: 4711",))

    def description(self) -> str:
        """Returns its SDP."""
        sets = (
            [unit for unit in units_of(self._pictures[0].data) if unit[0] & 31 in (7, 8)]
            if self._pictures
            else []
        )
        sprop = (
            ",".join(base64.b64encode(unit).decode() for unit in sets) if self._sprop is None else self._sprop
        )
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=cam", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"]
        lines += [f"m=video 0 RTP/AVP {PAYLOAD_TYPE}", f"a=rtpmap:{PAYLOAD_TYPE} H264/90000"]
        lines += [
            f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1"
            + (f";sprop-parameter-sets={sprop}" if sprop else "")
        ]
        text = "\r\n".join([*lines, "a=control:trackID=0"]) + "\r\n"
        return self._sdp(text) if self._sdp else text

    def _play(self, connection: socket.socket) -> None:
        self.played.set()
        sequence = itertools.count(1)
        with contextlib.suppress(OSError, ValueError):
            for number, picture in enumerate(self._pictures):
                # The first ones at once: FFmpeg looks at some before it says that it is open.
                if self._pace and self._over.wait(self._pace / self._fps):
                    return
                stamp = self._stamp(number, picture) & 0xFFFFFFFF
                for payload, is_last in packets_of(picture.data):
                    head = struct.pack(
                        ">BBHII", 0x80, 0x80 * is_last | PAYLOAD_TYPE, next(sequence) & 0xFFFF, stamp, SSRC
                    )
                    size = len(head) + len(payload)
                    connection.sendall(b"$" + struct.pack(">BH", 0, size) + head + payload)
            self.finished.set()


class TlsFront:
    """Takes TLS off connections and passes them on to a plain port of the same address, in an event loop of its own."""

    def __init__(self, host: str, plain_port: int, tls: ssl.SSLContext) -> None:
        self._host, self._plain_port, self._tls = host, plain_port, tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port: int = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    async def _listen(self) -> int:
        server = await asyncio.start_server(self._client, self._host, 0, ssl=self._tls)
        return int(server.sockets[0].getsockname()[1])

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(self._host, self._plain_port)
        await asyncio.gather(_copied(reader, inner_writer), _copied(inner_reader, writer))

    def close(self) -> None:
        """Ends the loop and everything in it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


def packets_of(data: bytes) -> Iterable[tuple[bytes, bool]]:
    """Yields the RTP payloads of an access unit of H.264, and whether each is the last. Source: RFC 6184, 5.6, 5.8."""
    units = units_of(data)
    for index, unit in enumerate(units):
        last_unit = index == len(units) - 1
        if len(unit) <= MTU_BYTES:
            yield unit, last_unit
            continue
        indicator, kind = unit[0] & 0xE0 | 28, unit[0] & 0x1F
        parts = [unit[at : at + MTU_BYTES] for at in range(1, len(unit), MTU_BYTES)]
        for place, part in enumerate(parts):
            first, last = place == 0, place == len(parts) - 1
            yield bytes((indicator, first << 7 | last << 6 | kind)) + part, last_unit and last


class Listener:
    """A port that nobody may connect to: `visitors` counts who did. TCP and UDP; use it as a context manager."""

    def __init__(self, host: str = "127.0.0.2") -> None:
        self.host = host
        self._tcp = socket.create_server((host, 0))
        self.port = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((host, self.port))

    @property
    def visitors(self) -> int:
        """How many have connected, or sent something."""
        found = 0
        self._tcp.setblocking(False)
        self._udp.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._tcp.accept()[0].close()
                found += 1
        with contextlib.suppress(BlockingIOError):
            while self._udp.recv(2048):
                found += 1
        return found

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self._tcp.close()
        self._udp.close()
