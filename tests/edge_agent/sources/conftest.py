"""Media files of the source tests, and an HTTP server that serves them as a camera would."""

import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from tests.edge_agent.sources.http_camera import Pages
from tests.media import make_video


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    make_video(folder / "clip.mp4", audio="aac")
    make_video(folder / "clip.ts", audio="aac", b_frames=2)
    make_video(folder / "clip.mkv", codec="h265")
    make_video(folder / "vp9.mp4", codec="vp9", seconds=1)
    make_video(folder / "raw.h264", seconds=1)
    (folder / "text.txt").write_text("no video at all\n" * 500)
    (folder / "empty.mp4").touch()
    (folder / "cut.mp4").write_bytes((folder / "clip.mp4").read_bytes()[:20_000])
    with av.open(str(folder / "sound.mp4"), "w") as out:
        sound = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
        sound.sample_rate = 48_000
        for plane in sound.planes:
            plane.update(bytes(plane.buffer_size))  # a new frame holds what was in memory
        stream = out.add_stream("aac", rate=48_000)
        out.mux(stream.encode(sound))
        out.mux(stream.encode(None))
    (folder / "list.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nclip.ts\n#EXT-X-ENDLIST\n"
    )
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def server(media: Path) -> Iterator[http.server.ThreadingHTTPServer]:
    handler = type("Handler", (Pages,), {"folder": media})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    running.daemon_threads = True
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()
