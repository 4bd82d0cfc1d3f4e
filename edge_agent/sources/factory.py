"""Builds the source of a configured camera, with its credentials and the agent's rules."""

from collections.abc import Callable

from msgspec import UNSET

from edge_agent.errors import CredentialsUnreadable
from edge_agent.settings import Settings
from edge_agent.sources.file_source import FileSource, media_path
from edge_agent.sources.http_source import HttpSource
from edge_agent.sources.rtsp.rtsp_source import RtspSource
from edge_agent.sources.source import Source
from shared.kernel.clock import Clock
from shared.protocol import config
from shared.protocol.config import CameraConfig, Credentials

Unseal = Callable[[bytes], Credentials]
"""Opens `CameraConfig.sealed_credentials` with the agent's key; raises `CredentialsUnreadable`."""
OpenTail = Callable[[bytes], str]
"""Opens `CameraConfig.sealed_tail` with the agent's key; raises `CredentialsUnreadable`."""


def no_tail_key(_: bytes) -> str:
    """An `OpenTail` for use without a key.

    Raises:
        CredentialsUnreadable: always.
    """
    raise CredentialsUnreadable("there is no key to open the end of the address with")


def build_source(
    camera: CameraConfig,
    *,
    unseal: Unseal,
    settings: Settings,
    clock: Clock,
    open_tail: OpenTail = no_tail_key,
) -> Source:
    """Returns a source for one connection to a camera; `open` connects it.

    Raises:
        CameraFailed: the address is malformed, or the file is not on the list.
        CredentialsUnreadable: the credentials were sealed for another agent.
    """
    match camera.source:
        case config.FileSource(name=name):
            return FileSource(media_path(name, settings), with_audio=camera.record_audio, clock=clock)
        case config.RtspSource(url=url) | config.HttpSource(url=url):
            kind = RtspSource if isinstance(camera.source, config.RtspSource) else HttpSource
            credentials = unseal(camera.sealed_credentials) if camera.sealed_credentials else None
            tail = open_tail(camera.sealed_tail) if camera.sealed_tail is not UNSET else ""
            return kind(
                url + tail, credentials, settings=settings, with_audio=camera.record_audio, clock=clock
            )
