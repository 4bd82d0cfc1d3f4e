"""Converts FFmpeg's packets to ours: complete access units on a timeline without jumps."""

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edge_agent.sources.packet import Kind, MediaPacket
from edge_agent.sources.parameter_sets import Codec, continues_picture, may_reorder, parameter_sets
from edge_agent.sources.rtp_timeline import AudioOffset, RtpTimeline
from edge_agent.sources.timestamps import (
    MOST_REORDERED,
    DtsGenerator,
    PlacedPicture,
    PtsFilter,
    infer_first_pts,
)
from shared.kernel.timebase import TICKS_PER_S, rescale

ORIGIN_90K = 10 * TICKS_PER_S
"""Pts of the first picture of each connection, so that sound and reordered pictures before it stay positive."""

EARLY_SOUND_MOST = 500
"""Limit of sound packets that wait for the first pictures; a few seconds."""

_NTP_EPOCH_S = 2_208_988_800
_PRFT = struct.Struct("<q")
_SENDER_REPORT = struct.Struct("<IxxxxQI")


class _Picture:
    """A picture that may be incomplete: the first packet has its times, `data` all its bytes."""

    def __init__(self, packet: Any, arrival_ns: int) -> None:
        self.packet = packet
        self.arrival_ns = arrival_ns
        self.data: Any = packet
        self.is_keyframe: bool = packet.is_keyframe

    def add(self, packet: Any) -> None:
        if self.packet.pts is None:
            self.packet.pts, self.packet.dts = packet.pts, packet.dts
        self.data = bytes(self.data) + bytes(packet)


@dataclass(frozen=True)
class _Timed:
    """A picture with its unfiltered times."""

    picture: _Picture
    sender_us: int | None
    reports: int


class Packetizer:
    """Converts the packets of one connection.

    Packets before the first key frame are dropped. The first few pictures are held until their reordering is known,
    because FFmpeg gives the very first picture no pts. If a camera repeats parameter sets before each slice of a key frame,
    FFmpeg makes one packet per slice; they are joined again, and from then on each picture waits for the next packet to be
    known complete. Only such cameras pay that delay.
    """

    def __init__(self, video: Any, audio: Any, *, fps: float, is_rtp: bool) -> None:
        """Args:
        video: FFmpeg's video stream.
        audio: its audio stream; None: there is none.
        fps: frame rate that the stream declares.
        is_rtp: whether the stream is RTP: its times are 32 bits, and sender reports come with them.
        """
        self._is_rtp = is_rtp
        self._codec: Codec = "h264" if video.codec_context.name == "h264" else "h265"
        self._sets = bytes(video.codec_context.extradata or b"")
        self._video_index = video.index
        streams = [video] if audio is None else [video, audio]
        self._rates = {s.index: (s.time_base.denominator, s.time_base.numerator) for s in streams}
        self._timelines = {index: RtpTimeline(rate, wraps=is_rtp) for index, (rate, _) in self._rates.items()}
        self._sender_times = dict.fromkeys(self._rates, 0)
        rate, numerator = self._rates[video.index]
        self._frame = max(1, round(rate / numerator / fps))
        self._audio_offset = AudioOffset()
        self._origin: int | None = None
        self._held: _Picture | None = None
        self._first: list[_Picture] = []
        self._pts_filter: PtsFilter[_Timed] | None = None
        self._dts_generator: DtsGenerator | None = None
        self._undecoded = 0
        self._sliced = False
        self._last_pts: int | None = None
        self._early_audio: deque[tuple[Any, int]] = deque(maxlen=EARLY_SOUND_MOST)

    def push(self, packet: Any, arrival_ns: int) -> Iterator[MediaPacket]:
        """Adds a packet of FFmpeg; yields the packets that it completes."""
        if packet.stream_index != self._video_index:
            if self._origin is not None:
                yield self._audio_packet(packet, arrival_ns)
            elif self._held is not None or self._first:
                self._early_audio.append((packet, arrival_ns))
            return
        if self._pts_filter is None and packet.dts is None and packet.pts is not None:
            self._undecoded += 1
        held = self._held
        if held is not None:
            if self._belongs_to(held, packet):
                self._sliced = True
                held.add(packet)
                return
            yield from self._release(held)
        elif self._pts_filter is None and not self._first and not packet.is_keyframe:
            return
        picture = _Picture(packet, arrival_ns)
        if packet.pts is not None and packet.pts == self._last_pts and self._continues(packet):
            # A further slice of a picture already released: this camera sends slices as packets.
            self._sliced = True
            picture.is_keyframe = False
        if self._sliced or packet.pts is None:
            self._held = picture
        else:
            yield from self._release(picture)

    def finish(self) -> Iterator[MediaPacket]:
        """Yields the held packets at the end of the stream."""
        if self._held is not None:
            yield from self._release(self._held)
        if self._first:
            yield from self._begin()
        if self._pts_filter is not None:
            for placed in self._pts_filter.finish():
                yield self._video_packet(placed)

    def _may_reorder(self, timed: _Timed) -> bool:
        return may_reorder(memoryview(timed.picture.data)[:16384], self._sets, self._codec)

    def _continues(self, packet: Any) -> bool:
        return continues_picture(memoryview(packet)[:16384], self._codec)

    def _belongs_to(self, held: _Picture, packet: Any) -> bool:
        # Two complete pictures may share a pts by mistake; only a slice that is not the first of its picture belongs to it.
        return (held.packet.pts is None or packet.pts == held.packet.pts) and self._continues(packet)

    def _release(self, picture: _Picture) -> Iterator[MediaPacket]:
        """Handles a complete picture."""
        self._held = None
        self._last_pts = picture.packet.pts
        if self._pts_filter is not None:
            yield from self._timed(picture)
            return
        if not self._first:
            self._sets = parameter_sets(memoryview(picture.data)[:16384], self._codec) or self._sets
        self._first.append(picture)
        if picture.packet.dts is not None or len(self._first) > MOST_REORDERED + 2:
            yield from self._begin()

    def _begin(self) -> Iterator[MediaPacket]:
        """Starts the timeline with the first pictures, now that their reordering is known."""
        first, self._first = self._first, []
        begin = first[0].packet
        depth = self._depth(begin)
        if begin.pts is None:
            others = [picture.packet.pts for picture in first[1:] if picture.packet.pts is not None]
            begin.pts = infer_first_pts(others, frame=self._frame, begin=0 if self._is_rtp else None)
        rate, numerator = self._rates[self._video_index]
        self._pts_filter = PtsFilter(
            frame=self._frame,
            second=max(1, rate // numerator),
            reorders=depth > 0,
            wrap=1 << 32 if self._is_rtp else None,
            may_reorder=self._may_reorder,
        )
        if self._is_rtp:
            shown = [picture.packet.pts for picture in first if picture.packet.pts is not None]
            self._dts_generator = DtsGenerator(depth=depth, frame=self._frame, first=shown)
        for picture in first:
            yield from self._timed(picture)
        early, self._early_audio = self._early_audio, deque(maxlen=0)
        for sound, arrival_ns in early:
            yield self._audio_packet(sound, arrival_ns)

    def _depth(self, first: Any) -> int:
        """Returns the reorder depth: how many pictures are decoded before the one that is shown first.

        FFmpeg reveals it by missing dts: that many packets have none, not counting the very first.
        """
        if first.pts is None or first.dts is None:
            return self._undecoded
        return max(self._undecoded, int((first.pts - first.dts + self._frame // 2) // self._frame))

    def _timed(self, picture: _Picture) -> Iterator[MediaPacket]:
        packet = picture.packet
        place, sender_us = self._place(packet, self._frame)
        arrival = rescale(picture.arrival_ns, self._rates[self._video_index][0], 10**9)
        timed = _Timed(picture, sender_us, self._timelines[self._video_index].reports)
        if self._pts_filter is not None:
            for placed in self._pts_filter.push(timed, place, arrival):
                yield self._video_packet(placed)

    def _place(self, packet: Any, frame: int) -> tuple[int, int | None]:
        """Returns a packet's position on its stream's timeline, and its wall-clock time by the camera."""
        index = packet.stream_index
        timeline = self._timelines[index]
        sender_us = _sender_time(packet, timeline) if self._is_rtp else None
        pts = packet.dts if packet.pts is None else packet.pts
        place = timeline.place(pts, packet.duration or frame, sender_us)
        if sender_us is not None:
            self._sender_times[index] += 1
            if self._sender_times[index] == 1:
                # The first wall time belongs to the next frame: see `rtp_timeline`.
                sender_us = None
        return place, sender_us

    def _video_packet(self, placed: PlacedPicture[_Timed]) -> MediaPacket:
        picture, packet = placed.item.picture, placed.item.picture.packet
        rate, numerator = self._rates[self._video_index]
        pts_90k = rescale(placed.at * numerator, TICKS_PER_S, rate)
        if self._origin is None:
            self._origin = ORIGIN_90K - pts_90k
        # The time of an outlier says nothing about the camera's clock either.
        sender_us = None if placed.is_outlier else placed.item.sender_us
        if sender_us is not None and picture.is_keyframe:
            self._audio_offset.video(pts_90k, sender_us)
        return MediaPacket(
            kind=Kind.VIDEO,
            data=picture.data,
            size_bytes=packet.size if picture.data is packet else len(picture.data),
            pts_90k=pts_90k + self._origin,
            dts_90k=pts_90k + self._origin - self._ahead_90k(placed),
            keyframe=picture.is_keyframe,
            arrival_ns=picture.arrival_ns,
            sender_us=sender_us,
            reports=placed.item.reports,
        )

    def _ahead_90k(self, placed: PlacedPicture[_Timed]) -> int:
        """Returns pts minus dts of a picture."""
        packet = placed.item.picture.packet
        rate, numerator = self._rates[self._video_index]
        if self._dts_generator is not None:
            ahead = placed.at - self._dts_generator.next_dts(placed.at, is_step=placed.is_step)
        elif packet.pts is None or packet.dts is None or placed.is_outlier:
            ahead = 0
        else:
            ahead = packet.pts - packet.dts
        return rescale(ahead * numerator, TICKS_PER_S, rate)

    def _audio_packet(self, packet: Any, arrival_ns: int) -> MediaPacket:
        rate, numerator = self._rates[packet.stream_index]
        timeline = self._timelines[packet.stream_index]
        before = timeline.reports
        place, sender_us = self._place(packet, 0)
        pts_90k = rescale(place * numerator, TICKS_PER_S, rate)
        if sender_us is not None and timeline.reports != before:
            self._audio_offset.audio(pts_90k, sender_us)
        # Onto the video timeline: same origin, plus the offset that sender reports have revealed.
        moved = (self._origin or 0) + self._audio_offset.shift_90k
        pts, dts = packet.pts, packet.dts
        ahead = rescale((pts - dts) * numerator, TICKS_PER_S, rate) if None not in (pts, dts) else 0
        return MediaPacket(
            kind=Kind.AUDIO,
            data=packet,
            size_bytes=packet.size,
            pts_90k=pts_90k + moved,
            dts_90k=pts_90k + moved - ahead,
            keyframe=packet.is_keyframe,
            arrival_ns=arrival_ns,
            sender_us=sender_us,
            reports=timeline.reports,
        )


def _sender_time(packet: Any, timeline: RtpTimeline) -> int | None:
    if packet.has_sidedata("rtcp_sr"):
        _, ntp, rtp = _SENDER_REPORT.unpack_from(bytes(packet.get_sidedata("rtcp_sr")))
        timeline.report(
            rtp, ((ntp >> 32) - _NTP_EPOCH_S) * 1_000_000 + ((ntp & 0xFFFFFFFF) * 1_000_000 >> 32)
        )
    if not packet.has_sidedata("prft"):
        return None
    return int(_PRFT.unpack_from(bytes(packet.get_sidedata("prft")))[0])
