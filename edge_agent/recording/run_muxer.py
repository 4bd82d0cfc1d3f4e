"""Muxes one run of one camera into fragments, with the sound track that the class has declared."""

from collections.abc import Iterator

import av.error

from edge_agent.recording.audio import AudioTimeline, plan_audio
from edge_agent.recording.fragment_muxer import FragmentMuxer
from edge_agent.sources.packet import Kind, MediaPacket, StreamInfo
from edge_agent.spool.segment_writer import Fragment
from edge_agent.spool.track_progress import AudioDecision
from shared.kernel.timebase import TICKS_PER_S

HOLD_90K = 2 * TICKS_PER_S
FAR_90K = 10 * TICKS_PER_S
"""Sound further than this from the pictures has another clock and is dropped: a day of it makes FFmpeg's muxer abort."""


class RunMuxer:
    """Turns packets, starting with a key frame, into fragments that share one init section.

    If only the sound packets tell their format (ADTS), the first GOP is held back until one has arrived.
    """

    def __init__(self, info: StreamInfo, decision: AudioDecision | None = None) -> None:
        """Args:
        info: what the camera carries in this run.
        decision: the sound that earlier runs of the track declared; None: this is the first run.
        """
        self.decision = decision
        self._info = info
        self._held: list[MediaPacket] = []
        self._muxer: FragmentMuxer | None = None
        self._audio: AudioTimeline | None = None
        self._last_picture_90k: int | None = None
        self.bad_key_frames = 0

    @property
    def init(self) -> bytes:
        """The init section; empty before the first fragment."""
        return self._muxer.init if self._muxer else b""

    @property
    def audio(self) -> AudioTimeline | None:
        """The sound of the run; None: the track has none, or the run has not begun."""
        return self._audio

    def push(self, packet: MediaPacket) -> Iterator[Fragment]:
        """Adds a packet; yields the fragments that it completes."""
        if packet.kind is Kind.VIDEO:
            self._last_picture_90k = packet.pts_90k
        elif self._last_picture_90k is None or abs(packet.pts_90k - self._last_picture_90k) > FAR_90K:
            return
        if self._muxer is not None:
            yield from self._muxer.push(packet)
            return
        complete = (
            len(self._held) > 0
            and packet.kind is Kind.VIDEO
            and (packet.keyframe or packet.pts_90k - self._held[0].pts_90k >= HOLD_90K)
        )
        self._held.append(packet)
        if complete or not self._waits_for_audio:
            yield from self._release()

    def finish(self) -> Iterator[Fragment]:
        """Ends the run; yields the remaining fragments."""
        yield from self._release()
        if self._muxer is not None:
            yield from self._muxer.finish()

    @property
    def _waits_for_audio(self) -> bool:
        audio = self._info.audio
        if self.decision is not None or audio is None or audio.codec != "aac" or audio.config:
            return False
        return not any(packet.kind is Kind.AUDIO for packet in self._held)

    def _decide(self, held: list[MediaPacket]) -> AudioDecision:
        audio = self._info.audio
        first = next((packet for packet in held if packet.kind is Kind.AUDIO), None)
        return AudioDecision(plan=plan_audio(audio, first) if audio is not None else None)

    def _release(self) -> Iterator[Fragment]:
        held, self._held = self._held, []
        while held and self._muxer is None:
            if self.decision is None:
                self.decision = self._decide(held)
            plan = self.decision.plan
            self._audio = AudioTimeline(plan, self._info.audio) if plan is not None else None
            try:
                self._muxer = FragmentMuxer(self._info.video, self._audio, held[0])
            except (av.error.FFmpegError, ValueError):
                # This key frame cannot be parsed: wait for the next one.
                self.bad_key_frames += 1
                held = held[1:]
                while held and not (held[0].kind is Kind.VIDEO and held[0].keyframe):
                    held = held[1:]
        if self._muxer is None:
            self._held = held
            return
        for packet in held:
            yield from self._muxer.push(packet)
