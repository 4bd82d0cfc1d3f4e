"""Unusual answers of RTSP cameras: the agent reads the stream, or reports the reason."""

import pytest

from shared.protocol.status import CameraError
from tests.edge_agent.sources.rtsp.reading import failure, first_pictures_of
from tests.rigs.scripted_rtsp import Picture, Reply, ScriptedCamera


@pytest.mark.parametrize(
    ("method", "status", "error", "words"),
    [
        ("DESCRIBE", "400 Bad Request", CameraError.NOT_FOUND, "path"),
        ("DESCRIBE", "403 Forbidden", CameraError.FORBIDDEN, "allow this user to view"),
        ("DESCRIBE", "404 Not Found", CameraError.NOT_FOUND, "path"),
        ("DESCRIBE", "454 Session Not Found", CameraError.ENDED, "keeps trying"),
        ("SETUP", "453 Not Enough Bandwidth", CameraError.BUSY, "limit of viewers"),
        ("SETUP", "461 Unsupported Transport", CameraError.NO_TCP, "RTP over TCP"),
        ("PLAY", "503 Service Unavailable", CameraError.BUSY, "limit of viewers"),
        ("PLAY", "500 Internal Server Error", CameraError.CAMERA_FAULT, "Restart"),
        ("DESCRIBE", "505 RTSP Version Not Supported", CameraError.CAMERA_FAULT, "Restart"),
    ],
)
def test_a_refusal_is_told_as_the_camera_means_it(
    pictures: list[Picture], method: str, status: str, error: CameraError, words: str
) -> None:
    with ScriptedCamera(pictures, answer=lambda r: Reply(status) if r.method == method else None) as camera:
        failed = failure(camera.url())
    assert failed.error is error
    assert status in failed.detail
    assert words in f"{failed} {failed.hint}"


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
        failed = failure(camera.url())
    assert failed.error is error
    assert words in failed.detail


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
