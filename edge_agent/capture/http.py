"""Cameras that answer an HTTP GET with an endless stream."""

from edge_agent.capture.avsource import FORMATS, AvSource
from edge_agent.capture.tls import tls_options
from shared.kernel.clock import Clock

TIMEOUT_S = 5


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
            # Somewhere else may be anywhere else: the box's address rules hold for the configured host only.
            "max_redirects": "0",
            # The proxy of the environment is for the way out; a camera's name and password are not for it to see.
            "http_proxy": "",
        }
        if self.tls:
            options |= tls_options()
        super().__init__(url, options, with_audio=with_audio, clock=clock)
