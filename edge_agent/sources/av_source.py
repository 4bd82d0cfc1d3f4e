"""Base of all sources read by FFmpeg: opens the container, selects the streams, converts packets."""

import threading
from collections.abc import Iterator
from typing import Any

import av
import av.error
from av.bitstream import BitStreamFilterContext

from edge_agent.errors import CameraFailed
from edge_agent.sources.camera_errors import error_from_exception
from edge_agent.sources.packet import AudioTrack, MediaPacket, StreamInfo, VideoTrack
from edge_agent.sources.packetizer import Packetizer
from edge_agent.sources.parameter_sets import Codec, parameter_sets
from shared.kernel.clock import Clock
from shared.protocol.status import CameraError

CODECS = ("h264", "hevc")
FORMATS = "mpegts,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,flv,live_flv,h264,hevc,mpjpeg,mpeg,ogg,avi"
"""Formats of files and HTTP streams. No playlists: they could direct the agent to any address."""


class AvSource:
    """A `Source` read with PyAV. Subclasses open the container, and may change the sequence of packets."""

    has_sender_reports = False
    """Whether packets carry wall-clock times from the camera's sender reports."""

    def __init__(self, options: dict[str, str], *, with_audio: bool, clock: Clock) -> None:
        self._options = options
        self._with_audio = with_audio
        self._clock = clock
        self._container: Any = None
        self._aborted = threading.Event()

    def open(self) -> StreamInfo:
        """Connects and returns the camera's streams. Raises `CameraFailed`."""
        try:
            self._container = self._open_container()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise self._failure() or error_from_exception(error) from None
        return self._choose()

    def _open_container(self) -> Any:
        """Connects and returns PyAV's container. Raises `CameraFailed`, or what `error_from_exception` maps."""
        raise NotImplementedError

    def _failure(self) -> CameraFailed | None:
        """Returns why the connection ended, if it is known better than from FFmpeg's error."""
        return None

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
            raise self._failure() or error_from_exception(error) from None
        if failure := self._failure():
            raise failure

    def _flow(self) -> Iterator[MediaPacket]:
        """Yields all packets with their times; the first picture has pts `ORIGIN_90K`."""
        flow = Packetizer(self._video, self._audio, fps=_fps(self._video), is_rtp=self.has_sender_reports)
        for packet in self._raw():
            yield from flow.push(packet, self._clock.monotonic_ns())
        yield from flow.finish()

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
        """Closes the connection; idempotent."""
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def abort(self) -> None:
        """Ends `packets` at the next packet, or when the read times out. Sources with a connection end at once."""
        self._aborted.set()


def _codec(stream: Any) -> str:
    return stream.codec_context.name if stream.codec_context is not None else ""


def _fps(video: Any) -> float:
    # Without its long probe FFmpeg reports the field rate of H.264, twice the frame rate; the codec context is right.
    for rate in (video.average_rate, video.codec_context.framerate, video.guessed_rate, video.base_rate):
        if rate and 0.01 <= rate <= 1000:
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
