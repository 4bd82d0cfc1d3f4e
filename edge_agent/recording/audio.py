"""The sound of a track: continuous AAC from the first picture of each run to its last.

All init sections of a class declare the same tracks: a player keeps the tracks that it started with, and waits for data of
each of them. So the audio plan is made once per class and camera, and every run follows it. Sound that is late, damaged,
missing or in another format is replaced by silence or transcoded. Nothing here delays pictures or ends a run.
"""

import logging
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Protocol

import av
import av.error

from edge_agent.sources.audio_format import (
    SAMPLES,
    config_of_adts,
    decodable,
    decoder_of,
    recorded_as,
    setup_of,
)
from edge_agent.sources.packet import AudioTrack, MediaPacket
from edge_agent.spool.track_progress import AudioPlan
from shared.kernel.timebase import TICKS_PER_S, rescale
from shared.protocol.media import AudioFormat

log = logging.getLogger(__name__)

BIT_RATE = 64_000
PATIENCE_90K = TICKS_PER_S * 3 // 4
"""Initial limit for how far sound may lag behind the pictures before silence fills its place."""
LONGEST_PATIENCE_90K = 3 * TICKS_PER_S
"""The highest limit, for a camera whose sound has come later. FFmpeg's muxer delays pictures by up to this."""
JUMP_90K = TICKS_PER_S // 5
"""A larger step forward is accepted only if the next packet continues from there."""
GOES_ON_90K = TICKS_PER_S
SLOWEST_HZ, FASTEST_HZ = 4_000, 192_000
LONGEST_PACKET_S = 2
"""Decoder output outside these limits means a wrong configuration: at 1 Hz one AAC packet would become 400 MB."""
LOUDEST = 4.0
"""Full scale is 1.0, and decoders overshoot it a little. FFmpeg's AAC encoder refuses a frame with one sample that is not
finite, or far beyond this."""
_SIGN_AND_EXPONENT = 3 if sys.byteorder == "little" else 0
_BELOW_2 = bytes(value for value in range(256) if value & 0x7F < 0x40)
"""Values of the top byte of a 32-bit float that prove a finite sample below 2.0. Nearly all samples pass this test."""
_FAULTS = (av.error.FFmpegError, ValueError, OverflowError)


def plan_audio(track: AudioTrack, first: MediaPacket | None = None) -> AudioPlan | None:
    """Returns the plan for a camera's sound, or None if it cannot be recorded.

    Args:
        first: a packet of it; needed for AAC in ADTS alone, which carries its configuration in each frame.
    """
    recorded = recorded_as(track)
    if recorded is None:
        return None
    config = track.config if track.codec == "aac" else b""
    if track.codec == "aac" and not config and first is not None:
        config = config_of_adts(bytes(memoryview(first.data)[:9]))
    setup = setup_of(config)
    if setup is not None and setup.copied:
        plan = AudioPlan(
            config=config,
            codec_string=f"mp4a.40.{setup.object_type}",
            sample_rate_hz=setup.rate_hz,
            channels=setup.channels,
        )
        if _silent_frame(plan) is not None:
            return plan
    return _encoded_plan(recorded.sample_rate_hz, recorded.channels)


def _encoded_plan(rate_hz: int, channels: int) -> AudioPlan:
    return AudioPlan(
        config=bytes(_encoder(rate_hz, channels).extradata or b""),
        codec_string="mp4a.40.2",
        sample_rate_hz=rate_hz,
        channels=channels,
    )


@dataclass(frozen=True)
class AacFrame:
    """One AAC frame without header; `at` counts samples of the plan's rate from the start of the run's timeline."""

    data: bytes
    at: int


class AudioTimeline:
    """The sound of one run. Used by one thread.

    `begin` sets the time of the first picture; from there on the AAC frames are contiguous. `push` places the camera's
    packets, `fill_silence` adds silence where none arrived in time.
    """

    def __init__(self, plan: AudioPlan, track: AudioTrack | None) -> None:
        """Args:
        plan: the sound that the track's init sections declare.
        track: the sound that the camera announces in this run; None: no sound.
        """
        self.plan = plan
        self._track = track
        self._path: _AudioPath = _SilentPath(plan, 0)
        self._has_path = False
        self._adts = b""
        self._begin = 0
        self._emitted = 0
        self._patience_90k = PATIENCE_90K
        self._picture_90k = 0
        self._unconfirmed: MediaPacket | None = None

    @property
    def has_audio(self) -> bool:
        """Whether any sound of the camera has been recorded in this run."""
        return self._path.has_audio

    @property
    def format(self) -> AudioFormat:
        """The format that is recorded."""
        encodes = isinstance(self._path, _EncodedPath) and self._track is not None
        return self.plan.format(self._track.codec if encodes and self._track else "")

    def begin(self, pts_90k: int) -> None:
        """Sets the time of the first picture of the run."""
        self._picture_90k = pts_90k
        # Rounded up: the first whole sample that is not before the picture.
        self._begin = self._emitted = -(-pts_90k * self.plan.sample_rate_hz // TICKS_PER_S)
        self._path = _SilentPath(self.plan, self._begin)
        if self._track is not None and (self._track.codec != "aac" or self._track.config):
            self._set_path(self._track, self._track.config)

    def push(self, packet: MediaPacket) -> Iterator[AacFrame]:
        """Yields the frames that a sound packet completes. Drops packets that are empty or too late."""
        if not packet.size_bytes or self._track is None:
            return
        adts = config_of_adts(bytes(memoryview(packet.data)[:9])) if self._track.codec == "aac" else b""
        if (adts and adts != self._adts) or not self._has_path:
            self._adts = adts
            self._set_path(self._track, adts or self._track.config)
        before, self._unconfirmed = self._unconfirmed, None
        if before is not None and 0 < packet.pts_90k - before.pts_90k < GOES_ON_90K:
            yield from self._place(before)
        elif self._sample_at(packet.pts_90k - JUMP_90K) > self._path.next_sample:
            self._unconfirmed = packet
            return
        yield from self._place(packet)

    def fill_silence(self, picture_90k: int) -> Iterator[AacFrame]:
        """Yields silence up to the point where sound may still arrive, given the time of a picture."""
        self._picture_90k = max(self._picture_90k, picture_90k)
        missing = self._sample_at(picture_90k - self._patience_90k) - self._path.next_sample
        if missing > 0:
            yield from self._emit(self._path.write_silence(missing))

    def finish(self, until_90k: int) -> Iterator[AacFrame]:
        """Yields held packets, then silence up to the end of the run's last picture."""
        if self._unconfirmed is not None:
            packet, self._unconfirmed = self._unconfirmed, None
            yield from self._place(packet)
        yield from self._emit(
            self._path.write_silence(max(0, self._sample_at(until_90k) - self._path.next_sample))
        )
        yield from self._emit(self._path.flush())

    def _place(self, packet: MediaPacket) -> Iterator[AacFrame]:
        at = self._sample_at(packet.pts_90k)
        # 40 ms, or three quarters of a frame at low rates: timestamps jitter by this much without a loss.
        tolerance = max(self.plan.sample_rate_hz // 25, SAMPLES * 3 // 4)
        if at < self._path.next_sample - tolerance:
            # Too late, silence has its place. Wait a quarter of a second longer than this packet needed from now on.
            if at > self._begin:
                lag_90k = self._picture_90k - packet.pts_90k + TICKS_PER_S // 4
                self._patience_90k = min(max(self._patience_90k, lag_90k), LONGEST_PATIENCE_90K)
            return
        if at > self._path.next_sample + tolerance:
            yield from self._emit(self._path.write_silence(at - self._path.next_sample))
        yield from self._emit(self._path.write(bytes(packet.data)))

    def _emit(self, frames: Iterator[AacFrame]) -> Iterator[AacFrame]:
        for frame in frames:
            # An encoder that starts within a run first emits its priming frame, whose place is filled already.
            if frame.at >= self._emitted:
                self._emitted = frame.at + SAMPLES
                yield frame

    def _set_path(self, track: AudioTrack, config: bytes) -> None:
        self._has_path = True
        until, heard = self._path.next_sample, self._path.has_audio
        if track.codec == "aac" and setup_of(config) == setup_of(self.plan.config):
            self._path = _CopiedPath(self.plan, until)
        elif decodable(track):
            self._path = _EncodedPath(self.plan, track, until)
        else:
            log.warning("sound of this kind is not recorded", extra={"codec": track.codec})
        self._path.has_audio = heard

    def _sample_at(self, pts_90k: int) -> int:
        return rescale(pts_90k, self.plan.sample_rate_hz, TICKS_PER_S)


class _AudioPath(Protocol):
    """Writes sound and silence end to end. `next_sample` follows the last written one; `has_audio`: some of it was sound."""

    next_sample: int
    has_audio: bool

    def write(self, data: bytes) -> Iterator[AacFrame]:
        """Writes one packet of the camera. If it cannot be decoded, writes silence or nothing."""
        ...

    def write_silence(self, samples: int) -> Iterator[AacFrame]:
        """Writes that many samples of silence, rounded to whole frames where the path has no encoder."""
        ...

    def flush(self) -> Iterator[AacFrame]:
        """Yields the remaining frames; nothing is written afterwards."""
        ...


class _SilentPath:
    """Silence only: the camera sends no sound, or none that can be decoded."""

    def __init__(self, plan: AudioPlan, at: int) -> None:
        self.next_sample = at
        self.has_audio = False
        self._silence = _silent_frame(plan) or b""

    def write(self, data: bytes) -> Iterator[AacFrame]:
        """See `_AudioPath`."""
        return iter(())

    def write_silence(self, samples: int) -> Iterator[AacFrame]:
        """See `_AudioPath`."""
        for _ in range((samples + SAMPLES // 2) // SAMPLES):
            yield self._next(self._silence)

    def flush(self) -> Iterator[AacFrame]:
        """See `_AudioPath`."""
        return iter(())

    def _next(self, data: bytes) -> AacFrame:
        frame = AacFrame(data, self.next_sample)
        self.next_sample += SAMPLES
        return frame


class _CopiedPath(_SilentPath):
    """The camera's AAC frames without their ADTS headers.

    Each frame is test-decoded: a browser that meets an undecodable one stops playing the pictures too.
    """

    def __init__(self, plan: AudioPlan, at: int) -> None:
        super().__init__(plan, at)
        self._checker = _aac_decoder(plan)

    def write(self, data: bytes) -> Iterator[AacFrame]:
        """See `_AudioPath`."""
        if data[:1] == b"\xff" and data[1:2] and data[1] & 0xF6 == 0xF0:
            data = data[7 if data[1] & 1 else 9 :]
        # A second header in place of a frame would make the muxer stop, and the pictures with it.
        is_valid = bool(data) and not (data[0] == 0xFF and data[1:2] >= b"\xf0") and self._decodes(data)
        self.has_audio |= is_valid
        yield self._next(data if is_valid else self._silence)

    def _decodes(self, data: bytes) -> bool:
        try:
            return bool(self._checker.decode(av.Packet(data)))
        except _FAULTS:
            return False


class _EncodedPath:
    """Any sound that FFmpeg decodes (G.711, Opus, MP2, other AAC), transcoded to the plan's AAC."""

    def __init__(self, plan: AudioPlan, track: AudioTrack, at: int) -> None:
        self.next_sample = at
        self.has_audio = False
        self._plan = plan
        self._rate_hz = plan.sample_rate_hz
        self._layout = _layout(plan.channels)
        self._decoder: Any = decoder_of(track)
        self._encoder: Any = _encoder(plan.sample_rate_hz, plan.channels)
        self._resampler: Any = None
        self._source: tuple[int, str, str] | None = None
        self._fifo: Any = av.AudioFifo()
        self._fifo_at = at

    def write(self, data: bytes) -> Iterator[AacFrame]:
        """See `_AudioPath`."""
        try:
            for frame in self._decoder.decode(av.Packet(data)):
                for piece in self._resampled(frame):
                    self._queue(_bounded(piece))
                    self.has_audio = True
        except _FAULTS:
            pass
        yield from self._encode()

    def write_silence(self, samples: int) -> Iterator[AacFrame]:
        """See `_AudioPath`."""
        while samples > 0:
            count = min(samples, self._rate_hz)
            self._queue(_silent_samples(self._layout, self._rate_hz, count))
            samples -= count
            yield from self._encode()

    def flush(self) -> Iterator[AacFrame]:
        """See `_AudioPath`."""
        yield from self.write_silence(-self._fifo.samples % SAMPLES)
        try:
            rest = list(self._encoder.encode(None))
        except _FAULTS:
            rest = self._restart_encoder(3)
        yield from (AacFrame(bytes(out), out.pts) for out in rest)

    def _resampled(self, frame: Any) -> list[Any]:
        if (
            not SLOWEST_HZ <= frame.sample_rate <= FASTEST_HZ
            or frame.samples > LONGEST_PACKET_S * frame.sample_rate
        ):
            raise ValueError("no camera sends such sound")
        source = (frame.sample_rate, frame.format.name, frame.layout.name)
        if source != self._source:
            # The decoder's output may differ from what the camera announces, and change.
            self._source = source
            self._resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate_hz)
        frame.pts = None
        return list(self._resampler.resample(frame))

    def _queue(self, piece: Any) -> None:
        if piece.samples:
            piece.pts = None
            self._fifo.write(piece)
            self.next_sample += piece.samples

    def _encode(self) -> Iterator[AacFrame]:
        while (chunk := self._fifo.read(SAMPLES)) is not None:
            try:
                encoded = self._encoded(chunk, self._fifo_at)
            except _FAULTS:
                encoded = self._restart_encoder(2)
            for out in encoded:
                # The encoder's first frame is its priming, one frame before the sound, as its pts says.
                yield AacFrame(bytes(out), out.pts)
            self._fifo_at += SAMPLES

    def _encoded(self, chunk: Any, at: int) -> list[Any]:
        chunk.pts, chunk.time_base = at, Fraction(1, self._rate_hz)
        return list(self._encoder.encode(chunk))

    def _restart_encoder(self, frames: int) -> list[Any]:
        """Returns silence in place of a frame that the encoder refused. A new encoder is needed: the old one stays failed.

        An encoder emits a frame when it receives the next but one, and its priming comes one frame earlier. So silence
        that starts one frame earlier replaces what the old encoder still had to emit.

        Args:
            frames: how many to encode: 2 in place of one frame, 3 in place of the end.
        """
        log.debug("the encoder refuses a frame of sound")
        self._encoder = _encoder(self._rate_hz, self._plan.channels)
        encoded: list[Any] = []
        try:
            for index in range(frames):
                silence = _silent_samples(self._layout, self._rate_hz, SAMPLES)
                encoded += self._encoded(silence, self._fifo_at + (index - 1) * SAMPLES)
        except _FAULTS:
            log.debug("the encoder refuses silence")
        return encoded


def _bounded(piece: Any) -> Any:
    """Returns samples (`fltp`) with zeros for those that are not finite or beyond `LOUDEST`."""
    planes = [bytes(plane)[: piece.samples * 4] for plane in piece.planes]
    if not any(plane[_SIGN_AND_EXPONENT::4].translate(None, _BELOW_2) for plane in planes):
        return piece
    clean: Any = av.AudioFrame(format="fltp", layout=piece.layout.name, samples=piece.samples)
    clean.sample_rate, clean.time_base = piece.sample_rate, Fraction(1, piece.sample_rate)
    for target, plane in zip(clean.planes, planes, strict=True):
        # A comparison with NaN is false.
        kept = (value if -LOUDEST <= value <= LOUDEST else 0.0 for value in array("f", plane))
        target.update(array("f", kept).tobytes().ljust(target.buffer_size, b"\0"))
    return clean


def _encoder(rate_hz: int, channels: int) -> Any:
    encoder: Any = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout = rate_hz, _layout(channels)
    encoder.format = "fltp"
    encoder.bit_rate = BIT_RATE
    encoder.time_base = Fraction(1, rate_hz)
    encoder.flags |= 1 << 22  # global header: the configuration apart, no ADTS
    encoder.open()
    return encoder


def _layout(channels: int) -> str:
    return "mono" if channels == 1 else "stereo"


def _aac_decoder(plan: AudioPlan) -> Any:
    decoder: Any = av.CodecContext.create("aac", "r")
    decoder.extradata = plan.config
    return decoder


def _silent_samples(layout: str, rate_hz: int, samples: int) -> Any:
    piece: Any = av.AudioFrame(format="fltp", layout=layout, samples=samples)
    for plane in piece.planes:
        plane.update(bytes(plane.buffer_size))
    piece.sample_rate, piece.time_base = rate_hz, Fraction(1, rate_hz)
    return piece


@lru_cache(maxsize=16)
def _silent_frame(plan: AudioPlan) -> bytes | None:
    """Returns a silent AAC frame for the plan, or None if a decoder with the plan's configuration refuses it."""
    frames: list[bytes] = []
    try:
        encoder = _encoder(plan.sample_rate_hz, plan.channels)
        for index in range(4):
            piece = _silent_samples(_layout(plan.channels), plan.sample_rate_hz, SAMPLES)
            piece.pts = index * SAMPLES
            frames += [bytes(packet) for packet in encoder.encode(piece)]
        return frames[-1] if _aac_decoder(plan).decode(av.Packet(frames[-1])) else None
    except _FAULTS:
        return None
