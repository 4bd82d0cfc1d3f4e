"""A scripted HTTP camera: pages that ask for a password, redirect, stall or send chunks."""

import http.server
import threading
from pathlib import Path

from tests.rigs.scripted_rtsp import Login


class Pages(http.server.BaseHTTPRequestHandler):
    """Serves a folder; `/locked/` asks for alice and secret, `/away/302/URL` points elsewhere, `/hang` never answers."""

    folder: Path
    asked = threading.Event()
    """Set when `/hang` is asked for."""
    login = Login("alice", "secret", "SHA-256", "auth")
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/away/"):
            _, _, status, where = self.path.split("/", 3)
            self.send_response(int(status))
            self.send_header("Location", where.replace("%40", "@"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/hang":
            self.asked.set()
            threading.Event().wait(20)
            return
        if self.path.startswith("/digest/") and not self.login.lets_in(
            "GET", self.headers.get("Authorization", "")
        ):
            self.send_response(401)
            for header in self.login.challenges():
                self.send_header(*header.split(": ", 1))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path.startswith("/query/") and not self.path.endswith("?user=alice&password=geheim&t=%C3%A4"):
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path.startswith("/status/"):
            self.send_response(int(self.path.split("/")[2]))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/stalls":
            self.send_response(200)
            self.end_headers()
            self.wfile.write((self.folder / "clip.ts").read_bytes()[:200_000])
            self.wfile.flush()
            threading.Event().wait(20)
            return
        if self.path.startswith("/chunks"):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            data = (self.folder / "clip.ts").read_bytes()
            for at in range(0, len(data), 1000):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data[at : at + 1000]), data[at : at + 1000]))
            self.wfile.write(b"zz\r\n" if self.path == "/chunks-damaged" else b"0\r\n\r\n")
            return
        if self.path.startswith("/locked/") and self.headers.get("Authorization") != "Basic YWxpY2U6c2VjcmV0":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path = self.folder / self.path.partition("?")[0].rpartition("/")[2]
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        return


def url(
    server: http.server.ThreadingHTTPServer, path: str, scheme: str = "http", host: str = "127.0.0.1"
) -> str:
    return f"{scheme}://{host}:{server.server_address[1]}{path}"
