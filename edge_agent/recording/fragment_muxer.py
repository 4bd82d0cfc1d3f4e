"""Muxes one run into CMAF: one init section, then one fragment (moof+mdat) per GOP.

One mp4 muxer per run writes into memory; nothing is re-encoded. A fragment ends at a key frame, except in a GOP longer
than `FRAGMENT_LIMIT_S`: it is split, so that a camera with endless GOPs cannot fill the memory. The second part can then
only be decoded after the first.
"""

import io
import struct
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

from edge_agent.recording.audio import AacFrame, AudioTimeline
from edge_agent.sources.audio_format import SAMPLES
from edge_agent.sources.packet import Kind, MediaPacket, VideoTrack
from edge_agent.sources.parameter_sets import parameter_sets
from edge_agent.spool.segment_writer import Fragment
from edge_agent.spool.track_progress import AudioPlan
from shared.kernel.timebase import TICKS_PER_S

FRAGMENT_LEAST_90K = TICKS_PER_S // 2
"""Shortest fragment, for cameras whose every picture is a key frame."""
FRAGMENT_LIMIT_S = 8

_CODECS = {"h264": "h264", "h265": "hevc"}
_TAGS = {"h264": "avc1", "h265": "hvc1"}
_OPTIONS = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof+skip_trailer+frag_discont",
    "frag_duration": str(FRAGMENT_LIMIT_S * 1_000_000),
    # In microseconds. FFmpeg holds pictures until sound follows; sound or silence follows within `LONGEST_PATIENCE_90K`.
    "max_interleave_delta": "4000000",
    "flush_packets": "1",
    "use_editlist": "0",
    "avoid_negative_ts": "disabled",
}


class FragmentMuxer:
    """Muxes one run. Used by one thread; keeps at most one GOP, and the pictures that wait for their sound.

    `init` is the init section, known at once.
    """

    def __init__(self, video: VideoTrack, sound: AudioTimeline | None, first: MediaPacket) -> None:
        """Args:
        video: what the pictures are.
        sound: how the sound is carried; None: the run has none.
        first: the key frame that the run begins with; it is pushed like every packet after it.

        Raises:
            av.error.FFmpegError, ValueError: the key frame cannot be read as what it should be.
        """
        self._timeline = sound
        self._sink = _Sink()
        self._mux: Any = av.open(self._sink, "w", format="mp4", options=_OPTIONS, buffer_size=1 << 20)
        self._video = self._add_video(video, bytes(first.data))
        self._audio: Any = self._add_audio(sound.plan) if sound else None
        if sound is not None:
            sound.begin(first.pts_90k)
        self._mux.start_encoding()
        self.init = self._sink.take()
        self._frames: deque[tuple[int, bool]] = deque()
        self._ready: deque[tuple[bytes, int]] = deque()
        self._frame_90k = max(1, round(TICKS_PER_S / video.fps))
        self._last_dts: int | None = None
        self._cut_at_90k: int | None = None
        self._end_90k = first.pts_90k

    def _add_video(self, video: VideoTrack, key_frame: bytes) -> Any:
        if not parameter_sets(key_frame[:16384], video.codec):
            key_frame = video.parameter_sets + key_frame
        # A stream made from a demuxer of the key frame carries the decoder configuration (avcC, hvcC) and accepts a tag.
        template = av.open(
            io.BytesIO(key_frame),
            format=_CODECS[video.codec],
            options={"probesize": "32", "fpsprobesize": "0"},
        )
        if not template.streams.video or not template.streams.video[0].codec_context.width:
            raise ValueError("the key frame has no parameter sets")
        stream: Any = self._mux.add_stream_from_template(template.streams.video[0], opaque=True)
        stream.codec_context.codec_tag = _TAGS[video.codec]
        stream.time_base = Fraction(1, TICKS_PER_S)
        return stream

    def _add_audio(self, plan: AudioPlan) -> Any:
        layout = "mono" if plan.channels == 1 else "stereo"
        stream: Any = self._mux.add_stream("aac", rate=plan.sample_rate_hz, layout=layout)
        stream.codec_context.open()
        stream.codec_context.extradata = plan.config
        stream.time_base = Fraction(1, plan.sample_rate_hz)
        return stream

    def push(self, packet: MediaPacket) -> Iterator[Fragment]:
        """Adds a packet, starting with a key frame; yields the fragments that it completes."""
        if packet.kind is Kind.VIDEO:
            if self._timeline is not None:
                self._mux_audio(self._timeline.fill_silence(packet.dts_90k))
            self._mux_video(packet)
        elif self._timeline is not None and self._cut_at_90k is not None:
            self._mux_audio(self._timeline.push(packet))
        else:
            return
        if self._sink.parts:
            self._collect()
        yield from self._complete(last=False)

    def finish(self) -> Iterator[Fragment]:
        """Ends the run; yields the remaining fragments, including the last GOP."""
        if self._timeline is not None:
            self._mux_audio(self._timeline.finish(self._end_90k))
        self._mux.close()
        self._collect()
        yield from self._complete(last=True)

    def _mux_audio(self, frames: Iterator[AacFrame]) -> None:
        for frame in frames:
            out = av.Packet(frame.data)
            out.stream = self._audio
            out.pts = out.dts = frame.at
            out.duration = SAMPLES
            out.is_keyframe = True
            self._mux.mux_one(out)

    def _mux_video(self, packet: MediaPacket) -> None:
        data: Any = packet.data
        cuts = packet.keyframe and (
            self._cut_at_90k is None or packet.pts_90k - self._cut_at_90k >= FRAGMENT_LEAST_90K
        )
        if cuts:
            self._cut_at_90k = packet.pts_90k
        out = av.Packet(data)
        # FFmpeg's muxer rejects dts that do not rise and pts below dts, and a rejected packet would end the run.
        dts = packet.dts_90k if self._last_dts is None else max(packet.dts_90k, self._last_dts + 1)
        self._last_dts = dts
        out.stream = self._video
        out.dts = dts
        out.pts = max(packet.pts_90k, dts)
        # `frag_keyframe` cuts at every packet marked as key frame, so only those that may start a fragment are marked.
        out.is_keyframe = cuts
        self._frames.append((packet.pts_90k, cuts))
        self._end_90k = max(self._end_90k, packet.pts_90k + self._frame_90k)
        self._mux.mux_one(out)

    def _collect(self) -> None:
        # The muxer writes in arbitrary pieces: take complete moof+mdat pairs, and return the rest to the sink. A moof is
        # only complete with the mdat that follows it.
        buffered = self._sink.take()
        at = 0
        while at + 8 <= len(buffered):
            size, kind = struct.unpack_from(">I4s", buffered, at)
            end = at + size
            if kind == b"moof" and end + 8 <= len(buffered):
                end += struct.unpack_from(">I", buffered, end)[0]
            if size < 8 or end > len(buffered) or (kind == b"moof" and end == at + size):
                break
            if kind == b"moof":
                self._ready.append((bytes(buffered[at:end]), _video_samples(buffered, at, size)))
            at = end
        self._sink.give_back(buffered[at:])

    def _complete(self, *, last: bool) -> Iterator[Fragment]:
        while self._ready:
            data, count = self._ready[0]
            if len(self._frames) <= count and not last:
                # The duration is not known before the first picture of the next fragment.
                return
            self._ready.popleft()
            shown = [self._frames.popleft() for _ in range(count)]
            if not shown:
                continue
            first_90k = shown[0][0]
            end_90k = self._frames[0][0] if self._frames else max(pts for pts, _ in shown) + self._frame_90k
            yield Fragment(data, first_90k, max(1, end_90k - first_90k), count, shown[0][1])


class _Sink:
    """The file that the muxer writes to."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._rest = b""

    def write(self, data: bytes) -> int:
        self.parts.append(data)
        return len(data)

    def take(self) -> bytes:
        buffered = b"".join((self._rest, *self.parts))
        self.parts.clear()
        return buffered

    def give_back(self, rest: bytes) -> None:
        self._rest = rest


def _video_samples(buffer: bytes, moof_at: int, moof_size: int) -> int:
    """Returns how many pictures a moof describes: the samples of the first track. Source: ISO/IEC 14496-12 8.8."""
    count = 0
    for kind, at, end in _boxes(buffer, moof_at + 8, moof_at + moof_size):
        if kind != b"traf":
            continue
        track = 0
        for inner, inner_at, _ in _boxes(buffer, at, end):
            if inner == b"tfhd":
                track = struct.unpack_from(">I", buffer, inner_at + 4)[0]
            elif inner == b"trun" and track == 1:
                count += struct.unpack_from(">I", buffer, inner_at + 4)[0]
    return count


def _boxes(buffer: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", buffer, at)
        if size < 8:
            return
        yield kind, at + 8, at + size
        at += size
