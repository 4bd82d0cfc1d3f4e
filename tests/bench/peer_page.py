"""The product's own player page on ffmpeg's own HLS of the same pictures: the peer of the replay measurements."""

import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.web.stage import DIST, PAGE, PORTAL

KINDS = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".js": "text/javascript",
    ".css": "text/css",
    ".woff2": "font/woff2",
}


def make_hls(source: Path, folder: Path, seconds: float) -> float:
    """Writes ffmpeg's HLS (fragmented MP4, 2 s) of `seconds` of a file, looped; returns its length in seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            "ffmpeg", "-loglevel", "error", "-y", "-stream_loop", "-1", "-i", str(source), "-t", str(seconds), "-c", "copy",
            "-f", "hls", "-hls_segment_type", "fmp4", "-hls_playlist_type", "vod", "-hls_time", "2",
            str(folder / "index.m3u8"),
        ],
        check=True,
    )  # fmt: skip
    lines = (folder / "index.m3u8").read_text().splitlines()
    return sum(
        float(line.removeprefix("#EXTINF:").rstrip(",")) for line in lines if line.startswith("#EXTINF")
    )


@contextmanager
def peer_page(media: dict[str, Path], folder: Path, seconds: float) -> Iterator[str]:
    """Serves the page with one track for each file; yields its address."""
    lengths = {name: make_hls(path, folder / name, seconds) for name, path in media.items()}
    timeline = {
        "class": {
            "id": "peer", "title": "ffmpeg", "start_at": "2026-11-21T12:00:00Z",
            "duration_s": min(lengths.values()), "state": "complete",
        },
        "tracks": [
            {
                "id": name, "name": name, "position": name, "playlist_url": f"/hls/{name}/index.m3u8",
                "video": {"codec": "avc1.64001f", "width": 1280, "height": 720, "fps": 30.0}, "audio": True,
                "clock": {"method": "arrival", "error_bound_ms": 0.0}, "fragments": [[0.0, 0.0, length]], "gaps": [],
            }
            for name, length in lengths.items()
        ],
    }  # fmt: skip
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(folder, timeline))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        shutil.rmtree(folder, ignore_errors=True)


def _handler(folder: Path, timeline: dict[str, Any]) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
            pass

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/":
                wordmark = (PORTAL / "templates/portal/parts/wordmark.svg").read_text()
                self.answer(PAGE.replace("{wordmark}", wordmark).encode(), "text/html; charset=utf-8")
            elif path == "/timeline.json":
                self.answer(json.dumps(timeline).encode(), "application/json")
            elif path.startswith(("/dist/", "/hls/")):
                root, _, rest = path[1:].partition("/")
                file = (DIST if root == "dist" else folder) / rest
                self.answer(file.read_bytes(), KINDS.get(file.suffix, "video/mp4"))
            else:
                self.answer(b"", "text/plain", 404)

        def answer(self, body: bytes, kind: str, status: int = 200) -> None:
            self.send_response(status)
            for name, value in {
                "Content-Type": kind,
                "Content-Length": str(len(body)),
                "Cache-Control": "no-store",
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler
