"""Sound as a segment carries it, always AAC: passed through where the camera sends AAC, else transcoded."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, Protocol

import av
import av.error

from edge_agent.capture.packet import AudioTrack, MediaPacket
from shared.kernel.timebase import TICKS_PER_S, rescale
from shared.protocol.media import AudioFormat

AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
BIT_RATE = 64_000
_SAMPLES = 1024


@dataclass(frozen=True)
class SoundFrame:
    """One AAC frame without header; `at` counts samples from the start of the run's timeline."""

    data: bytes
    at: int


class Sound(Protocol):
    """Turns a camera's sound into AAC frames."""

    format: AudioFormat
    config: bytes
    """AudioSpecificConfig."""

    def frames(self, packet: MediaPacket) -> Iterator[SoundFrame]:
        """Yields the frames that this packet completes, without holes or overlaps where the camera has none."""
        ...


def sound_of(track: AudioTrack, first: MediaPacket) -> Sound | None:
    """Returns how to carry this sound, or None where it cannot be carried. `first` is a packet of it."""
    if track.codec == "aac":
        config = track.config or _config_of_adts(bytes(memoryview(first.data)[:9]))
        rate, channels = _rate_and_channels(config) if config else (0, 0)
        if config and rate and channels:
            return PassedThrough(config, rate, channels)
    try:
        return Transcoded(track)
    except (av.error.FFmpegError, ValueError):
        return None


class _Steps:
    """Places frames end to end; jumps only where the camera's time really jumped."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._tolerance = rate_hz // 25
        self._next: int | None = None

    def place(self, pts_90k: int, samples: int) -> int | None:
        """Returns where a frame begins, in samples; None: it overlaps what is there already."""
        wanted = rescale(pts_90k, self._rate_hz, TICKS_PER_S)
        if self._next is not None and abs(wanted - self._next) <= self._tolerance:
            wanted = self._next
        elif self._next is not None and wanted < self._next:
            return None
        self._next = wanted + samples
        return wanted


class PassedThrough:
    """AAC as the camera sends it; ADTS headers are taken off."""

    def __init__(self, config: bytes, rate_hz: int, channels: int) -> None:
        kind = config[0] >> 3
        self.config = config
        self.format = AudioFormat(codec_string=f"mp4a.40.{kind}", sample_rate_hz=rate_hz, channels=channels)
        self._steps = _Steps(rate_hz)

    def frames(self, packet: MediaPacket) -> Iterator[SoundFrame]:
        """See `Sound`."""
        data = bytes(packet.data)
        if data[:1] == b"\xff" and data[1:2] and data[1] & 0xF6 == 0xF0:
            data = data[7 if data[1] & 1 else 9 :]
        at = self._steps.place(packet.pts_90k, _SAMPLES)
        # What begins like a header behind the header is no frame; the muxer would stop, and the pictures with it.
        if at is not None and data and not (data[0] == 0xFF and data[1:2] >= b"\xf0"):
            yield SoundFrame(data, at)


class Transcoded:
    """Any sound that FFmpeg decodes (G.711, Opus, MP2, ...), decoded and encoded as AAC-LC, one or two channels."""

    def __init__(self, track: AudioTrack) -> None:
        layout = "stereo" if track.channels > 1 else "mono"
        rate = track.sample_rate_hz if track.sample_rate_hz in AAC_RATES else 48_000
        self._decoder = _context(track.codec, "r", track.sample_rate_hz, layout)
        if track.config:
            self._decoder.extradata = track.config
        self._encoder = _context("aac", "w", rate, layout)
        self._encoder.format = "fltp"
        self._encoder.bit_rate = BIT_RATE
        self._encoder.time_base = Fraction(1, rate)
        self._encoder.flags |= 1 << 22  # global header: the configuration apart, no ADTS
        self._encoder.open()
        self.config: bytes = self._encoder.extradata or b""
        self.format = AudioFormat(
            codec_string="mp4a.40.2",
            sample_rate_hz=rate,
            channels=2 if layout == "stereo" else 1,
            transcoded_from=track.codec,
        )
        self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        self._fifo: Any = av.AudioFifo()
        self._rate = rate
        self._steps = _Steps(rate)
        self._fifo_at = 0

    def frames(self, packet: MediaPacket) -> Iterator[SoundFrame]:
        """See `Sound`. What cannot be decoded is left out."""
        try:
            decoded = self._decoder.decode(av.Packet(bytes(packet.data)))
        except av.error.FFmpegError:
            return
        pts_90k = packet.pts_90k
        for frame in decoded:
            frame.pts = None
            for piece in self._resampler.resample(frame):
                yield from self._take(piece, pts_90k)
            pts_90k += rescale(frame.samples, TICKS_PER_S, frame.sample_rate)

    def _take(self, piece: Any, pts_90k: int) -> Iterator[SoundFrame]:
        at = self._steps.place(pts_90k, piece.samples)
        if at is None:
            return
        if at != self._fifo_at + self._fifo.samples:
            # A jump: what is left of the sound before it is less than a frame.
            self._fifo = av.AudioFifo()
            self._fifo_at = at
        piece.pts = None
        self._fifo.write(piece)
        while (chunk := self._fifo.read(_SAMPLES)) is not None:
            chunk.pts, chunk.time_base = self._fifo_at, Fraction(1, self._rate)
            self._fifo_at += _SAMPLES
            for out in self._encoder.encode(chunk):
                # The encoder's first frame is its run-up, a frame before the sound: its pts says so.
                yield SoundFrame(bytes(out), out.pts)


def _context(codec: str, mode: Literal["r", "w"], rate_hz: int, layout: str) -> Any:
    context: Any = av.CodecContext.create(codec, mode)
    context.sample_rate, context.layout = rate_hz, layout
    return context


def _config_of_adts(header: bytes) -> bytes:
    """Returns the AudioSpecificConfig that an ADTS header stands for. Source: ISO/IEC 13818-7 6.2, 14496-3 1.6.2.1."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return b""
    kind = (header[2] >> 6) + 1
    rate_index = header[2] >> 2 & 0xF
    channels = (header[2] & 1) << 2 | header[3] >> 6
    if rate_index >= len(AAC_RATES) or not channels:
        return b""
    return (kind << 11 | rate_index << 7 | channels << 3).to_bytes(2, "big")


def _rate_and_channels(config: bytes) -> tuple[int, int]:
    bits = int.from_bytes(config[:5].ljust(5, b"\0"), "big")
    index = bits >> 31 & 0xF
    if index == 15 or index >= len(AAC_RATES):
        return 0, 0
    channels = bits >> 27 & 0xF
    return AAC_RATES[index], {7: 8}.get(channels, channels)
