"""The format in which a camera's sound is recorded, from what the camera announces: AAC, or not at all.

AAC that every browser plays is copied; anything else that FFmpeg decodes is transcoded. Pure, except that decoders are
opened as a trial; no packet is decoded here.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import av
import av.error

from edge_agent.sources.packet import AudioTrack
from shared.protocol.media import AudioFormat

AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
ENCODED_RATES = (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
"""Rates that transcoded sound may keep; other rates become the first of these."""
COPIED_TYPES = (2, 5, 29)
"""Audio object types that browsers play: AAC-LC, HE-AAC and HE-AAC v2. Source: ISO/IEC 14496-3 1.5.1.1."""
MOST_CHANNELS = 2
SAMPLES = 1024
"""Samples of one AAC frame, at the rate of its core."""


@dataclass(frozen=True)
class AacSetup:
    """The content of an AudioSpecificConfig: object type, core rate in Hz, channels; `short`: frames of 960 samples."""

    object_type: int
    rate_hz: int
    channels: int
    short: bool

    @property
    def copied(self) -> bool:
        """Whether its frames are recorded unchanged."""
        return self.object_type in COPIED_TYPES and 1 <= self.channels <= MOST_CHANNELS and not self.short


def setup_of(config: bytes) -> AacSetup | None:
    """Returns the content of an AudioSpecificConfig, or None if it is invalid. Source: ISO/IEC 14496-3 1.6.2.1, 4.4.1."""
    bits = _Bits(config)
    object_type = bits.take_object_type()
    index = bits.take(4)
    rate_hz = bits.take(24) if index == 15 else AAC_RATES[index] if index < len(AAC_RATES) else 0
    channels = {7: 8}.get(value := bits.take(4), value)
    if object_type in (5, 29):
        # The rate of the extension and the object type of the core follow.
        if bits.take(4) == 15:
            bits.take(24)
        bits.take_object_type()
    short = bool(bits.take(1))
    if bits.ended or not object_type or rate_hz not in AAC_RATES:
        return None
    return AacSetup(object_type, rate_hz, channels, short)


def config_of_adts(header: bytes) -> bytes:
    """Returns the AudioSpecificConfig equivalent to an ADTS header. Source: ISO/IEC 13818-7 6.2, 14496-3 1.6.2.1."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return b""
    kind = (header[2] >> 6) + 1
    rate_index = header[2] >> 2 & 0xF
    channels = (header[2] & 1) << 2 | header[3] >> 6
    if rate_index >= len(AAC_RATES) or not channels:
        return b""
    return (kind << 11 | rate_index << 7 | channels << 3).to_bytes(2, "big")


def recorded_as(track: AudioTrack) -> AudioFormat | None:
    """Returns the format in which a camera's sound is recorded, or None if it cannot be recorded."""
    setup = setup_of(track.config) if track.codec == "aac" else None
    if setup is not None and setup.copied:
        return AudioFormat(
            codec_string=f"mp4a.40.{setup.object_type}",
            sample_rate_hz=setup.rate_hz,
            channels=setup.channels,
        )
    if not decodable(track):
        return None
    rate_hz = track.sample_rate_hz if track.sample_rate_hz in ENCODED_RATES else ENCODED_RATES[0]
    # ADTS carries the configuration in each frame: it is copied if the frames match the camera's announcement.
    is_adts = track.codec == "aac" and not track.config
    return AudioFormat(
        codec_string="mp4a.40.2",
        sample_rate_hz=rate_hz,
        channels=min(MOST_CHANNELS, max(1, track.channels)),
        transcoded_from="" if is_adts else track.codec,
    )


@lru_cache(maxsize=64)
def decodable(track: AudioTrack) -> bool:
    """Returns whether FFmpeg has a decoder for the sound that accepts the announced configuration."""
    try:
        decoder_of(track).open()
    except (av.error.FFmpegError, ValueError, OverflowError):
        return False
    return True


def decoder_of(track: AudioTrack) -> Any:
    """Returns an unopened decoder for the sound.

    Raises:
        av.error.FFmpegError, ValueError, OverflowError: there is none, or the announced values are out of range.
    """
    decoder: Any = av.CodecContext.create(track.codec, "r")
    if decoder.type != "audio":
        raise ValueError("no codec of sound")
    decoder.sample_rate = track.sample_rate_hz
    decoder.layout = "stereo" if track.channels > 1 else "mono"
    if track.config:
        decoder.extradata = track.config
    return decoder


class _Bits:
    """Reads bits; past the end they are 0, and `ended` is True."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:16], "big")
        self._left = len(data[:16]) * 8
        self.ended = False

    def take(self, count: int) -> int:
        if count > self._left:
            self.ended, self._left = True, 0
            return 0
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def take_object_type(self) -> int:
        kind = self.take(5)
        return 32 + self.take(6) if kind == 31 else kind
