"""Cameras that answer an HTTP GET with an endless stream."""

import ssl

from edge_agent.capture.avsource import AvSource
from shared.kernel.clock import Clock

TIMEOUT_S = 5
FORMATS = "mpegts,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,flv,live_flv,h264,hevc,mpjpeg,mpeg,ogg,avi"
"""No playlists: they could send the box to any address."""


class HttpSource(AvSource):
    """One GET, read until it ends. The certificate of an https address is checked against the system's authorities."""

    def __init__(self, url: str, *, with_audio: bool, clock: Clock) -> None:
        self.tls = url.startswith("https:")
        options = {
            "timeout": str(TIMEOUT_S * 1_000_000),
            "rw_timeout": str(TIMEOUT_S * 1_000_000),
            "fpsprobesize": "0",
            "analyzeduration": "3000000",
            "format_whitelist": FORMATS,
            "protocol_whitelist": "http,https,tcp,tls",
            "user_agent": "3Dance",
            "seekable": "0",
            "multiple_requests": "0",
        }
        authorities = ssl.get_default_verify_paths()
        if self.tls and authorities.cafile:
            options |= {"tls_verify": "1", "ca_file": authorities.cafile}
        super().__init__(url, options, with_audio=with_audio, clock=clock)
