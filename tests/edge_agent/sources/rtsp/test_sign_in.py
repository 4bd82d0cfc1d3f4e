"""Signing in to RTSP cameras: every scheme works, and the password reaches nobody but the camera."""

from typing import Any

import av
import pytest

from shared.protocol.config import Credentials
from shared.protocol.status import CameraError
from tests.edge_agent.sources.rtsp.reading import ALICE, failure, first_pictures_of
from tests.rigs.scripted_rtsp import Login, Picture, Reply, Request, ScriptedCamera


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
