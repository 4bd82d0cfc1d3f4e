"""The transit engine of Vault and OpenBao over HTTP, as far as a root key needs it, with real cryptography.

Written after the HTTP API of the transit secrets engine; no OpenBao binary is to be had where these tests run. Keys have
versions, `vault:vN:` in front of what is encrypted, `associated_data` is authenticated, and the answers of a sealed, a
throttled and a forbidding server are the real ones' (status and `errors`).
"""

import base64
import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


@dataclass
class Transit:
    """One server with one key; what it should do next can be set while it runs."""

    url: str = ""
    name: str = "threedance"
    versions: list[bytes] = field(default_factory=lambda: [os.urandom(32)])
    type: str = "aes256-gcm96"
    tokens: set[str] = field(default_factory=lambda: {"s.first"})
    sealed: bool = False
    delay_s: float = 0.0
    refuse: list[int] = field(default_factory=list)
    """Statuses that the next answers have, in turn."""
    asked: list[str] = field(default_factory=list)
    least_version: int = 1

    def rotate(self) -> None:
        """Adds a version, as `bao write -f transit/keys/threedance/rotate` does."""
        self.versions.append(os.urandom(32))

    def answer(self, method: str, path: str, token: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Returns status and body of one request."""
        self.asked.append(f"{method} {path}")
        time.sleep(self.delay_s)
        if self.refuse:
            return self.refuse.pop(0), {"errors": []}
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if token not in self.tokens:
            return 403, {"errors": ["permission denied"]}
        match method, path:
            case "GET", p if p == f"/v1/transit/keys/{self.name}":
                return 200, {
                    "data": {
                        "name": self.name,
                        "type": self.type,
                        "derived": False,
                        "latest_version": len(self.versions),
                        "min_decryption_version": self.least_version,
                    }
                }
            case "POST", p if p == f"/v1/transit/encrypt/{self.name}":
                return self._encrypt(body)
            case "POST", p if p == f"/v1/transit/decrypt/{self.name}":
                return self._decrypt(body)
        return 404, {"errors": []}

    def _encrypt(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        version = int(body.get("key_version") or len(self.versions))
        if not self.least_version <= version <= len(self.versions):
            return 400, {"errors": ["requested version for encryption is higher than the latest key version"]}
        nonce = os.urandom(12)
        data = base64.b64decode(body.get("associated_data", "")) or None
        sealed = AESGCM(self.versions[version - 1]).encrypt(nonce, base64.b64decode(body["plaintext"]), data)
        text = base64.b64encode(nonce + sealed).decode()
        return 200, {"data": {"ciphertext": f"vault:v{version}:{text}", "key_version": version}}

    def _decrypt(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        prefix, _, text = str(body["ciphertext"]).rpartition(":")
        try:
            version = int(prefix.removeprefix("vault:v"))
            blob = base64.b64decode(text, validate=True)
        except ValueError:
            return 400, {"errors": ["invalid ciphertext: no prefix"]}
        if not self.least_version <= version <= len(self.versions):
            return 400, {"errors": ["ciphertext or signature version is disallowed by policy (too old)"]}
        data = base64.b64decode(body.get("associated_data", "")) or None
        try:
            plain = AESGCM(self.versions[version - 1]).decrypt(blob[:12], blob[12:], data)
        except (InvalidTag, ValueError):
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": base64.b64encode(plain).decode()}}


@contextlib.contextmanager
def transit() -> Iterator[Transit]:
    """Runs a server for the length of a `with`."""
    state = Transit()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer("GET", {})

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            self._answer("POST", json.loads(self.rfile.read(length) or b"{}"))

        def _answer(self, method: str, body: dict[str, Any]) -> None:
            status, said = state.answer(method, self.path, self.headers.get("X-Vault-Token", ""), body)
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"vault+http://127.0.0.1:{server.server_port}/transit/{state.name}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
