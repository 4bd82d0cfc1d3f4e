"""Writes several angles side by side as one MP4 file, in sync to the picture, while they are read.

At each tick of the file every angle shows its newest picture; in a gap it is black. FFmpeg's `fps` and `xstack` filters keep
the time. Memory: a few pictures of each angle.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from typing import Any

import av
from av.filter import Graph

from control_plane.exports.media.angle import SHORTEST_GAP, Bounds
from control_plane.exports.media.fragment_reader import MICROSECOND, SegmentReader, epoch_us
from control_plane.exports.media.sink import Sink
from control_plane.exports.media.time_stamp import TimeStamp
from control_plane.exports.sources import MOST_ANGLES, SourceSegment

_US = Fraction(1, 1_000_000)
_BLACK_AFTER_US = SHORTEST_GAP // MICROSECOND
_OPTIONS = {"movflags": "frag_keyframe+empty_moov+default_base_moof+delay_moov", "flush_packets": "1"}


@dataclass(frozen=True, slots=True)
class GridLayout:
    """How a grid looks: the size of a cell in pixels (even numbers), pictures a second, quality of x264."""

    cell: tuple[int, int] = (640, 360)
    fps: int = 30
    preset: str = "veryfast"
    crf: int = 21
    burn_in_time: bool = False


@dataclass(frozen=True, slots=True, order=True)
class _Shown:
    """A picture of one angle from an instant on; `frame` None: it is black."""

    at_us: int
    angle: int
    frame: Any


class GridFile:
    """One MP4 file, as an iterable of its bytes. `frames` counts its pictures."""

    def __init__(self, angles: Sequence[Iterable[SourceSegment]], bounds: Bounds, layout: GridLayout) -> None:
        """Args:
            angles: the footage of each angle, in the order of the cells, row by row.
            bounds: both ends have to be given.

        Raises:
            ValueError: no angle, too many, or no bounds.
        """
        if not 1 <= len(angles) <= MOST_ANGLES:
            raise ValueError(f"A grid has 1 to {MOST_ANGLES} angles.")
        if bounds.from_at is None or bounds.to_at is None:
            raise ValueError("A grid needs both bounds.")
        self._angles, self._layout = angles, layout
        self._bounds = bounds
        self._from_us, self._to_us = epoch_us(bounds.from_at), epoch_us(bounds.to_at)
        self._last_us = [-1] * len(angles)
        self.frames = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yields the bytes of the file.

        Raises:
            av.error.FFmpegError: a fragment is damaged.
        """
        layout = self._layout
        sink = Sink()
        output: Any = av.open(sink, "w", format="mp4", options=_OPTIONS, buffer_size=1 << 20)
        graph, inputs, end = self._connected()
        columns, rows = _shape(len(inputs))
        stream = output.add_stream("libx264", rate=layout.fps)
        stream.width, stream.height = layout.cell[0] * columns, layout.cell[1] * rows
        stream.pix_fmt = "yuv420p"
        # A key frame every two seconds, for seeking.
        stream.options = {"preset": layout.preset, "crf": str(layout.crf), "g": str(layout.fps * 2)}
        stamp = TimeStamp(layout.cell[1]) if layout.burn_in_time else None

        def encoded() -> Iterator[bytes]:
            for frame in _pulled(end):
                frame.pict_type = 0
                if stamp is not None:
                    stamp.draw(frame, self._from_us + round(frame.pts * frame.time_base / _US))
                self.frames += 1
                for packet in stream.encode(frame):
                    output.mux_one(packet)
                if written := sink.take():
                    yield written

        shown = [self._pictures(number, segments) for number, segments in enumerate(self._angles)]
        for item in merge(*shown, key=lambda picture: picture.at_us):
            inputs[item.angle].push(self._fitted(item))
            yield from encoded()
        for number, source in enumerate(inputs):
            # The last picture is shown up to the out point, whichever angle ends first.
            source.push(self._fitted(_Shown(self._to_us, number, None)))
            source.push(None)
        yield from encoded()
        output.mux(stream.encode(None))
        output.close()
        del graph
        yield sink.take()

    def _connected(self) -> tuple[Graph, list[Any], Any]:
        """Returns the filters, a source for each angle, and their end. The graph has to live as long as both."""
        layout, count = self._layout, len(self._angles)
        width, height = layout.cell
        duration_s = (self._to_us - self._from_us) / 1_000_000
        graph = Graph()
        picture_format = av.VideoFormat("yuv420p", width, height)
        inputs = []
        stack = None
        if count > 1:
            columns, _ = _shape(count)
            places = "|".join(
                f"{number % columns * width}_{number // columns * height}" for number in range(count)
            )
            stack = graph.add("xstack", f"inputs={count}:layout={places}:fill=black")
        end = graph.add("buffersink")
        for number in range(count):
            source = graph.add_buffer(width=width, height=height, format=picture_format, time_base=_US)
            rate = graph.add("fps", f"fps={layout.fps}:start_time=0:round=near")
            trim = graph.add("trim", f"end={duration_s:.6f}")
            source.link_to(rate)
            rate.link_to(trim)
            if stack is None:
                trim.link_to(end)
            else:
                trim.link_to(stack, 0, number)
            inputs.append(source)
        if stack is not None:
            stack.link_to(end)
        graph.configure()
        return graph, inputs, end

    def _pictures(self, number: int, segments: Iterable[SourceSegment]) -> Iterator[_Shown]:
        """Yields the pictures of one angle inside the bounds, in order, and black ones where they are missing."""
        last_end_us = self._from_us
        for at_us, end_us, frame in self._decoded(segments):
            if at_us - last_end_us >= _BLACK_AFTER_US:
                yield _Shown(last_end_us, number, None)
            yield _Shown(at_us, number, frame)
            last_end_us = end_us
        yield _Shown(min(last_end_us, self._to_us), number, None)

    def _decoded(self, segments: Iterable[SourceSegment]) -> Iterator[tuple[int, int, Any]]:
        """Yields each wanted picture with its time and the time to which it is shown at most."""
        for segment in segments:
            wanted = [item for item in segment.fragments if self._bounds.touches(item)]
            if not wanted:
                continue
            reader = SegmentReader(SourceSegment(segment.init, wanted))
            try:
                yield from self._wanted(reader)
            finally:
                reader.close()

    def _wanted(self, reader: SegmentReader) -> Iterator[tuple[int, int, Any]]:
        times: dict[int, tuple[int, int]] = {}
        for item in reader.packets():
            if not item.is_video:
                continue
            times[item.packet.pts] = item.at_us, epoch_us(item.fragment.to_at)
            for frame in item.packet.decode():
                yield from self._kept(frame, times)
        for frame in reader.video.decode(None):
            yield from self._kept(frame, times)

    def _kept(self, frame: Any, times: dict[int, tuple[int, int]]) -> Iterator[tuple[int, int, Any]]:
        at_us, end_us = times.pop(frame.pts)
        if self._from_us <= at_us < self._to_us:
            yield at_us, end_us, frame

    def _fitted(self, item: _Shown) -> Any:
        """Returns a picture as large as a cell, with its time in the file; times of an angle rise."""
        width, height = self._layout.cell
        if item.frame is None:
            frame = _black(width, height)
        else:
            frame = item.frame.reformat(width=width, height=height, format="yuv420p")
        at_us = max(item.at_us - self._from_us, self._last_us[item.angle] + 1)
        frame.pts, frame.time_base = at_us, _US
        self._last_us[item.angle] = at_us
        return frame


def _pulled(end: Any) -> Iterator[Any]:
    while True:
        try:
            yield end.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _shape(count: int) -> tuple[int, int]:
    """Returns columns and rows of a grid: up to three in a row."""
    columns = min(count, 3) if count != 4 else 2
    return columns, -(-count // columns)


def _black(width: int, height: int) -> Any:
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, value in zip(frame.planes, (16, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame
