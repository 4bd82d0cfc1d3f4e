"""HTTP cameras: sign-in, redirects, faults and TLS; no format opens another address."""

import contextlib
import http.server
import ssl
import threading
from pathlib import Path

import msgspec
import pytest

from edge_agent.errors import CameraFailed, CredentialsUnreadable
from edge_agent.sources.factory import build_source
from edge_agent.sources.packet import Kind
from edge_agent.sources.source import Source
from shared.kernel.clock import SystemClock
from shared.protocol import config
from shared.protocol.status import CameraError
from tests.edge_agent.sources.configured import camera, failure, opened, unseal
from tests.edge_agent.sources.http_camera import Pages, url
from tests.edge_agent.sources.scripted import LOCAL
from tests.rigs.scripted_rtsp import Listener, Login, ScriptedCamera


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
    failed = failure(camera(config.HttpSource(url=url(server, f"/status/{status}"))))
    assert failed.error is error
    assert str(status) in failed.detail


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
        failed = failure(camera(config.HttpSource(url=other.url(scheme="http"))))
    assert failed.error is error
    assert words in failed.detail


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
