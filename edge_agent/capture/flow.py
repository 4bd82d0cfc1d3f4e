"""From FFmpeg's packets to ours: whole pictures, on a timeline without jumps."""

import struct
from collections.abc import Iterator
from typing import Any

from edge_agent.capture.packet import Kind, MediaPacket
from edge_agent.capture.parameter_sets import continues_picture
from edge_agent.capture.rtptime import RtpTimeline, SoundShift
from shared.kernel.timebase import TICKS_PER_S, rescale

ORIGIN_90K = 10 * TICKS_PER_S
"""Where the first picture of each connection stands: sound and reordered pictures before it stay positive."""

_NTP_EPOCH_S = 2_208_988_800
_PRFT = struct.Struct("<q")
_SENDER_REPORT = struct.Struct("<IxxxxQI")


class _Picture:
    """A picture that may not be complete yet: the first packet has its times, `data` all its bytes."""

    def __init__(self, packet: Any, arrival_ns: int) -> None:
        self.packet = packet
        self.arrival_ns = arrival_ns
        self.data: Any = packet

    def add(self, packet: Any) -> None:
        if self.packet.pts is None:
            self.packet.pts, self.packet.dts = packet.pts, packet.dts
        self.data = bytes(self.data) + bytes(packet)


class Flow:
    """The packets of one connection.

    Pictures come first: what comes before the first key frame is let go. Where parameter sets stand before each slice
    of a key frame, FFmpeg makes a packet of each slice; they are put together again, and from then on each picture
    waits for the next packet to know that it is whole. No other camera pays that delay.
    """

    def __init__(self, video: Any, audio: Any, *, fps: float, dated: bool) -> None:
        self._has_reports = dated
        self._codec = video.codec_context.name
        self._video_index = video.index
        streams = [video] if audio is None else [video, audio]
        self._rates = {s.index: (s.time_base.denominator, s.time_base.numerator) for s in streams}
        self._timelines = {index: RtpTimeline(rate) for index, (rate, _) in self._rates.items()}
        self._dated = dict.fromkeys(self._rates, 0)
        rate, numerator = self._rates[video.index]
        self._frame = max(1, round(rate / numerator / fps))
        self._shift = SoundShift()
        self._origin: int | None = None
        self._held: _Picture | None = None
        self._sliced = False
        self._last_pts: int | None = None
        self._early_sound: list[tuple[Any, int]] = []

    def take(self, packet: Any, arrival_ns: int) -> Iterator[MediaPacket]:
        """Takes a packet as FFmpeg gives it; yields what is complete by it."""
        if packet.stream_index != self._video_index:
            if self._origin is not None:
                yield from self._timed(packet, packet, arrival_ns)
            elif self._held is not None:
                self._early_sound.append((packet, arrival_ns))
            return
        held = self._held
        if held is None:
            if self._origin is None and not packet.is_keyframe:
                return
            if packet.pts is not None and packet.pts == self._last_pts:
                # A slice of a picture that has gone already: the camera does this, it turns out.
                self._sliced = True
                packet.is_keyframe = False
        elif self._belongs_to(held, packet):
            self._sliced = True
            held.add(packet)
            return
        else:
            yield from self._release(held, packet.pts)
        self._held = _Picture(packet, arrival_ns)
        if not self._sliced and packet.pts is not None:
            yield from self._release(self._held, None)

    def finish(self) -> Iterator[MediaPacket]:
        """Yields what still waits when the stream ends."""
        if self._held is not None:
            yield from self._release(self._held, None)

    def _belongs_to(self, held: _Picture, packet: Any) -> bool:
        if held.packet.pts is not None:
            return bool(packet.pts == held.packet.pts)
        return continues_picture(memoryview(packet)[:16384], "h264" if self._codec == "h264" else "h265")

    def _release(self, picture: _Picture, next_pts: int | None) -> Iterator[MediaPacket]:
        self._held = None
        packet = picture.packet
        if packet.pts is None and next_pts is not None and self._origin is None:
            # FFmpeg's parser gives the very first picture no time; the next one tells it.
            packet.pts = packet.dts = next_pts - (packet.duration or self._frame)
        self._last_pts = packet.pts
        yield from self._timed(packet, picture.data, picture.arrival_ns)
        early, self._early_sound = self._early_sound, []
        for sound, arrival_ns in early:
            yield from self._timed(sound, sound, arrival_ns)

    def _timed(self, packet: Any, data: Any, arrival_ns: int) -> Iterator[MediaPacket]:
        index = packet.stream_index
        video = index == self._video_index
        rate, numerator = self._rates[index]
        timeline = self._timelines[index]
        sender_us, fresh_report = _sender_time(packet, timeline) if self._has_reports else (None, False)
        pts, dts = packet.pts, packet.dts
        if pts is None:
            pts = dts
        duration = packet.duration or (self._frame if video else 0)
        place = timeline.place(pts, duration, sender_us)
        if sender_us is not None:
            self._dated[index] += 1
            if self._dated[index] == 1:
                # The first wall time is that of the next frame: see `rtptime`.
                sender_us = None
        pts_90k = rescale(place * numerator, TICKS_PER_S, rate)
        dts_90k = pts_90k - (
            rescale((pts - dts) * numerator, TICKS_PER_S, rate) if pts is not None and dts is not None else 0
        )
        if video:
            if self._origin is None:
                self._origin = ORIGIN_90K - pts_90k
            if sender_us is not None and packet.is_keyframe:
                self._shift.video(pts_90k, sender_us)
            moved = self._origin
        else:
            if sender_us is not None and fresh_report:
                self._shift.audio(pts_90k, sender_us)
            moved = (self._origin or 0) + self._shift.shift_90k
        yield MediaPacket(
            kind=Kind.VIDEO if video else Kind.AUDIO,
            data=data,
            size_bytes=packet.size if data is packet else len(data),
            pts_90k=pts_90k + moved,
            dts_90k=dts_90k + moved,
            keyframe=packet.is_keyframe,
            arrival_ns=arrival_ns,
            sender_us=sender_us,
            reports=timeline.reports,
        )


def _sender_time(packet: Any, timeline: RtpTimeline) -> tuple[int | None, bool]:
    fresh = packet.has_sidedata("rtcp_sr")
    if fresh:
        _, ntp, rtp = _SENDER_REPORT.unpack_from(bytes(packet.get_sidedata("rtcp_sr")))
        timeline.report(
            rtp, ((ntp >> 32) - _NTP_EPOCH_S) * 1_000_000 + ((ntp & 0xFFFFFFFF) * 1_000_000 >> 32)
        )
    if not packet.has_sidedata("prft"):
        return None, fresh
    return _PRFT.unpack_from(bytes(packet.get_sidedata("prft")))[0], fresh
