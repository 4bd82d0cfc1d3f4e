"""The output of every source: stream information and compressed packets."""

from enum import IntEnum
from typing import Any, Literal

import av
import msgspec


class Kind(IntEnum):
    """Picture or sound."""

    VIDEO = 0
    AUDIO = 1


class VideoTrack(msgspec.Struct, frozen=True, kw_only=True):
    """The picture of one run. `parameter_sets` are those of the stream's description, as Annex B; may be empty."""

    codec: Literal["h264", "h265"]
    width: int
    height: int
    fps: float
    parameter_sets: bytes = b""


class AudioTrack(msgspec.Struct, frozen=True, kw_only=True):
    """The sound of one run. `codec` is FFmpeg's name; `config` is its out-of-band set-up (AudioSpecificConfig for AAC)."""

    codec: str
    sample_rate_hz: int
    channels: int
    config: bytes = b""


class StreamInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The streams of an open source."""

    video: VideoTrack
    audio: AudioTrack | None = None


class MediaPacket(msgspec.Struct, frozen=True, gc=False):
    """One compressed packet: an access unit of video (Annex B), or one or more frames of sound.

    `pts_90k` and `dts_90k` lie on the media timeline of the run, unwrapped and free of jumps. `arrival_ns` is the
    monotonic clock when it came. `sender_us` is its capture time by the camera's own clock (microseconds since 1970),
    where the camera states one (RTCP sender reports), and `reports` how many of them its stream has had. `data` is
    read-only: several subscribers share it.
    """

    kind: Kind
    data: "av.Packet[Any] | bytes"
    size_bytes: int
    pts_90k: int
    dts_90k: int
    keyframe: bool
    arrival_ns: int
    sender_us: int | None = None
    reports: int = 0
