"""A small web server that plays the control plane's part for the player alone: page, timeline, playlists, keys, bytes."""

import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.web.footage import Scene, playlist, timeline

PORTAL = Path(__file__).parents[2] / "control_plane" / "portal"
DIST = PORTAL / "static" / "portal" / "dist"
SILENT = 0
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "font-src 'self'; worker-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'"
)
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/mark.svg"><title>Contemporary, level 2 · 3Dance</title>
<link rel="stylesheet" href="/dist/style.css">
<script type="module" src="/dist/portal.js"></script><script type="module" src="/dist/replay.js"></script></head>
<body><header class="topbar"><a class="logo" href="/">{wordmark}</a></header>
<main id="main" tabindex="-1">
<div class="page-head page-head--class"><div><a class="breadcrumb" href="#">Classes</a><h1>Contemporary, level 2</h1>
<p class="meta"><span>Room 1</span><span>Saturday 21 November 2026, 12:03</span><span>3 cameras</span></p></div>
<output class="sync-status" data-sync data-state="busy">Loading</output></div>
<div class="replay" tabindex="-1" data-timeline="/timeline.json" data-worker="/dist/hls.worker.js"
  data-sign-in="/sign-in" data-time-zone="UTC"></div>
</main></body></html>"""


@dataclass
class Stage:
    """The address of the page, what it serves, and the faults it plays.

    A fault is a path prefix and the status that is answered; `SILENT` is no answer at all, as long as the fault stands.
    The bytes of one fragment have their number behind their path: `/media/left/bytes.m4s#3`.
    """

    scenes: dict[str, Scene]
    duration_s: float
    address: str = ""
    faults: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def fault(self, path: str) -> int | None:
        """Returns the status that `path` is answered with, or None where it is served."""
        for prefix, status in list(self.faults.items()):
            if path == prefix or ("#" not in prefix and path.startswith(prefix)):
                return status
        return None

    def set_faults(self, faults: Mapping[str, int]) -> None:
        """Replaces all faults; what waits for an answer gets one now."""
        with self.changed:
            self.faults = dict(faults)
            self.changed.notify_all()


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *args: Any) -> None:
        """Says nothing: a browser that closes drops its connections."""


@contextmanager
def serve(stage: Stage, *, port: int = 0) -> Iterator[Stage]:
    """Serves `stage` on the loopback until the block ends."""
    server = _Server(("127.0.0.1", port), _handler(stage))
    stage.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stage
    finally:
        stage.set_faults({})
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(stage: Stage) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            stage.asked.append(path)
            place = path + self.piece(path)
            with stage.changed:
                stage.changed.wait_for(lambda: stage.fault(place) != SILENT, timeout=60)
            status = stage.fault(place)
            if status is not None:
                self.answer(b"", "text/plain", status=status)
                return
            if path == "/":
                wordmark = (PORTAL / "templates/portal/parts/wordmark.svg").read_text()
                self.answer(PAGE.replace("{wordmark}", wordmark).encode(), "text/html; charset=utf-8")
            elif path == "/timeline.json":
                body = timeline(stage.scenes, duration_s=stage.duration_s)
                self.answer(json.dumps(body).encode(), "application/json")
            elif path == "/check":
                self.answer(b"", "text/plain", status=204)
            elif path == "/mark.svg":
                self.answer((PORTAL / "static/portal/mark.svg").read_bytes(), "image/svg+xml")
            elif path.startswith("/dist/"):
                self.asset(DIST / path.removeprefix("/dist/"))
            elif path.startswith("/media/"):
                self.media(*path.removeprefix("/media/").split("/"))
            else:
                self.answer(b"", "text/plain", status=404)

        def piece(self, path: str) -> str:
            parts = path.split("/")
            if parts[-1] != "bytes.m4s":
                return ""
            first = self.headers["Range"].removeprefix("bytes=").partition("-")[0]
            offsets = [offset for offset, _, _ in stage.scenes[parts[2]].footage.pieces]
            return f"#{offsets.index(int(first))}"

        def asset(self, file: Path) -> None:
            kinds = {".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2"}
            if file.parent != DIST or not file.is_file():
                self.answer(b"", "text/plain", status=404)
            else:
                self.answer(file.read_bytes(), kinds.get(file.suffix, "application/octet-stream"))

        def media(self, track: str, name: str) -> None:
            scene = stage.scenes[track]
            footage = scene.footage
            if name == "playlist.m3u8":
                text = playlist(scene, f"/media/{track}")
                self.answer(text.encode(), "application/vnd.apple.mpegurl")
            elif name == "bytes.m4s":
                first, last = (int(part) for part in self.headers["Range"].removeprefix("bytes=").split("-"))
                self.answer(
                    footage.content[first : last + 1],
                    "video/mp4",
                    status=206,
                    extra={"Content-Range": f"bytes {first}-{last}/{len(footage.content)}"},
                )
            else:
                inits = {f"init{index}.mp4": init for index, init in footage.inits.items()}
                body = {"key": footage.key, "init.mp4": footage.init, **inits}.get(name)
                self.answer(body or b"", "application/octet-stream", status=200 if body else 404)

        def answer(
            self, body: bytes, kind: str, *, status: int = 200, extra: dict[str, str] | None = None
        ) -> None:
            self.send_response(status)
            for name, value in {
                "Content-Type": kind,
                "Content-Length": str(len(body)),
                "Cache-Control": "no-store",
                "Content-Security-Policy": POLICY,
                **(extra or {}),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler
