"""RTSP over TLS: certificates are checked, and a wrong scheme is named."""

import ssl
from pathlib import Path

import pytest

from shared.protocol.status import CameraError
from tests.edge_agent.sources.rtsp.reading import ALICE, failure, first_pictures_of
from tests.rigs.scripted_rtsp import Login, Picture, ScriptedCamera


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
