"""An S3 server that is wrong on command: it ignores conditions or hashes, answers about its bucket what a test says.

It checks no signature. It is here for what no good server does; what a good one does is tried on radosgw.
"""

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from control_plane.storage.s3_config import S3Config


@dataclass
class Ways:
    """Behaviour of the server from now on; the defaults are those of a good one."""

    honours_conditions: bool = True
    checks_hashes: bool = True
    deletes: bool = True
    garbles_reads: bool = False
    is_public: bool = False
    behind_s: float = 0.0
    more_bytes: int = 0
    """So many more than there are come with each answer to a GET, without a word on its length."""
    byte_every_s: float = 0.0
    """How long it waits between two bytes of an answer to a GET."""
    claims_bytes: int = 0
    """Size that it states for each object."""
    status: int = 0
    """Every request is answered with this; 0: as it should be."""
    server_side: str = ""
    about: dict[str, str] = field(default_factory=dict)
    """Answers about the bucket by question; `403` as the text refuses it, and one that is missing is 404."""


@dataclass
class LaxServer:
    """A running one: what it holds, and how it behaves."""

    port: int
    ways: Ways
    objects: dict[str, bytes]
    sent_bytes: int = 0
    """Of answers that were bad on command."""

    def place(self, **changes: Any) -> S3Config:
        """Returns where it is, for a store of ours."""
        values: dict[str, Any] = {
            "netloc": f"127.0.0.1:{self.port}",
            "bucket": "footage",
            "access_key": "someone",
            "secret_key": "something",
            "secure": False,
            "region": "eu-test-1",
        }
        return S3Config(**values | changes)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    lax: LaxServer

    def date_time_string(self, timestamp: float | None = None) -> str:

        return formatdate((timestamp or time.time()) - self.lax.ways.behind_s, usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class calls it so
        """Says nothing."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        ways = self.lax.ways
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if self.command == "GET" and (ways.more_bytes or ways.byte_every_s):
            return self._answer_badly(body)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection |= headers.get("Content_Length", str(len(body))) != str(len(body))
        return None

    def _answer_badly(self, body: bytes) -> None:
        ways = self.lax.ways
        self.close_connection = True
        self.send_header("Connection", "close")
        self.end_headers()
        body += bytes(ways.more_bytes)
        with contextlib.suppress(OSError):
            for start in range(0, len(body), 1 if ways.byte_every_s else 1 << 16):
                time.sleep(ways.byte_every_s)
                self.wfile.write(body[start : start + (1 if ways.byte_every_s else 1 << 16)])
                self.lax.sent_bytes += 1 if ways.byte_every_s else 1 << 16

    def _error(self, status: int, code: str) -> None:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self._answer(status, body, Content_Type="application/xml")

    @property
    def _key(self) -> str:
        return urlsplit(self.path).path.removeprefix("/footage").strip("/")

    @property
    def _may(self) -> bool:
        signed = "Authorization" in self.headers or "X-Amz-Signature" in self.path
        return signed or self.lax.ways.is_public

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        ways = self.lax.ways
        if ways.status:
            return self._error(ways.status, "Busy")
        if not self._key:
            return self._error(403, "AccessDenied") if "cors" in self.path else self._answer(200)
        if ways.honours_conditions and "If-None-Match" in self.headers and self._key in self.lax.objects:
            return self._error(412, "PreconditionFailed")
        claimed = self.headers.get("x-amz-content-sha256", "")
        if ways.checks_hashes and hashlib.sha256(body).hexdigest() != claimed:
            return self._error(400, "XAmzContentSHA256Mismatch")
        self.lax.objects[self._key] = body
        return self._answer(200)

    def do_GET(self) -> None:
        ways, query = self.lax.ways, parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if ways.status:
            return self._error(ways.status, "Busy")
        if not self._may:
            return self._error(403, "AccessDenied")
        if not self._key:
            question = next((name for name in query if name in ways.about), None)
            if question is None:
                return self._error(404, "NoSuchLifecycleConfiguration")
            if ways.about[question] == "403":
                return self._error(403, "AccessDenied")
            return self._answer(200, ways.about[question].encode(), Content_Type="application/xml")
        body = self.lax.objects.get(self._key)
        if body is None:
            return self._error(404, "NoSuchKey")
        if ways.garbles_reads:
            body = body[:-1] + bytes([body[-1] ^ 1])
        wanted = self.headers.get("Range", "").removeprefix("bytes=")
        if wanted:
            first, _, last = wanted.partition("-")
            return self._answer(206, body[int(first) : int(last or len(body)) + 1])
        claimed = {"Content_Length": str(ways.claims_bytes)} if ways.claims_bytes else {}
        return self._answer(200, body, **claimed)

    def do_HEAD(self) -> None:
        if self.lax.ways.status:
            return self._answer(self.lax.ways.status)
        body = self.lax.objects.get(self._key) if self._key else b""
        if body is None:
            return self._answer(404)
        extra: dict[str, Any] = (
            {"x_amz_server_side_encryption": self.lax.ways.server_side} if self.lax.ways.server_side else {}
        )
        return self._answer(
            200,
            Content_Length=str(self.lax.ways.claims_bytes or len(body)),
            Last_Modified=formatdate(usegmt=True),
            ETag='"x"',
            **extra,
        )

    def do_DELETE(self) -> None:
        if self.lax.ways.deletes:
            self.lax.objects.pop(self._key, None)
        self._answer(204)


@contextlib.contextmanager
def lax_s3() -> Iterator[LaxServer]:
    """Runs one for the length of the block; its bucket is called `footage`."""
    lax = LaxServer(0, Ways(about={"location": "<LocationConstraint>eu-test-1</LocationConstraint>"}), {})
    handler = type("Handler", (_Handler,), {"lax": lax})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    lax.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield lax
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
