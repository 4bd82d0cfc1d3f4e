"""Sources built from a camera's configuration, and what opening one raises."""

from uuid import uuid4

import pytest

from edge_agent.errors import CameraFailed, CredentialsUnreadable
from edge_agent.settings import Settings
from edge_agent.sources.factory import build_source
from edge_agent.sources.source import Source
from shared.kernel.clock import SystemClock
from shared.protocol import config
from shared.protocol.config import CameraConfig, Credentials, Position
from shared.protocol.ids import CameraId, RoomId
from tests.edge_agent.sources.scripted import LOCAL


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
    if sealed == b"for another agent":
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
