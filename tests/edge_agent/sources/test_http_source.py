"""File and HTTP cameras, as they really are: what comes out, and what each fault is called."""

import contextlib
import http.server
import itertools
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import av
import msgspec
import pytest

from edge_agent.errors import CameraFailed, CredentialsUnreadable
from edge_agent.settings import Settings
from edge_agent.sources.factory import build_source
from edge_agent.sources.file_source import FileSource
from edge_agent.sources.packet import Kind
from edge_agent.sources.source import Source
from shared.kernel.clock import FakeClock, SystemClock
from shared.protocol import config
from shared.protocol.config import CameraConfig, Credentials, Position
from shared.protocol.ids import CameraId, RoomId
from shared.protocol.status import CameraError
from tests.edge_agent.sources.scripted import LOCAL
from tests.media import make_video
from tests.rigs.ports import refusing_port
from tests.rigs.scripted_rtsp import Listener, Login, ScriptedCamera

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LOOP_90K = 360_000


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


def camera(source: config.Source, *, sealed: bytes | None = None, record_audio: bool = True) -> CameraConfig:
    return CameraConfig(
        id=CameraId(uuid4()),
        room_id=RoomId(uuid4()),
        name="Left",
        position=Position.LEFT,
        source=source,
        sealed_credentials=sealed,
        record_audio=record_audio,
    )


def unseal(sealed: bytes) -> Credentials:
    if sealed == b"for another box":
        raise CredentialsUnreadable("they do not open")
    username, password = sealed.decode().split(":")
    return Credentials(username=username, password=password)


def opened(configured: CameraConfig, settings: Settings | None = None) -> Source:
    source = build_source(configured, unseal=unseal, settings=settings or LOCAL, clock=SystemClock())
    source.open()
    return source


def failure(configured: CameraConfig, settings: Settings | None = None) -> CameraFailed:
    with pytest.raises(CameraFailed) as caught:
        opened(configured, settings)
    return caught.value


# Files.


@pytest.mark.parametrize("name", ["clip.mp4", "clip.ts", "clip.mkv"])
def test_a_file_plays_over_and_over_without_a_seam(media: Path, name: str) -> None:
    clock = FakeClock(NOON)
    source = FileSource(media / name, with_audio=True, clock=clock, wait=clock.advance)
    source.open()
    packets = list(itertools.islice((p for p in source.packets() if p.kind is Kind.VIDEO), 500))
    shown = sorted(p.pts_90k for p in packets)[:-4]
    # Matroska counts milliseconds.
    assert all(abs(b - a - 3000) <= 60 for a, b in itertools.pairwise(shown))
    assert abs(shown[-1] - shown[0] - (len(shown) - 1) * 3000) <= 90
    assert all(a.dts_90k < b.dts_90k for a, b in itertools.pairwise(packets))
    assert packets[0].keyframe
    assert packets[-1].arrival_ns - packets[0].arrival_ns == pytest.approx(499 / 30 * 1e9, rel=0.02)
    source.close()


def test_files_of_one_length_show_one_instant_at_one_time(media: Path) -> None:
    """Views of one scene stay together whenever each was opened."""
    places = []
    for opened_s in (0.0, 1.3, 7.9, 1234.5):
        clock = FakeClock(NOON + timedelta(seconds=opened_s))
        source = FileSource(media / "clip.mp4", with_audio=False, clock=clock, wait=clock.advance)
        source.open()
        first = next(iter(source.packets()))
        utc_s = opened_s + (first.arrival_ns - 1_000_000_000) / 1e9
        places.append(utc_s % 1.0)
        # A key frame each second, the file four seconds long, and noon a multiple of that since 1970.
        assert first.keyframe
        source.close()
    assert all(min(place, 1 - place) < 1e-6 for place in places)


def test_a_file_that_is_not_on_the_list_is_refused(media: Path) -> None:
    error = failure(camera(config.FileSource(name="clip.mp4")))
    assert error.error is CameraError.NOT_ON_LIST
    assert "media" in error.hint
    gone = Settings(media={"clip": str(media / "gone.mp4")})
    assert failure(camera(config.FileSource(name="clip")), gone).error is CameraError.NOT_ON_LIST


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("vp9.mp4", CameraError.UNSUPPORTED_CODEC),
        ("text.txt", CameraError.BAD_FILE),
        ("empty.mp4", CameraError.BAD_FILE),
        ("cut.mp4", CameraError.BAD_FILE),
        ("sound.mp4", CameraError.BAD_FILE),
        ("list.m3u8", CameraError.BAD_FILE),
    ],
)
def test_a_file_that_cannot_be_carried_says_why(media: Path, name: str, error: CameraError) -> None:
    settings = Settings(media={"it": str(media / name)})
    failed = failure(camera(config.FileSource(name="it")), settings)
    assert failed.error is error
    assert "camera" not in failed.hint or error is CameraError.UNSUPPORTED_CODEC


def test_a_file_without_times_says_so(media: Path) -> None:
    settings = Settings(media={"it": str(media / "raw.h264")})
    source = opened(camera(config.FileSource(name="it")), settings)
    with pytest.raises(CameraFailed, match="no times"):
        next(iter(source.packets()))


def test_sound_is_left_out_where_it_is_not_wanted(media: Path) -> None:
    settings = Settings(media={"it": str(media / "clip.mp4")})
    configured = camera(config.FileSource(name="it"), record_audio=False)
    source = build_source(configured, unseal=unseal, settings=settings, clock=SystemClock())
    assert source.open().audio is None
    source.close()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("pose2sim/single_head/videos/cam01.mp4", None),
        ("pose2sim/single_head/videos/cam02.mp4", CameraError.UNSUPPORTED_CODEC),
        ("pose2sim/single_head/videos/cam03.mp4", None),
        ("caliscope/charuco_calibration/calibration/extrinsic/cam_0.mp4", CameraError.UNSUPPORTED_CODEC),
    ],
)
def test_real_footage_plays(shared_data: Path, name: str, error: CameraError | None) -> None:
    settings = Settings(media={"it": str(shared_data / name)})
    configured = camera(config.FileSource(name="it"))
    if error is not None:
        assert failure(configured, settings).error is error
        return
    clock = FakeClock(NOON)
    source = FileSource(shared_data / name, with_audio=True, clock=clock, wait=clock.advance)
    source.open()
    packets = list(itertools.islice((p for p in source.packets() if p.kind is Kind.VIDEO), 300))
    assert packets[0].keyframe
    shown = sorted(p.pts_90k for p in packets)[:-4]
    assert all(0 < b - a < 90_000 for a, b in itertools.pairwise(shown))
    source.close()


# HTTP.


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


@pytest.fixture
def server(media: Path) -> Iterator[http.server.ThreadingHTTPServer]:
    handler = type("Handler", (Pages,), {"folder": media})
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    running.daemon_threads = True
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def url(
    server: http.server.ThreadingHTTPServer, path: str, scheme: str = "http", host: str = "127.0.0.1"
) -> str:
    return f"{scheme}://{host}:{server.server_address[1]}{path}"


def test_a_stream_by_http_gives_every_picture_and_ends(
    server: http.server.ThreadingHTTPServer,
) -> None:
    source = opened(camera(config.HttpSource(url=url(server, "/clip.ts"))))
    packets = list(source.packets())
    assert sum(p.kind is Kind.VIDEO for p in packets) == 120
    assert sum(p.kind is Kind.AUDIO for p in packets) > 150
    assert min(p.pts_90k for p in packets if p.kind is Kind.VIDEO) == 900_000
    source.close()


def test_http_credentials_are_used_and_wrong_ones_refused(server: http.server.ThreadingHTTPServer) -> None:
    locked = config.HttpSource(url=url(server, "/locked/clip.ts"))
    opened(camera(locked, sealed=b"alice:secret")).close()
    assert failure(camera(locked, sealed=b"alice:wrong")).error is CameraError.REFUSED
    error = failure(camera(locked))
    assert error.error is CameraError.REFUSED
    assert "user or password" in str(error)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/nothing.ts", CameraError.NOT_FOUND),
        ("/text.txt", CameraError.BAD_DATA),
        ("/vp9.mp4", CameraError.UNSUPPORTED_CODEC),
    ],
)
def test_http_faults_have_their_names(
    server: http.server.ThreadingHTTPServer, path: str, error: CameraError
) -> None:
    assert failure(camera(config.HttpSource(url=url(server, path)))).error is error


@pytest.mark.parametrize("scheme", ["Basic", "plain", "MD5", "MD5-sess", "SHA-256", "SHA-512-256"])
def test_http_cameras_are_signed_in_to_as_they_ask(
    server: http.server.ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    qop = "auth" if scheme not in ("Basic", "plain") else ""
    monkeypatch.setattr(server.RequestHandlerClass, "login", Login("alice", "secret", scheme, qop))
    locked = config.HttpSource(url=url(server, "/digest/clip.ts?a=1"))
    assert failure(camera(locked, sealed=b"alice:wrong")).error is CameraError.REFUSED
    with contextlib.closing(opened(camera(locked, sealed=b"alice:secret"))) as source:
        assert sum(p.kind is Kind.VIDEO for p in source.packets()) == 120


@pytest.mark.parametrize("realm", ["Küche à Łódź".encode(), "Küche à l'entrée".encode("latin-1")])
def test_http_cameras_get_back_what_they_say_byte_by_byte(
    server: http.server.ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch, realm: bytes
) -> None:
    login = Login("alice", "secret", "MD5", "auth", realm=realm, opaque=b"\xc3\xa0")
    monkeypatch.setattr(server.RequestHandlerClass, "login", login)
    locked = config.HttpSource(url=url(server, "/digest/clip.ts?a=1"))
    with contextlib.closing(opened(camera(locked, sealed=b"alice:secret"))) as source:
        assert sum(p.kind is Kind.VIDEO for p in source.packets()) == 120


def test_the_secret_end_of_an_address_is_opened_for_the_camera_alone(
    server: http.server.ThreadingHTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    def source_with(tail: bytes) -> Source:
        configured = msgspec.structs.replace(
            camera(config.HttpSource(url=url(server, "/query/clip.ts?"))), sealed_tail=tail
        )
        return build_source(
            configured, unseal=unseal, open_tail=bytes.decode, settings=LOCAL, clock=SystemClock()
        )

    right = source_with("user=alice&password=geheim&t=ä".encode())
    right.open()
    right.close()
    assert "geheim" not in repr(vars(right))
    wrong = source_with(b"user=alice&password=falsch")
    with pytest.raises(CameraFailed) as caught:
        wrong.open()
    assert "falsch" not in f"{caught.value} {caplog.text}"
    # Without a key it opens for nobody, and half an address is not read.
    sealed = msgspec.structs.replace(camera(config.HttpSource(url=url(server, "/clip.ts"))), sealed_tail=b"x")
    with pytest.raises(CredentialsUnreadable):
        opened(sealed)
    for tail in (b"a b", b"a\r\nX:y", b"a\0"):
        with pytest.raises(CameraFailed, match="invalid characters"):
            source_with(tail)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, CameraError.FORBIDDEN),
        (404, CameraError.NOT_FOUND),
        (418, CameraError.CAMERA_FAULT),
        (429, CameraError.BUSY),
        (500, CameraError.CAMERA_FAULT),
        (503, CameraError.BUSY),
    ],
)
def test_what_an_http_camera_answers_is_told(
    server: http.server.ThreadingHTTPServer, status: int, error: CameraError
) -> None:
    told = failure(camera(config.HttpSource(url=url(server, f"/status/{status}"))))
    assert told.error is error
    assert str(status) in told.detail


@pytest.mark.parametrize(
    ("greeting", "error", "words"),
    [
        (b"RTSP/1.0 400 Bad Request\r\n\r\n", CameraError.WRONG_PROTOCOL, "RTSP"),
        (b"\x15\x03\x01\x00\x02\x02\x28", CameraError.WRONG_PROTOCOL, "TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", CameraError.WRONG_PROTOCOL, "HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", CameraError.WRONG_PROTOCOL, "HTTP"),
        (b"", CameraError.ENDED, "without an answer"),
    ],
)
def test_what_answers_but_is_no_http_camera_is_told_apart(
    greeting: bytes, error: CameraError, words: str
) -> None:
    with ScriptedCamera(greeting=greeting) as other:
        told = failure(camera(config.HttpSource(url=other.url(scheme="http"))))
    assert told.error is error
    assert words in told.detail


def test_a_stream_in_chunks_is_read_whole_and_a_damaged_one_ends(
    server: http.server.ThreadingHTTPServer,
) -> None:
    with contextlib.closing(opened(camera(config.HttpSource(url=url(server, "/chunks"))))) as source:
        assert sum(p.kind is Kind.VIDEO for p in source.packets()) == 120
    with contextlib.closing(opened(camera(config.HttpSource(url=url(server, "/chunks-damaged"))))) as source:
        with pytest.raises(CameraFailed) as caught:
            list(source.packets())
        assert caught.value.error is CameraError.ENDED


def test_a_stream_that_stalls_times_out(
    server: http.server.ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.sources.http_source.TIMEOUT_S", 1)
    with contextlib.closing(opened(camera(config.HttpSource(url=url(server, "/stalls"))))) as source:
        with pytest.raises(CameraFailed) as caught:
            list(source.packets())
        assert caught.value.error is CameraError.TIMED_OUT


@pytest.mark.parametrize("path", ["/hang", "/stalls"])
def test_aborting_ends_an_http_camera_that_hangs(
    server: http.server.ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """While it is opened, and while it is read."""
    monkeypatch.setattr("edge_agent.sources.http_source.TIMEOUT_S", 60)
    source = build_source(
        camera(config.HttpSource(url=url(server, path))), unseal=unseal, settings=LOCAL, clock=SystemClock()
    )
    began = Pages.asked
    began.clear()

    def read() -> None:
        with contextlib.suppress(CameraFailed):
            source.open()
            for _ in source.packets():
                began.set()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    assert began.wait(10)
    source.abort()
    thread.join(5)
    assert not thread.is_alive()
    source.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_cannot_lead_the_agent_elsewhere(
    server: http.server.ThreadingHTTPServer, status: int
) -> None:
    """Nor to another port of the same host: the address rules hold for what was configured."""
    for host in ("127.0.0.2", "127.0.0.1"):
        with Listener(host) as other:
            away = f"/away/{status}/http://trick:hidden@{host}:{other.port}/clip.ts?token=hidden"
            error = failure(
                camera(config.HttpSource(url=url(server, away.replace("@", "%40"))), sealed=b"alice:x")
            )
            assert other.visitors == 0
        assert error.error is CameraError.REDIRECTED
        assert f"http://{host}:{other.port}/clip.ts" in error.detail
        assert "hidden" not in error.detail


def test_no_format_may_name_another_address(server: http.server.ThreadingHTTPServer, media: Path) -> None:
    """Playlists, lists of files, descriptions of streams: FFmpeg would open whatever stands in them."""
    with Listener() as other:
        there = f"{other.host}:{other.port}"
        pages = {
            "list.m3u8": f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nhttp://{there}/a.ts\n",
            "master.m3u8": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://{there}/a.m3u8\n",
            "local.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile://{media}/clip.ts\n#EXT-X-ENDLIST\n",
            "key.m3u8": f'#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-KEY:METHOD=AES-128,URI="http://{there}/k"\n'
            f"#EXTINF:4,\nhttp://{there}/a.ts\n",
            "list.ffconcat": f"ffconcat version 1.0\nfile http://{there}/a.ts\n",
            "local.ffconcat": f"ffconcat version 1.0\nfile {media}/clip.ts\n",
            "list.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            f'mediaPresentationDuration="PT4S"><BaseURL>http://{there}/</BaseURL><Period><AdaptationSet '
            'contentType="video"><Representation id="1" bandwidth="1"><SegmentTemplate media="$Number$.m4s" '
            'initialization="i.mp4" duration="4"/></Representation></AdaptationSet></Period></MPD>',
            "it.sdp": f"v=0\r\no=- 1 1 IN IP4 {other.host}\r\ns=x\r\nc=IN IP4 {other.host}\r\nt=0 0\r\n"
            f"m=video {other.port} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
            "it.asx": f'<asx version="3.0"><entry><ref href="http://{there}/a"/></entry></asx>',
            "list.txt": f"http://{there}/a.ts\n",
        }
        for name, text in pages.items():
            (media / name).write_text(text)
            error = failure(camera(config.HttpSource(url=url(server, f"/{name}"))))
            assert error.error in (CameraError.BAD_DATA, CameraError.ENDED), name
        assert other.visitors == 0


def test_a_camera_is_never_asked_through_a_proxy(
    server: http.server.ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    opened(camera(config.HttpSource(url=url(server, "/clip.ts")))).close()


def test_a_camera_that_never_answers_times_out(
    server: http.server.ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.sources.http_source.TIMEOUT_S", 1)
    error = failure(camera(config.HttpSource(url=url(server, "/hang"))))
    assert error.error in (CameraError.TIMED_OUT, CameraError.UNREACHABLE)


def test_an_untrusted_certificate_is_refused_and_a_trusted_one_works(
    server: http.server.ThreadingHTTPServer, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(media / "cert.pem", media / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    secure = config.HttpSource(url=url(server, "/clip.ts", "https", "localhost"))
    error = failure(camera(secure))
    assert error.error is CameraError.TLS
    assert "certificate" in error.hint
    monkeypatch.setenv("SSL_CERT_FILE", str(media / "cert.pem"))
    opened(camera(secure)).close()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    opened(camera(secure)).close()


# Addresses.


def test_nobody_listening_is_unreachable() -> None:
    with refusing_port() as port:
        for source in (
            config.RtspSource(url=f"rtsp://127.0.0.1:{port}/one"),
            config.HttpSource(url=f"http://127.0.0.1:{port}/one"),
        ):
            assert failure(camera(source)).error is CameraError.UNREACHABLE


def test_a_name_nobody_knows_is_unreachable() -> None:
    error = failure(camera(config.RtspSource(url="rtsp://camera.invalid/one")))
    assert error.error is CameraError.UNREACHABLE
    assert "camera.invalid" in error.detail


@pytest.mark.parametrize(
    "address",
    ["rtsp://8.8.8.8/one", "http://1.1.1.1/", "rtsp://[2606:4700::1111]/one", "http://[::ffff:8.8.8.8]/x"],
)
def test_a_public_address_is_refused_unless_the_box_allows_it(address: str) -> None:
    source = (config.RtspSource if address.startswith("rtsp") else config.HttpSource)(url=address)
    error = failure(camera(source))
    assert error.error is CameraError.ADDRESS_REFUSED
    assert "allowed_networks" in error.hint


def test_the_box_may_narrow_where_cameras_are(server: http.server.ThreadingHTTPServer) -> None:
    narrow = Settings(allowed_networks=("192.168.7.0/24",))
    error = failure(camera(config.HttpSource(url=url(server, "/clip.ts"))), narrow)
    assert error.error is CameraError.ADDRESS_REFUSED


def test_credentials_for_another_box_are_named() -> None:
    with pytest.raises(CredentialsUnreadable):
        opened(camera(config.RtspSource(url="rtsp://127.0.0.1/one"), sealed=b"for another box"))


def test_a_password_is_in_no_error(server: http.server.ThreadingHTTPServer) -> None:
    for path in ("/nothing.ts", "/text.txt", "/locked/clip.ts"):
        error = failure(camera(config.HttpSource(url=url(server, path)), sealed=b"alice:hunter2"))
        assert "hunter2" not in f"{error!r} {error} {error.detail} {error.__cause__!r}"
