"""Addresses of cameras: unreachable and refused ones are named, and a password is in no error."""

import http.server

import pytest

from edge_agent.errors import CredentialsUnreadable
from edge_agent.settings import Settings
from shared.protocol import config
from shared.protocol.status import CameraError
from tests.edge_agent.sources.configured import camera, failure, opened
from tests.edge_agent.sources.http_camera import url
from tests.rigs.ports import refusing_port


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
def test_a_public_address_is_refused_unless_the_agent_allows_it(address: str) -> None:
    source = (config.RtspSource if address.startswith("rtsp") else config.HttpSource)(url=address)
    error = failure(camera(source))
    assert error.error is CameraError.ADDRESS_REFUSED
    assert "allowed_networks" in error.hint


def test_the_agent_may_narrow_where_cameras_are(server: http.server.ThreadingHTTPServer) -> None:
    narrow = Settings(allowed_networks=("192.168.7.0/24",))
    error = failure(camera(config.HttpSource(url=url(server, "/clip.ts"))), narrow)
    assert error.error is CameraError.ADDRESS_REFUSED


def test_credentials_for_another_agent_are_named() -> None:
    with pytest.raises(CredentialsUnreadable):
        opened(camera(config.RtspSource(url="rtsp://127.0.0.1/one"), sealed=b"for another agent"))


def test_a_password_is_in_no_error(server: http.server.ThreadingHTTPServer) -> None:
    for path in ("/nothing.ts", "/text.txt", "/locked/clip.ts"):
        error = failure(camera(config.HttpSource(url=url(server, path)), sealed=b"alice:hunter2"))
        assert "hunter2" not in f"{error!r} {error} {error.detail} {error.__cause__!r}"
