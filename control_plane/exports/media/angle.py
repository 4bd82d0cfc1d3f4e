"""Writes one camera's footage as an MP4 file (fragmented, ISO/IEC 14496-12) while it is read.

Pictures and sound are copied. A cut inside a group of pictures is exact: its pictures after the in point are encoded
again; before the out point only those of a stream with pictures out of order are. Memory: one group of pictures.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Protocol

import av

from control_plane.exports.media.fragment_reader import (
    EPOCH,
    MICROSECOND,
    SegmentReader,
    TimedPacket,
    epoch_us,
)
from control_plane.exports.media.recode import Recoder, with_parameter_sets
from control_plane.exports.media.sink import Sink
from control_plane.exports.sources import SourceFragment, SourceSegment

_FAR_US = 1 << 62
SHORTEST_GAP = timedelta(milliseconds=100)
_OPTIONS = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof+delay_moov",
    "flush_packets": "1",
    "avoid_negative_ts": "disabled",
}


@dataclass(slots=True)
class AngleFacts:
    """Facts of a file. `gaps`: stretches between its first and last picture without any, in class time."""

    frames: int = 0
    reencoded_frames: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    gaps: list[tuple[datetime, datetime]] = field(default_factory=list)


class Timed(Protocol):
    """Anything with a first and a last instant, such as a fragment."""

    @property
    def from_at(self) -> datetime:
        """Its start."""
        ...

    @property
    def to_at(self) -> datetime:
        """Its end; itself excluded."""
        ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """The wanted stretch, in class time; None: from the first picture, or to the last.

    `whole_fragments`: nothing is encoded again; fragments that reach beyond the bounds are left out.
    """

    from_at: datetime | None = None
    to_at: datetime | None = None
    whole_fragments: bool = False

    def touches(self, fragment: Timed) -> bool:
        """Whether any picture of a fragment is wanted."""
        before = self.from_at is not None and (
            fragment.from_at < self.from_at if self.whole_fragments else fragment.to_at <= self.from_at
        )
        after = self.to_at is not None and (
            fragment.to_at > self.to_at if self.whole_fragments else fragment.from_at >= self.to_at
        )
        return not before and not after

    def cuts(self, fragment: Timed) -> bool:
        """Whether only some pictures of a fragment are wanted."""
        return (self.from_at is not None and fragment.from_at < self.from_at) or (
            self.to_at is not None and fragment.to_at > self.to_at
        )


def angle_files(segments: Iterable[SourceSegment], bounds: Bounds) -> Iterator["AngleFile"]:
    """Yields the files of one angle; a further one begins where the camera's format changes.

    Each has to be read to its end before the next is asked for.
    """
    feed = _Feed(segments, bounds)
    while feed.peek() is not None:
        file = AngleFile(feed, bounds)
        yield file
        if not file.is_read:
            raise RuntimeError("Read a file to its end before the next.")
    feed.close()


class _Feed:
    """The segments that hold anything wanted, opened one ahead, so that a change of format is seen before it is written."""

    def __init__(self, segments: Iterable[SourceSegment], bounds: Bounds) -> None:
        self._segments, self._bounds = iter(segments), bounds
        self._next: SegmentReader | None = None

    def peek(self) -> SegmentReader | None:
        while self._next is None:
            segment = next(self._segments, None)
            if segment is None:
                return None
            wanted = [item for item in segment.fragments if self._bounds.touches(item)]
            if wanted:
                self._next = SegmentReader(SourceSegment(segment.init, wanted))
        return self._next

    def take(self) -> SegmentReader | None:
        found, self._next = self.peek(), None
        return found

    def close(self) -> None:
        if self._next is not None:
            self._next.close()


class AngleFile:
    """One MP4 file, as an iterable of its bytes. `facts` are complete, and `is_read` is true, at its end."""

    def __init__(self, feed: _Feed, bounds: Bounds) -> None:
        self._feed, self._bounds = feed, bounds
        self.facts = AngleFacts()
        self.is_read = False
        self._from_us = -_FAR_US if bounds.from_at is None else epoch_us(bounds.from_at)
        self._to_us = _FAR_US if bounds.to_at is None else epoch_us(bounds.to_at)
        self._clock = _FileClock(None if bounds.from_at is None else self._from_us)
        self._last_fragment: SourceFragment | None = None
        self._has_own_parameters = False

    def __iter__(self) -> Iterator[bytes]:
        """Yields the bytes of the file.

        Raises:
            av.error.FFmpegError: a fragment is damaged.
        """
        first = self._feed.peek()
        if first is None:
            raise RuntimeError("There is nothing to write.")
        parameters, sink = first.parameters, Sink()
        output: Any = av.open(sink, "w", format="mp4", options=_OPTIONS, buffer_size=1 << 20)
        streams = {True: output.add_stream_from_template(first.video)}
        if first.audio is not None:
            streams[False] = output.add_stream_from_template(first.audio)
        while (reader := self._feed.peek()) is not None and reader.parameters == parameters:
            self._feed.take()
            try:
                for packet, is_video in self._written(reader):
                    packet.stream = streams[is_video]
                    output.mux_one(packet)
                    if written := sink.take():
                        yield written
            finally:
                reader.close()
        output.close()
        yield sink.take()
        self.is_read = True

    def _written(self, reader: SegmentReader) -> Iterator[tuple[Any, bool]]:
        """Yields the packets to write of one segment, with their times in the file."""
        cut: list[TimedPacket] = []
        for item in reader.packets():
            if item.is_first:
                yield from self._recoded(reader, cut)
                cut = []
                self._begin(item.fragment)
            if item.is_video and self._bounds.cuts(item.fragment):
                cut.append(item)
            elif item.is_video:
                packet = item.packet
                if self._has_own_parameters and packet.is_keyframe:
                    packet = with_parameter_sets(packet, reader.video)
                    self._has_own_parameters = False
                yield self._counted(packet, item), True
            elif self._is_wanted(item):
                yield self._clock.dated(item.packet, item), False
        yield from self._recoded(reader, cut)

    def _begin(self, fragment: SourceFragment) -> None:
        before, self._last_fragment = self._last_fragment, fragment
        if before is not None and fragment.from_at - before.to_at >= SHORTEST_GAP:
            self.facts.gaps.append((before.to_at, fragment.from_at))
        self._clock.begin(epoch_us(fragment.from_at))

    def _recoded(self, reader: SegmentReader, cut: list[TimedPacket]) -> Iterator[tuple[Any, bool]]:
        """Yields the wanted pictures of a fragment that a bound cuts."""
        if not cut:
            return
        wanted = {item.packet.pts: item for item in cut if self._is_wanted(item)}
        starts_here = self._is_wanted(cut[0])
        in_order = [item.packet.pts for item in cut] == sorted(item.packet.pts for item in cut)
        if starts_here and in_order:
            for item in wanted.values():
                yield self._counted(item.packet, item), True
            return
        if not wanted or not cut[0].packet.is_keyframe:
            return
        recoder = Recoder(reader.video, _rate(cut))
        for packet in recoder.encode(
            [item.packet for item in cut], first_pts=min(wanted), end_pts=max(wanted) + 1
        ):
            item = wanted[packet.pts]
            self.facts.reencoded_frames += 1
            yield self._counted(packet, item), True
        self._has_own_parameters = True

    def _is_wanted(self, item: TimedPacket) -> bool:
        return self._from_us <= item.at_us < self._to_us

    def _counted(self, packet: Any, item: TimedPacket) -> Any:
        facts, at = self.facts, EPOCH + item.at_us * MICROSECOND
        facts.frames += 1
        facts.first_at = at if facts.first_at is None else min(facts.first_at, at)
        facts.last_at = at if facts.last_at is None else max(facts.last_at, at)
        return self._clock.dated(packet, item)


class _FileClock:
    """Turns times of the class into times of the file. `zero_us` None: its first fragment is at 0."""

    def __init__(self, zero_us: int | None) -> None:
        self._zero_us = zero_us
        self._last_dts: dict[bool, int] = {}

    def begin(self, at_us: int) -> None:
        """Notes the start of a fragment."""
        if self._zero_us is None:
            self._zero_us = at_us

    def dated(self, packet: Any, item: TimedPacket) -> Any:
        """Sets the times of a packet. Decoding times rise by at least a tick, also where two runs meet."""
        if self._zero_us is None:
            raise RuntimeError("A packet came before its fragment.")
        base = packet.time_base
        delay = packet.pts - packet.dts if packet.dts is not None else 0
        # To the nearest tick, in integers: this runs for every packet of hours of footage.
        scaled, unit = (item.at_us - self._zero_us) * base.denominator, base.numerator * 1_000_000
        pts = (2 * scaled + unit) // (2 * unit)
        dts = max(pts - delay, self._last_dts.get(item.is_video, pts - delay - 1) + 1)
        packet.pts, packet.dts = max(pts, dts), dts
        self._last_dts[item.is_video] = dts
        return packet


def _rate(cut: list[TimedPacket]) -> Fraction:
    """Returns the frame rate of a group of pictures, for the encoder's rate control."""
    span_us = max(item.at_us for item in cut) - cut[0].at_us
    return Fraction((len(cut) - 1) * 1_000_000, span_us).limit_denominator(1001) if span_us else Fraction(30)
