"""Demuxes one stored segment, and says of each packet to which fragment it belongs."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import av

from control_plane.exports.sources import SourceFragment, SourceSegment

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_OPTIONS = {"probesize": "32", "analyzeduration": "0", "fpsprobesize": "0"}
"""The init section says everything; looking for more would decode pictures of every segment."""


MediaError = av.error.FFmpegError
"""FFmpeg cannot read, decode or write something."""


@dataclass(frozen=True, slots=True)
class TimedPacket:
    """A packet as the demuxer returned it. `at_us` is its presentation time on the clock of the class, since 1970."""

    packet: Any
    fragment: SourceFragment
    is_first: bool
    is_video: bool
    at_us: int


class _Bytes:
    """A file object of the init section and then the fragments, each read when its turn comes."""

    def __init__(self, segment: SourceSegment) -> None:
        self._fragments = iter(segment.fragments)
        self._rest = memoryview(segment.init)
        self._at = len(segment.init)
        self.starts: list[int] = []

    def read(self, size: int) -> bytes:
        while not self._rest:
            fragment = next(self._fragments, None)
            if fragment is None:
                return b""
            self.starts.append(self._at)
            self._rest = memoryview(fragment.read())
            self._at += len(self._rest)
        part, self._rest = self._rest[:size], self._rest[size:]
        return bytes(part)


class SegmentReader:
    """One open segment. Memory: one fragment and the demuxer's index."""

    def __init__(self, segment: SourceSegment) -> None:
        """Raises:
        av.error.FFmpegError: the init section is not one.
        """
        self._segment = segment
        self._bytes = _Bytes(segment)
        self._input: Any = av.open(self._bytes, "r", format="mp4", options=_OPTIONS)
        self.video: Any = self._input.streams.video[0]
        self.audio: Any = next(iter(self._input.streams.audio), None)

    @property
    def parameters(self) -> tuple[object, ...]:
        """Segments that share a file are equal in these: codecs, sizes and decoder configurations."""
        found: list[object] = []
        for stream in (self.video, self.audio):
            context = stream.codec_context if stream is not None else None
            found.append(context and (context.name, bytes(context.extradata or b"")))
        return (
            *found,
            self.video.width,
            self.video.height,
            self.video.time_base,
            self.audio and self.audio.rate,
        )

    def packets(self) -> Iterator[TimedPacket]:
        """Yields the packets in order of decoding, sound after the first picture of its fragment.

        Raises:
            av.error.FFmpegError: a fragment is damaged.
        """
        waiting: list[Any] = []
        current, zero_us = -1, 0
        for packet in self._input.demux([stream for stream in (self.video, self.audio) if stream]):
            if packet.pts is None:
                continue
            index = bisect_right(self._bytes.starts, packet.pos) - 1
            is_video = packet.stream_index == self.video.index
            if index > current and not is_video:
                waiting.append(packet)
                continue
            is_first = index > current
            fragment = self._segment.fragments[index]
            if is_first:
                current, zero_us = index, epoch_us(fragment.from_at) - _pts_us(packet)
            yield TimedPacket(packet, fragment, is_first, is_video, zero_us + _pts_us(packet))
            if is_first:
                for sound in waiting:
                    yield TimedPacket(
                        sound, fragment, is_first=False, is_video=False, at_us=zero_us + _pts_us(sound)
                    )
                waiting.clear()

    def close(self) -> None:
        """Frees the demuxer."""
        self._input.close()


def epoch_us(at: datetime) -> int:
    """Returns an instant as integer microseconds since 1970."""
    return (at - EPOCH) // MICROSECOND


def _pts_us(packet: Any) -> int:
    base = packet.time_base
    return int(packet.pts * 1_000_000 * base.numerator // base.denominator)
