"""Packets of a camera made by hand, and a clock map that steps when told."""

from edge_agent.settings import Settings
from edge_agent.sources.packet import AudioTrack, Kind, MediaPacket, StreamInfo, VideoTrack
from shared.kernel.clock import SystemClock
from shared.protocol.media import ClockEstimate

LOCAL = Settings(allowed_networks=("127.0.0.0/8", "::1/128"))
"""Where the cameras of tests are; by default the agent talks to nobody there."""

SETS = bytes.fromhex("000000016742c00dda05067e7840000003004000000f23c50aa80000000168ce0472")

KEY = SETS + bytes.fromhex("0000000165") + b"k" * 50

INFO = StreamInfo(
    video=VideoTrack(codec="h264", width=320, height=180, fps=30.0, parameter_sets=SETS),
    audio=AudioTrack(codec="aac", sample_rate_hz=48_000, channels=2, config=b"\x11\x90"),
)


def packet(
    index: int, *, key: bool | None = None, data: bytes | None = None, shift_90k: int = 0
) -> MediaPacket:
    """Returns the picture of that index at 30 a second; each thirtieth is a key frame unless `key` says otherwise."""
    keyframe = index % 30 == 0 if key is None else key
    pts = 900_000 + index * 3000 + shift_90k
    body = data or (KEY if keyframe else b"\x00\x00\x00\x01\x41" + b"p" * 50)
    return MediaPacket(Kind.VIDEO, body, len(body), pts, pts, keyframe, SystemClock().monotonic_ns())


class StillClock:
    """A clock map that knows nothing and steps when told."""

    def __init__(self) -> None:
        self.step = False

    def observe(self, _: MediaPacket) -> bool:
        return self.step

    def estimate(self) -> ClockEstimate | None:
        return None
