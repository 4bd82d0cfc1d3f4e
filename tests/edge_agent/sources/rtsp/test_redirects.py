"""RTSP cameras that point to other hosts: the agent connects to none of them."""

import ssl
from pathlib import Path

import pytest

from edge_agent.errors import CameraFailed
from shared.protocol.status import CameraError
from tests.edge_agent.sources.rtsp.reading import ALICE, HERE, failure, first_pictures_of, played
from tests.rigs.scripted_rtsp import Listener, Login, Picture, Reply, Request, ScriptedCamera


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
