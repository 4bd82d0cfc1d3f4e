"""Cameras by RTSP over TCP."""

from edge_agent.capture.avsource import AvSource
from edge_agent.capture.tls import tls_options
from shared.kernel.clock import Clock

TIMEOUT_S = 5


class RtspSource(AvSource):
    """One RTSP session, interleaved over TCP: what arrives is whole and in order.

    `fpsprobesize=0` makes FFmpeg hand over everything from the first key frame on instead of guessing the frame rate.
    """

    dated = True

    def __init__(self, url: str, *, with_audio: bool, clock: Clock) -> None:
        self.tls = url.startswith("rtsps:")
        options = {
            "rtsp_transport": "tcp",
            "timeout": str(TIMEOUT_S * 1_000_000),
            "fpsprobesize": "0",
            "analyzeduration": "3000000",
            "allowed_media_types": "video+audio" if with_audio else "video",
            "protocol_whitelist": "rtsp,rtp,tcp,tls,rtsps,udp",
            "user_agent": "3Dance",
        }
        if self.tls:
            options |= tls_options()
        super().__init__(url, options, with_audio=with_audio, clock=clock)
