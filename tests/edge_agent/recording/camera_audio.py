"""Sound as cameras send it: packets of any codec that FFmpeg encodes, to be laid beside numbered pictures."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np

from edge_agent.sources.packet import AudioTrack, Kind, MediaPacket

GLOBAL_HEADER = 1 << 22
FRAME_OF_PCM_S = 0.02


def sound(
    codec: str, rate_hz: int, *, seconds: float, channels: int = 1, config: bool = True
) -> tuple[AudioTrack, list[bytes], int]:
    """Returns what a camera announces, its packets for so many seconds, and how many samples each holds."""
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.sample_rate, encoder.layout, encoder.time_base = rate_hz, layout, Fraction(1, rate_hz)
    encoder.format = encoder.codec.audio_formats[0].name
    if config:
        encoder.flags |= GLOBAL_HEADER
    encoder.open()
    size = encoder.frame_size or round(rate_hz * FRAME_OF_PCM_S)
    resampler = av.AudioResampler(format=encoder.format.name, layout=layout, rate=rate_hz)
    packets: list[bytes] = []
    for begin in range(0, int(seconds * rate_hz), size):
        wave = (np.sin(2 * np.pi * 440 * np.arange(begin, begin + size) / rate_hz) * 9000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(wave, channels)[None, :], format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, begin, Fraction(1, rate_hz)
        for piece in resampler.resample(frame):
            piece.pts = begin
            packets += [bytes(packet) for packet in encoder.encode(piece)]
    name = {"libopencore_amrnb": "amrnb", "libopus": "opus"}.get(codec, codec)
    track = AudioTrack(
        codec=name,
        sample_rate_hz=rate_hz,
        channels=channels,
        config=bytes(encoder.extradata or b"") if config else b"",
    )
    return track, packets, size


def timed(packets: Iterable[bytes], *, begin_90k: int, step_90k: float) -> list[MediaPacket]:
    """Returns packets of sound one step after the other; each arrives when its time is due."""
    return [at(data, begin_90k + round(index * step_90k)) for index, data in enumerate(packets)]


def at(data: bytes, pts_90k: int, *, arrives_90k: int | None = None) -> MediaPacket:
    """Returns one packet of sound."""
    due = pts_90k if arrives_90k is None else arrives_90k
    return MediaPacket(
        kind=Kind.AUDIO,
        data=data,
        size_bytes=len(data),
        pts_90k=pts_90k,
        dts_90k=pts_90k,
        keyframe=True,
        arrival_ns=due * 100_000 // 9,
    )


def together(pictures: Iterable[MediaPacket], sounds: Iterable[MediaPacket]) -> Iterator[MediaPacket]:
    """Yields pictures and sound as they arrive, given that pictures arrive when they are due."""
    waiting = sorted(sounds, key=lambda packet: packet.arrival_ns)
    for picture in pictures:
        while waiting and waiting[0].arrival_ns <= picture.pts_90k * 100_000 // 9:
            yield waiting.pop(0)
        yield picture
    yield from waiting
