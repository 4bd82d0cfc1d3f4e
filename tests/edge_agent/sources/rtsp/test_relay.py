"""RTSP cameras that answer what no manual says: the agent reads the stream, or says why not, and connects to nobody else."""

import contextlib
import itertools
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import av
import pytest

from edge_agent.errors import CameraFailed
from edge_agent.settings import PRIVATE_NETWORKS, Settings
from edge_agent.sources import addresses, dial
from edge_agent.sources.authentication import Authenticator
from edge_agent.sources.packet import Kind, MediaPacket
from edge_agent.sources.rtsp import exchange as exchange_module
from edge_agent.sources.rtsp import relay, rtsp_source
from edge_agent.sources.rtsp.exchange import RtspExchange
from edge_agent.sources.rtsp.relay import Relay
from edge_agent.sources.rtsp.rtsp_source import RtspSource
from shared.kernel.clock import SystemClock
from shared.protocol.config import Credentials
from shared.protocol.status import CameraError
from tests.edge_agent.sources.scripted import LOCAL
from tests.media import make_video
from tests.rigs.scripted_rtsp import Listener, Login, Picture, Reply, Request, ScriptedCamera, pictures_of

ALICE = Credentials(username="alice", password="s3cret/@: #ä")
HERE = Settings(allowed_networks=("127.0.0.1/32", "::1/128"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    return pictures_of(make_video(tmp_path_factory.mktemp("rtsp") / "clip.mp4", seconds=3))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for `localhost` and 127.0.0.1 that nobody has signed, and its key in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=camera",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(path), "-out", str(path) + ".crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + Path(str(path) + ".crt").read_text())
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def source_of(url: str, credentials: Credentials | None = None, settings: Settings = LOCAL) -> RtspSource:
    return RtspSource(url, credentials, settings=settings, with_audio=True, clock=SystemClock())


def played(url: str, credentials: Credentials | None = None, settings: Settings = LOCAL) -> list[MediaPacket]:
    """Returns the pictures of a connection to its end. Raises what ends it, unless that is the camera's own end."""
    source = source_of(url, credentials, settings)
    found: list[MediaPacket] = []
    try:
        source.open()
        found.extend(source.packets())
    except CameraFailed as error:
        if error.error is not CameraError.ENDED or not found:
            raise
    finally:
        source.close()
    return [packet for packet in found if packet.kind is Kind.VIDEO]


def first_pictures(source: RtspSource, count: int) -> list[MediaPacket]:
    return list(itertools.islice((p for p in source.packets() if p.kind is Kind.VIDEO), count))


def failure(url: str, credentials: Credentials | None = None, settings: Settings = LOCAL) -> CameraFailed:
    source = source_of(url, credentials, settings)
    with pytest.raises(CameraFailed) as caught, contextlib.closing(source):
        source.open()
    return caught.value


# Nobody else is connected to.


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
@pytest.mark.parametrize(
    "status", ["301 Moved Permanently", "302 Moved Temporarily", "303 See Other", "307 Temporary Redirect"]
)
def test_a_redirect_leads_nowhere_and_is_named(pictures: list[Picture], method: str, status: str) -> None:
    with Listener() as other:
        location = f"Location: rtsp://trick:hidden@{other.host}:{other.port}/cam?token=hidden"

        def answer(request: Request) -> Reply | None:
            return Reply(status, (location,)) if request.method == method else None

        with ScriptedCamera(pictures, answer=answer, login=Login("alice", ALICE.password)) as camera:
            error = failure(camera.url(), ALICE, HERE)
        assert other.visitors == 0
    assert error.error is CameraError.REDIRECTED
    assert f"rtsp://{other.host}:{other.port}/cam" in error.detail
    assert "hidden" not in error.detail
    assert "redirects" in str(error)


def test_a_redirect_to_another_port_or_while_it_plays_is_not_followed_either(
    pictures: list[Picture],
) -> None:
    with Listener("127.0.0.1") as other:
        location = f"Location: rtsp://127.0.0.1:{other.port}/cam"
        moved = Reply("302 Moved", (location,))
        with ScriptedCamera(pictures, answer=lambda r: moved if r.method == "DESCRIBE" else None) as camera:
            assert failure(camera.url()).error is CameraError.REDIRECTED
        asked = f"REDIRECT rtsp://127.0.0.1/cam RTSP/1.0\r\nCSeq: 1\r\n{location}\r\n\r\n".encode()
        begun = b"RTSP/1.0 200 OK\r\nCSeq: 9\r\nSession: 1\r\n\r\n"
        with (
            ScriptedCamera(
                pictures, answer=lambda r: Reply(raw=begun + asked) if r.method == "PLAY" else None
            ) as camera,
            pytest.raises(CameraFailed) as caught,
        ):
            played(camera.url())
        assert caught.value.error is CameraError.REDIRECTED
        assert other.visitors == 0


def test_a_secure_camera_cannot_lead_to_a_plain_one(
    pictures: list[Picture], tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with Listener() as other:
        moved = Reply("302 Moved", (f"Location: rtsp://{other.host}:{other.port}/cam",))
        with ScriptedCamera(
            pictures, answer=lambda r: moved if r.method == "DESCRIBE" else None, tls=tls
        ) as camera:
            assert failure(camera.url(), ALICE).error is CameraError.REDIRECTED
        assert other.visitors == 0


def test_a_description_that_names_other_hosts_leads_to_none_of_them(pictures: list[Picture]) -> None:
    with Listener() as other:
        there = f"rtsp://{other.host}:{other.port}"

        def sdp(text: str) -> str:
            text = text.replace("c=IN IP4 0.0.0.0", f"c=IN IP4 {other.host}")
            text = text.replace("m=video 0 ", f"m=video {other.port} ")
            return text.replace("a=control:trackID=0", f"a=control:{there}/cam/trackID=0")

        def answer(request: Request) -> Reply | None:
            if request.method == "SETUP":
                asked = request.headers["transport"]
                where = (
                    f"source={other.host};destination={other.host};server_port={other.port}-{other.port + 1}"
                )
                return Reply(headers=(f"Transport: {asked};{where}", "Session: 4711"))
            if request.method == "PLAY":
                return Reply(headers=("Session: 4711", f"RTP-Info: url={there}/cam/trackID=0;seq=1"))
            return None

        with ScriptedCamera(pictures, sdp=sdp, answer=answer) as camera:
            assert len(first_pictures_of(camera.url())) == 30
            # The camera itself is asked for what it called so.
            assert camera.requests[2].uri == f"{there}/cam/trackID=0"
        assert other.visitors == 0


def first_pictures_of(url: str, credentials: Credentials | None = None, count: int = 30) -> list[MediaPacket]:
    source = source_of(url, credentials)
    with contextlib.closing(source):
        source.open()
        return first_pictures(source, count)


def test_what_a_server_could_make_ffmpeg_do_beside_reading_does_not_reach_it(pictures: list[Picture]) -> None:
    with Listener() as other:
        there = f"rtsp://{other.host}:{other.port}/x"

        def answer(request: Request) -> Reply | None:
            if request.method == "OPTIONS":
                extra = ("RealChallenge1: abc", "Server: WMServer/9.1", f"Location: {there}", "Notice: 5401")
                return Reply(headers=("Public: OPTIONS, DESCRIBE, GET_PARAMETER", *extra))
            return None

        with ScriptedCamera(pictures, answer=answer) as camera:
            assert len(first_pictures_of(camera.url())) == 30
            assert [r.method for r in camera.requests][:4] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
            assert {r.method for r in camera.requests[4:]} <= {"TEARDOWN"}
        assert other.visitors == 0


# The address that was checked is the one that is connected to.


def test_a_name_is_refused_when_any_of_its_addresses_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with Listener("127.0.0.1") as camera:

        def found(host: str, port: int, **_: Any) -> list[Any]:
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
                for address in ("127.0.0.1", "127.0.0.2")
            ]

        monkeypatch.setattr(socket, "getaddrinfo", found)
        for order in (1, -1):
            monkeypatch.setattr(socket, "getaddrinfo", lambda h, p, o=order, **k: found(h, p)[::o])
            error = failure(f"rtsp://wall.test:{camera.port}/cam", ALICE, HERE)
            assert error.error is CameraError.ADDRESS_REFUSED
            assert "127.0.0.2" in error.detail
        assert camera.visitors == 0


def test_a_name_that_changes_its_meaning_leads_to_the_address_that_was_checked(
    pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = []
    real = socket.getaddrinfo

    def found(host: str, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host != "wall.test":
            return real(host, port, *args, **kwargs)
        looked_up.append(host)
        address = "127.0.0.1" if len(looked_up) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with ScriptedCamera(pictures) as camera:
        assert len(first_pictures_of(camera.url(host="wall.test"))) == 30
        assert looked_up == ["wall.test"]
        assert camera.requests[0].uri == f"rtsp://wall.test:{camera.port}/cam"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.1.2.3", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "169.254.1.1",
        "[fe80::1]", "[fd00:ec2::254]", "[fd20:ce::254]", "[::ffff:169.254.169.254]", "100.100.100.200", "8.8.8.8",
        "[::]", "224.0.0.1", "2130706433", "0x7f000001", "127.1",
    ],
)  # fmt: skip
def test_by_default_no_camera_is_on_this_machine_at_a_metadata_service_or_outside(address: str) -> None:
    error = failure(f"rtsp://{address}:554/one", ALICE, Settings())
    assert error.error is CameraError.ADDRESS_REFUSED
    assert "allowed_networks" in error.hint


def test_a_metadata_service_is_no_camera_whatever_is_allowed() -> None:
    everything = Settings(allowed_networks=("0.0.0.0/0", "::/0"))
    for address in ("169.254.169.254", "[fd00:ec2::254]"):
        assert failure(f"rtsp://{address}/one", None, everything).error is CameraError.ADDRESS_REFUSED
    assert not set(PRIVATE_NETWORKS) & {"127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10"}


@pytest.mark.parametrize("order", [1, -1])
def test_each_address_of_a_name_is_tried(
    pictures: list[Picture], monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    def found(host: str, port: int, **_: Any) -> list[Any]:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ][::order]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with ScriptedCamera(pictures) as camera:
        assert len(first_pictures_of(camera.url(host="wall.test"))) == 30


def test_an_address_that_never_answers_holds_up_the_next_for_a_moment_only(
    pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.3", 0), backlog=0) as deaf, ScriptedCamera(pictures) as camera:
        # Its queue is full: what comes now hears nothing.
        fillers = []
        for _ in range(3):
            fillers.append(socket.socket())
            fillers[-1].setblocking(False)
            fillers[-1].connect_ex(deaf.getsockname())
        places = [deaf.getsockname(), ("127.0.0.1", camera.port)]
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places],
        )
        monkeypatch.setattr(dial, "CONNECT_TIMEOUT_S", 60.0)
        endpoint = addresses.endpoint_of("rtsp://wall.test/cam")
        with dial.dial(endpoint, LOCAL, timeout_s=5) as connection:
            assert connection.getpeername() == places[1]
        for one in fillers:
            one.close()


def test_the_reasons_of_all_addresses_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        places = [(host, port) for host in ("127.0.0.1", "127.0.0.4")]
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places],
        )
        error = failure("rtsp://wall.test/cam")
    assert error.error is CameraError.UNREACHABLE
    assert error.detail == "127.0.0.1: Connection refused; 127.0.0.4: Connection refused"


def test_a_connection_to_itself_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port of this machine that nobody listens on may be the one that the very socket was given."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.connect(one.getsockname())
        assert dial._failure_of(one) == "Connection refused"


# Signing in.


@pytest.mark.parametrize(
    ("scheme", "qop"),
    [("Basic", ""), ("plain", ""), ("plain", "auth"), ("MD5", "auth"), ("MD5-sess", "auth"), ("SHA-256", ""),
     ("SHA-256", "auth,auth-int"), ("SHA-256", "auth-int"), ("SHA-256-sess", "auth"), ("SHA-512-256", "auth")],
)  # fmt: skip
def test_a_camera_is_signed_in_to_as_it_asks(pictures: list[Picture], scheme: str, qop: str) -> None:
    login = Login(ALICE.username, ALICE.password, scheme, qop.split(",")[0] if qop == "auth-int" else qop)
    with ScriptedCamera(pictures, login=login) as camera:
        assert len(first_pictures_of(camera.url(), ALICE)) == 30
        error = failure(camera.url(), Credentials(username="alice", password="wrong"))
        assert error.error is CameraError.REFUSED
        assert "is wrong" in error.detail
        before = len(camera.requests)
        assert failure(camera.url()).error is CameraError.REFUSED
        # Without a password there is nothing to try; a wrong one is tried once, or the camera would lock the user out.
        assert [r.method for r in camera.requests[before:]] == ["OPTIONS", "DESCRIBE"]


SAID = [
    ("Küche à Łódź".encode(), "сад à".encode()),
    ("Küche à l'entrée".encode("latin-1"), b"\x80\xa0\xff"),
    ("客厅摄像机".encode("gb18030"), b"plain"),
]
"""Realms as cameras say them, with what they give to be sent back: UTF-8, Latin-1, GB 18030."""


@pytest.mark.parametrize(("realm", "opaque"), SAID, ids=["UTF-8", "Latin-1", "GB 18030"])
@pytest.mark.parametrize("scheme", ["MD5", "SHA-256-sess"])
def test_what_a_camera_says_goes_back_to_it_byte_by_byte(
    pictures: list[Picture], scheme: str, realm: bytes, opaque: bytes
) -> None:
    login = Login(ALICE.username, ALICE.password, scheme, "auth", realm=realm, opaque=opaque)
    login.nonces[:] = ["ñ\xa0é"]
    with ScriptedCamera(pictures, login=login) as camera:
        assert len(first_pictures_of(camera.url(), ALICE)) == 30


def test_a_track_with_another_alphabet_is_signed_as_it_is_asked_for(pictures: list[Picture]) -> None:
    login = Login(ALICE.username, ALICE.password)
    with ScriptedCamera(
        pictures, login=login, sdp=lambda text: text.replace("trackID=0", "piste=ä")
    ) as camera:
        assert len(first_pictures_of(camera.url(), ALICE)) == 30
        asked = f"rtsp://127.0.0.1:{camera.port}/cam/piste=ä".encode().decode("latin-1")
        assert {r.uri for r in camera.requests if r.method == "SETUP"} == {asked}


def test_a_password_is_in_no_address_that_ffmpeg_or_the_camera_sees(pictures: list[Picture]) -> None:
    with ScriptedCamera(pictures, login=Login(ALICE.username, ALICE.password)) as camera:
        first_pictures_of(camera.url("/cam?channel=1"), ALICE)
        assert {r.uri.partition("?")[0] for r in camera.requests} == {f"rtsp://127.0.0.1:{camera.port}/cam"}
        assert not any("s3cret" in f"{r.uri} {r.headers}" for r in camera.requests)


def test_the_secret_end_of_an_address_goes_to_the_camera_and_not_to_ffmpeg(
    pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = av.open

    def watched(file: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(f"{file} {args} {kwargs}")
        return real(file, *args, **kwargs)

    monkeypatch.setattr("edge_agent.sources.rtsp.rtsp_source.av.open", watched)
    path = "/user=admin&password=geheim&channel=1"
    with ScriptedCamera(pictures) as camera:
        assert len(first_pictures_of(camera.url(path))) == 30
        assert camera.requests[1].uri == f"rtsp://127.0.0.1:{camera.port}{path}"
    assert seen
    assert "geheim" not in "".join(seen)


def test_a_nonce_that_runs_out_is_renewed_without_a_break(pictures: list[Picture]) -> None:
    login = Login(ALICE.username, ALICE.password, "SHA-256", "auth")

    def answer(request: Request) -> Reply | None:
        if request.method == "PLAY" and len(login.nonces) == 1:
            login.nonces.append("another")
        return None

    with ScriptedCamera(pictures, login=login, answer=answer) as camera:
        assert len(first_pictures_of(camera.url(), ALICE)) == 30
        assert [r.method for r in camera.requests].count("PLAY") == 2


# What cameras answer.


@pytest.mark.parametrize(
    ("method", "status", "error", "words"),
    [
        ("DESCRIBE", "400 Bad Request", CameraError.NOT_FOUND, "path"),
        ("DESCRIBE", "403 Forbidden", CameraError.FORBIDDEN, "right to view"),
        ("DESCRIBE", "404 Not Found", CameraError.NOT_FOUND, "path"),
        ("DESCRIBE", "454 Session Not Found", CameraError.ENDED, "keeps trying"),
        ("SETUP", "453 Not Enough Bandwidth", CameraError.BUSY, "no more viewers"),
        ("SETUP", "461 Unsupported Transport", CameraError.NO_TCP, "RTP over TCP"),
        ("PLAY", "503 Service Unavailable", CameraError.BUSY, "no more viewers"),
        ("PLAY", "500 Internal Server Error", CameraError.CAMERA_FAULT, "Restart"),
        ("DESCRIBE", "505 RTSP Version Not Supported", CameraError.CAMERA_FAULT, "Restart"),
    ],
)
def test_a_refusal_is_told_as_the_camera_means_it(
    pictures: list[Picture], method: str, status: str, error: CameraError, words: str
) -> None:
    with ScriptedCamera(pictures, answer=lambda r: Reply(status) if r.method == method else None) as camera:
        told = failure(camera.url())
    assert told.error is error
    assert status in told.detail
    assert words in f"{told} {told.hint}"


def test_a_camera_that_insists_on_udp_is_told_so(pictures: list[Picture]) -> None:
    reply = Reply(
        headers=("Transport: RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001", "Session: 1")
    )
    with ScriptedCamera(pictures, answer=lambda r: reply if r.method == "SETUP" else None) as camera:
        assert failure(camera.url()).error is CameraError.NO_TCP


@pytest.mark.parametrize(
    ("greeting", "error", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", CameraError.WRONG_PROTOCOL, "HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x28", CameraError.WRONG_PROTOCOL, "TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", CameraError.WRONG_PROTOCOL, "RTSP"),
        (b"", CameraError.ENDED, "without an answer"),
    ],
)
def test_what_answers_but_is_no_rtsp_camera_is_told_apart(
    greeting: bytes, error: CameraError, words: str
) -> None:
    with ScriptedCamera(greeting=greeting) as camera:
        told = failure(camera.url())
    assert told.error is error
    assert words in told.detail


def test_a_camera_that_refuses_what_is_not_needed_plays_all_the_same(pictures: list[Picture]) -> None:
    with ScriptedCamera(
        pictures, answer=lambda r: Reply("405 Method Not Allowed") if r.method == "OPTIONS" else None
    ) as camera:
        assert len(first_pictures_of(camera.url())) == 30


@pytest.mark.parametrize("body", [b"", b"<html>hello</html>", b"v=0\r\n", b"\xff" * 3000])
def test_a_description_of_nothing_is_an_error_of_ours(pictures: list[Picture], body: bytes) -> None:
    reply = Reply(headers=("Content-Type: application/sdp",), body=body)
    with ScriptedCamera(pictures, answer=lambda r: reply if r.method == "DESCRIBE" else None) as camera:
        assert failure(camera.url()).error in (
            CameraError.BAD_DATA,
            CameraError.NO_VIDEO,
            CameraError.NOT_FOUND,
        )


@pytest.mark.parametrize(
    ("path", "track"),
    [
        ("", "/trackID=0"),
        ("/", "/trackID=0"),
        ("/cam", "/cam/trackID=0"),
        ("/cam/", "/cam/trackID=0"),
        ("/cam?channel=1", "/cam?channel=1/trackID=0"),
    ],
)
def test_a_track_follows_the_address_where_the_camera_says_no_other(
    pictures: list[Picture], path: str, track: str
) -> None:
    """Source: RFC 2326, section C.1.1. Cameras compare the text: `//` is another track to them."""
    with ScriptedCamera(pictures, content_base=False) as camera:
        assert len(first_pictures_of(camera.url(path))) == 30
        here = f"rtsp://127.0.0.1:{camera.port}"
        assert [r.uri for r in camera.requests if r.method == "SETUP"] == [here + track]
        assert [r.uri for r in camera.requests if r.method == "DESCRIBE"] == [here + (path or "/")]


# TLS.


def test_a_secure_camera_is_read_where_its_certificate_is_trusted(
    pictures: list[Picture], tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedCamera(pictures, tls=tls, login=Login(ALICE.username, ALICE.password)) as camera:
        error = failure(camera.url(host="localhost"), ALICE)
        assert error.error is CameraError.TLS
        assert not camera.requests
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert len(first_pictures_of(camera.url(host="localhost"), ALICE)) == 30
        assert len(first_pictures_of(camera.url(), ALICE)) == 30
        assert camera.torn_down.wait(5)
    with ScriptedCamera(pictures, tls=tls, host="127.0.0.5") as camera:
        # Trusted, but it is for another name.
        assert failure(camera.url()).error is CameraError.TLS


def test_a_plain_camera_at_a_secure_address_and_the_other_way_round_are_told_apart(
    pictures: list[Picture], tls: ssl.SSLContext
) -> None:
    with ScriptedCamera(greeting=b"RTSP/1.0 400 Bad Request\r\n\r\n") as camera:
        error = failure(camera.url(scheme="rtsps"))
        assert error.error is CameraError.WRONG_PROTOCOL
        assert "TLS" in error.detail
    with ScriptedCamera(pictures, tls=tls) as camera:
        assert failure(camera.url(scheme="rtsp")).error in (CameraError.WRONG_PROTOCOL, CameraError.ENDED)


# The relay itself.


def answer_to_stranger(port: int, first: bytes) -> bytes | None:
    """Returns what somebody hears who is not FFmpeg, up to the end of the connection; None where it is kept open."""
    heard = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as stranger:
            stranger.sendall(first)
            stranger.shutdown(socket.SHUT_WR)
            while more := stranger.recv(100):
                heard += more
    except OSError:
        return None
    return heard


def test_a_stranger_who_is_quicker_than_ffmpeg_gets_nothing(pictures: list[Picture]) -> None:
    ours, cameras = socket.socketpair()
    with cameras:
        one = Relay(ours, url="rtsp://127.0.0.1/cam", credentials=ALICE)
        address = one.start(name="relay")
        port = int(address.split(":")[2].partition("/")[0])
        cameras.settimeout(10)
        for first in (b"OPTIONS rtsp://127.0.0.1/cam RTSP/1.0\r\n\r\n", b"\r\n", b""):
            assert answer_to_stranger(port, first) == b""
        with socket.create_connection(("127.0.0.1", port)) as player:
            player.sendall(f"OPTIONS {address} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
            assert cameras.recv(1000).startswith(b"OPTIONS rtsp://127.0.0.1/cam RTSP/1.0\r\nCSeq: 1\r\n")
            # One is all: nobody can watch beside FFmpeg.
            with pytest.raises(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=2)
        one.close()


def test_ending_a_source_ends_the_session_and_the_thread(pictures: list[Picture]) -> None:
    with ScriptedCamera(pictures) as camera:
        source = source_of(camera.url())
        source.open()
        first_pictures(source, 3)
        source.close()
        source.close()
        assert camera.torn_down.wait(5)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("relay")]


class Trickle:
    """A camera that accepts a connection and then sends a byte now and then, for ever; use it as a context manager."""

    def __init__(self, begin: bytes) -> None:
        self._begin = begin
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.asked, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        with contextlib.suppress(OSError), self._server.accept()[0] as visitor:
            visitor.recv(1000)
            self.asked.set()
            visitor.sendall(self._begin)
            while not self._over.wait(0.1):
                visitor.sendall(b"a")

    def __enter__(self) -> "Trickle":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()


def test_aborting_ends_an_open_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp_source, "TIMEOUT_S", 60)
    with Trickle(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nServer: ") as camera:
        source = source_of(f"rtsp://127.0.0.1:{camera.port}/cam")
        failures: list[BaseException] = []

        def open_source() -> None:
            try:
                source.open()
            except CameraFailed as error:
                failures.append(error)

        thread = threading.Thread(target=open_source)
        thread.start()
        assert camera.asked.wait(5)
        source.abort()
        thread.join(5)
        assert not thread.is_alive()
        assert len(failures) == 1
        source.close()


def test_an_open_that_was_aborted_before_it_had_a_relay_ends_at_once(pictures: list[Picture]) -> None:
    with ScriptedCamera(pictures) as camera:
        source = source_of(camera.url())
        dialled = dial.dial

        def dial_and_abort(*arguments: Any, **named: Any) -> socket.socket:
            connection = dialled(*arguments, **named)
            source.abort()
            return connection

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rtsp_source, "dial", dial_and_abort)
            with pytest.raises(CameraFailed, match="aborted"), contextlib.closing(source):
                source.open()


def test_what_ffmpeg_does_not_read_is_not_piled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "BACKLOG_BYTES", 1 << 20)
    ours, camera = socket.socketpair()
    one = Relay(ours, url="rtsp://127.0.0.1/cam", credentials=None)
    address = one.start(name="relay")
    port = int(address.split(":")[2].partition("/")[0])
    with camera, socket.create_connection(("127.0.0.1", port)) as player:
        player.sendall(f"OPTIONS {address} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        camera.settimeout(2)
        camera.recv(1000)
        camera.sendall(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")
        packet = b"$\0\xff\xf0" + bytes(0xFFF0)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 256 << 20:
                sent += camera.send(packet)
        assert sent < 64 << 20
        assert len(one._exchange.to_player) <= (1 << 20) + relay.READ_BYTES
        # And the line is taken up again where it was left.
        player.settimeout(5)
        got = 0
        while got < sent - len(packet):
            got += len(player.recv(1 << 20))
    one.close()


def test_a_camera_that_leaves_keep_alives_unanswered_goes_on(pictures: list[Picture]) -> None:
    """FFmpeg sends one every half of the session's life; four in a row, and then the end, all get to the camera."""
    exchange = RtspExchange(
        local_url="rtsp://127.0.0.1:1/s",
        camera_url="rtsp://10.0.0.1/cam?a=1",
        authenticator=Authenticator(None),
    )
    for number in range(1, 5):
        exchange.receive_from_player(
            f"GET_PARAMETER rtsp://127.0.0.1:1/s RTSP/1.0\r\nCSeq: {number}\r\n\r\n".encode()
        )
    exchange.receive_from_player(b"TEARDOWN rtsp://127.0.0.1:1/s RTSP/1.0\r\nCSeq: 5\r\nSession: 7\r\n\r\n")
    sent = exchange.to_camera.decode()
    assert sent.count("GET_PARAMETER rtsp://10.0.0.1/cam?a=1 RTSP/1.0") == 4
    assert "TEARDOWN rtsp://10.0.0.1/cam?a=1 RTSP/1.0\r\nCSeq: 5\r\n" in sent
    assert exchange.failure is None


ASKED = b"OPTIONS rtsp://c/ RTSP/1.0\r\nCSeq: 1\r\n\r\n"


def test_a_camera_that_asks_and_never_reads_is_left(pictures: list[Picture]) -> None:
    """Each request costs it less than the answer costs us."""

    def answer(request: Request) -> Reply | None:
        # More than sockets hold on their way. The thread that sends it reads nothing meanwhile.
        return Reply(raw=ASKED * 400_000) if request.method == "DESCRIBE" else None

    with ScriptedCamera(pictures, answer=answer) as camera:
        error = failure(camera.url())
    assert error.error is CameraError.BAD_DATA
    assert "does not read" in error.detail


def exchange() -> RtspExchange:
    return RtspExchange(
        local_url="rtsp://127.0.0.1:1/s", camera_url="rtsp://c/", authenticator=Authenticator(None)
    )


def test_a_camera_that_reads_may_ask_as_much_as_it_likes() -> None:
    one, count = exchange(), 0
    for _ in range(400):
        one.receive_from_camera(ASKED * (relay.READ_BYTES // len(ASKED)))
        count += one.to_camera.count(b"RTSP/1.0 200 OK")
        one.to_camera.clear()
        if count > 20_000:
            break
    assert one.failure is None
    assert count > 20_000


def test_answers_to_a_camera_that_does_not_read_are_bounded() -> None:
    one = exchange()
    for _ in range(400):
        one.receive_from_camera(ASKED * 50)
    assert one.failure is not None
    assert one.failure.error is CameraError.BAD_DATA
    assert len(one.to_camera) <= exchange_module.UNREAD_LIMIT_BYTES


def test_reports_to_a_camera_that_does_not_read_are_bounded() -> None:
    one = exchange()
    for _ in range(2000):
        one.receive_from_player(b"$\1\x04\0" + bytes(1024))
    assert one.failure is not None
    assert len(one.to_camera) <= exchange_module.UNREAD_LIMIT_BYTES
