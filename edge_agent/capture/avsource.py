"""What all sources that FFmpeg reads have in common: opening, choosing the streams, and turning packets into ours."""

import struct
import threading
from collections.abc import Iterator
from typing import Any

import av
import av.error
from av.bitstream import BitStreamFilterContext

from edge_agent.capture.faults import camera_failed
from edge_agent.capture.packet import AudioTrack, Kind, MediaPacket, StreamInfo, VideoTrack
from edge_agent.capture.parameter_sets import Codec, parameter_sets
from edge_agent.capture.rtptime import RtpTimeline, SoundShift
from edge_agent.errors import CameraFailed
from shared.kernel.clock import Clock
from shared.kernel.timebase import TICKS_PER_S, rescale
from shared.protocol.status import CameraError

CODECS = ("h264", "hevc")
FORMATS = "mpegts,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,flv,live_flv,h264,hevc,mpjpeg,mpeg,ogg,avi"
"""What a file or an HTTP stream may be. No playlists: they could send the box to any address."""
ORIGIN_90K = 10 * TICKS_PER_S
"""Where the first picture of each connection stands: sound and reordered pictures before it stay positive."""

_NTP_EPOCH_S = 2_208_988_800
_PRFT = struct.Struct("<q")
_SENDER_REPORT = struct.Struct("<IxxxxQI")


class AvSource:
    """A `Source` read with PyAV. Subclasses say what to open, and may reshape the flow of packets."""

    tls = False
    dated = False
    """Whether wall times in packets are those of the camera's sender reports."""

    def __init__(self, url: str, options: dict[str, str], *, with_audio: bool, clock: Clock) -> None:
        self._url = url
        self._options = options
        self._with_audio = with_audio
        self._clock = clock
        self._container: Any = None
        self._aborted = threading.Event()

    def open(self) -> StreamInfo:
        """Connects and returns what the camera carries. Raises `CameraFailed`."""
        try:
            self._container = av.open(self._url, options=self._options)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise camera_failed(error, tls=self.tls) from None
        finally:
            # The address may hold the password: it is needed once.
            self._url = ""
        return self._choose()

    def _choose(self) -> StreamInfo:
        if not self._container.streams.video:
            raise CameraFailed(CameraError.NO_VIDEO, "the stream has no picture")
        video = next((s for s in self._container.streams.video if _codec(s) in CODECS), None)
        if video is None:
            name = _codec(self._container.streams.video[0]) or "unknown"
            raise CameraFailed(CameraError.UNSUPPORTED_CODEC, f"its pictures are {name}")
        sounds = self._container.streams.audio if self._with_audio else ()
        audio = next((s for s in sounds if s.codec_context is not None and s.codec_context.sample_rate), None)
        self._video, self._audio = video, audio
        self._to_annex_b = _annex_b_filter(video)
        return StreamInfo(video=_video_track(video), audio=_audio_track(audio) if audio else None)

    def packets(self) -> Iterator[MediaPacket]:
        """Yields packets until the camera ends the stream. Raises `CameraFailed`."""
        try:
            yield from self._flow()
        except (av.error.FFmpegError, OSError) as error:
            raise camera_failed(error, tls=self.tls) from None

    def _flow(self) -> Iterator[MediaPacket]:
        """Yields all packets with their times; the first picture stands at `ORIGIN_90K`."""
        flow = _Flow(self._video, self._audio, dated=self.dated)
        for packet in self._raw():
            yield from flow.take(packet, self._clock.monotonic_ns())

    def _raw(self) -> Iterator[Any]:
        streams = [self._video] if self._audio is None else [self._video, self._audio]
        for packet in self._container.demux(streams):
            if self._aborted.is_set():
                return
            if not packet.size:
                continue
            if self._to_annex_b is not None and packet.stream_index == self._video.index:
                yield from self._to_annex_b.filter(packet)
            else:
                yield packet

    def close(self) -> None:
        """Lets go of the connection; harmless twice."""
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def abort(self) -> None:
        """Makes `packets` end at the next packet, or when the read times out."""
        self._aborted.set()


class _Flow:
    """Times of one connection's packets: unwrapped, free of FFmpeg's jumps, with the first picture at `ORIGIN_90K`.

    Pictures come first: sound before the first key frame is let go, so are pictures before it.
    """

    def __init__(self, video: Any, audio: Any, *, dated: bool) -> None:
        self._has_reports = dated
        self._video_index = video.index
        self._rates = {s.index: _rate(s) for s in (video, audio) if s is not None}
        self._timelines = {index: RtpTimeline(rate) for index, (rate, _) in self._rates.items()}
        self._dated = dict.fromkeys(self._rates, 0)
        self._frame = _frame_ticks(video)
        self._shift = SoundShift()
        self._origin: int | None = None
        self._waiting: list[tuple[Any, int]] = []

    def take(self, packet: Any, arrival_ns: int) -> Iterator[MediaPacket]:
        video = packet.stream_index == self._video_index
        if self._origin is None and not (video and packet.is_keyframe) and not self._waiting:
            return
        if self._origin is None and video and not self._waiting and packet.pts is None:
            # FFmpeg's parser gives the very first picture no time; the next one tells it.
            self._waiting.append((packet, arrival_ns))
            return
        if self._waiting:
            if not (video and packet.pts is not None):
                self._waiting.append((packet, arrival_ns))
                return
            held, self._waiting = self._waiting, []
            first = held[0][0]
            first.pts = first.dts = packet.pts - (first.duration or self._frame)
            for earlier, earlier_ns in held:
                yield from self._timed(earlier, earlier_ns)
        yield from self._timed(packet, arrival_ns)

    def _timed(self, packet: Any, arrival_ns: int) -> Iterator[MediaPacket]:
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
            if self._origin is None:
                return
            if sender_us is not None and fresh_report:
                self._shift.audio(pts_90k, sender_us)
            moved = self._origin + self._shift.shift_90k
        yield MediaPacket(
            kind=Kind.VIDEO if video else Kind.AUDIO,
            data=packet,
            size_bytes=packet.size,
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


def _codec(stream: Any) -> str:
    return stream.codec_context.name if stream.codec_context is not None else ""


def _rate(stream: Any) -> tuple[int, int]:
    return stream.time_base.denominator, stream.time_base.numerator


def _frame_ticks(video: Any) -> int:
    rate, numerator = _rate(video)
    return max(1, round(rate / numerator / _fps(video)))


def _fps(video: Any) -> float:
    # Without its long probe FFmpeg takes the rate of H.264's fields, twice that of the pictures; the codec knows better.
    for rate in (video.average_rate, video.codec_context.framerate, video.guessed_rate, video.base_rate):
        if rate and 0 < rate <= 1000:
            return float(rate)
    return 30.0


def _annex_b_filter(video: Any) -> BitStreamFilterContext | None:
    extradata = video.codec_context.extradata
    if not extradata or extradata[:1] != b"\x01":
        return None
    return BitStreamFilterContext(f"{_codec(video)}_mp4toannexb", video)


def _video_track(video: Any) -> VideoTrack:
    context = video.codec_context
    extradata = context.extradata or b""
    codec: Codec = "h264" if context.name == "h264" else "h265"
    sets = parameter_sets(extradata, codec) if extradata[:1] != b"\x01" else b""
    return VideoTrack(
        codec=codec, width=context.width, height=context.height, fps=_fps(video), parameter_sets=sets
    )


def _audio_track(audio: Any) -> AudioTrack:
    context = audio.codec_context
    return AudioTrack(
        codec=context.name,
        sample_rate_hz=context.sample_rate,
        channels=max(1, context.layout.nb_channels),
        config=context.extradata or b"",
    )
