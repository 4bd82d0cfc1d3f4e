"""RTSP sources of the tests: read to an end, for some pictures, or to the error."""

import contextlib
import itertools

import pytest

from edge_agent.errors import CameraFailed
from edge_agent.settings import Settings
from edge_agent.sources.packet import Kind, MediaPacket
from edge_agent.sources.rtsp.rtsp_source import RtspSource
from shared.kernel.clock import SystemClock
from shared.protocol.config import Credentials
from shared.protocol.status import CameraError
from tests.edge_agent.sources.scripted import LOCAL

ALICE = Credentials(username="alice", password="s3cret/@: #ä")

HERE = Settings(allowed_networks=("127.0.0.1/32", "::1/128"))


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


def first_pictures_of(url: str, credentials: Credentials | None = None, count: int = 30) -> list[MediaPacket]:
    source = source_of(url, credentials)
    with contextlib.closing(source):
        source.open()
        return first_pictures(source, count)
