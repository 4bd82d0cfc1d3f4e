"""Cameras by RTSP over TCP."""

from typing import Any

import av

from edge_agent.errors import CameraFailed
from edge_agent.settings import Settings
from edge_agent.sources.addresses import endpoint_of
from edge_agent.sources.av_source import AvSource
from edge_agent.sources.dial import dial
from edge_agent.sources.rtsp.relay import Relay
from shared.kernel.clock import Clock
from shared.protocol.config import Credentials
from shared.protocol.status import CameraError

TIMEOUT_S = 5
"""Longest silence of a camera."""


class RtspSource(AvSource):
    """One RTSP session interleaved over TCP, which delivers complete packets in order.

    FFmpeg reads it through a `Relay`, because it would follow redirects, resolve names itself, and knows Digest with MD5
    alone. `fpsprobesize=0` makes it return all packets from the first key frame on instead of probing the frame rate.
    """

    has_sender_reports = True

    def __init__(
        self,
        url: str,
        credentials: Credentials | None,
        *,
        settings: Settings,
        with_audio: bool,
        clock: Clock,
    ) -> None:
        """Args:
        url: the camera's address, without credentials.
        credentials: its user and password; kept while connected, because cameras request them repeatedly.
        settings: the agent's own rules, for its address.
        with_audio: whether its sound is read.
        clock: dates arrivals.
        """
        options = {
            "rtsp_transport": "tcp",
            "timeout": str(TIMEOUT_S * 1_000_000),
            "fpsprobesize": "0",
            "analyzeduration": "3000000",
            "allowed_media_types": "video+audio" if with_audio else "video",
            "protocol_whitelist": "rtsp,tcp",
        }
        super().__init__(options, with_audio=with_audio, clock=clock)
        self._endpoint = endpoint_of(url)
        self._credentials = credentials
        self._settings = settings
        self._relay: Relay | None = None

    def _open_container(self) -> Any:
        connection = dial(
            self._endpoint, self._settings, timeout_s=TIMEOUT_S, is_aborted=self._aborted.is_set
        )
        self._relay = Relay(connection, url=self._endpoint.url, credentials=self._credentials)
        self._credentials = None
        # `abort` sets the flag, then wakes the relay; here the relay is stored, then the flag is read: one sees the other.
        if self._aborted.is_set():
            raise CameraFailed(CameraError.ENDED, "the connection was aborted")
        return av.open(self._relay.start(name=f"relay-{self._endpoint.port}"), options=self._options)

    def _failure(self) -> CameraFailed | None:
        return self._relay.failure if self._relay is not None else None

    def abort(self) -> None:
        """Ends a waiting `open` or `packets` within about a second, also while the camera keeps the connection busy."""
        super().abort()
        if (relay := self._relay) is not None:
            relay.abort()

    def close(self) -> None:
        """Ends the session and closes the connection; idempotent."""
        super().close()
        relay, self._relay = self._relay, None
        if relay is not None:
            relay.close()
