"""One run of one camera becomes fragments: decides whether there is sound, and when the muxer must start over."""

from collections.abc import Iterator

import av.error

from edge_agent.capture.packet import Kind, MediaPacket, StreamInfo
from edge_agent.spool.segmenter import Fragment, Segmenter
from edge_agent.spool.sound import Sound, sound_of
from shared.kernel.timebase import TICKS_PER_S

HOLD_90K = 2 * TICKS_PER_S
SILENT_90K = 3 * TICKS_PER_S
"""A player waits for sound that a file promises: a microphone that is silent for so long must not be promised."""
FAR_90K = 10 * TICKS_PER_S
"""Sound so far from the pictures has another clock than they have: FFmpeg's muxer aborts the program for a day of it."""


class Cutter:
    """Cuts packets, a key frame first, into fragments that all share one init section.

    Where the camera announces sound, the first group of pictures is held back in memory to see whether any comes.
    `wants_restart` says, at a key frame, that sound has come or gone: then the owner finishes this cutter and pushes
    the key frame into a new one.
    """

    def __init__(self, info: StreamInfo) -> None:
        self._info = info
        self._held: list[MediaPacket] = []
        self._segmenter: Segmenter | None = None
        self._sound: Sound | None = None
        self._last_picture_90k: int | None = None
        self._last_sound_90k: int | None = None
        self._sound_since_90k: int | None = None
        self._carried = info.audio is not None
        self.bad_key_frames = 0

    @property
    def init(self) -> bytes:
        """The init section; empty before the first fragment."""
        return self._segmenter.init if self._segmenter else b""

    @property
    def sound(self) -> Sound | None:
        """How the sound is carried; None: there is none."""
        return self._sound

    def wants_restart(self, packet: MediaPacket) -> bool:
        """Returns whether a new cutter must begin with this packet."""
        if self._segmenter is None or packet.kind is not Kind.VIDEO or not packet.keyframe:
            return False
        last, since = self._last_sound_90k, self._sound_since_90k
        heard_lately = last is not None and packet.pts_90k - last < SILENT_90K
        if self._sound is not None:
            return not heard_lately
        return heard_lately and since is not None and packet.pts_90k - since > SILENT_90K and self._carried

    def push(self, packet: MediaPacket) -> Iterator[Fragment]:
        """Takes a packet; yields the fragments that are complete by it."""
        if packet.kind is Kind.VIDEO:
            self._last_picture_90k = packet.pts_90k
        elif self._last_picture_90k is None or abs(packet.pts_90k - self._last_picture_90k) > FAR_90K:
            return
        else:
            if self._last_sound_90k is None or packet.pts_90k - self._last_sound_90k > SILENT_90K:
                self._sound_since_90k = packet.pts_90k
            self._last_sound_90k = packet.pts_90k
        if self._segmenter is not None:
            yield from self._segmenter.push(packet)
            return
        complete = (
            len(self._held) > 0
            and packet.kind is Kind.VIDEO
            and (packet.keyframe or packet.pts_90k - self._held[0].pts_90k >= HOLD_90K)
        )
        self._held.append(packet)
        if complete or self._info.audio is None:
            yield from self._release()

    def finish(self) -> Iterator[Fragment]:
        """Ends the run; yields what is left."""
        yield from self._release()
        if self._segmenter is not None:
            yield from self._segmenter.finish()

    def _release(self) -> Iterator[Fragment]:
        held, self._held = self._held, []
        while held and self._segmenter is None:
            sound_packet = next((p for p in held if p.kind is Kind.AUDIO), None)
            if self._info.audio is not None and sound_packet is not None:
                self._sound = sound_of(self._info.audio, sound_packet)
                self._carried = self._sound is not None
            try:
                self._segmenter = Segmenter(self._info.video, self._sound, held[0])
            except (av.error.FFmpegError, ValueError):
                # A key frame that cannot be read: wait for the next.
                self.bad_key_frames += 1
                held = held[1:]
                while held and not (held[0].kind is Kind.VIDEO and held[0].keyframe):
                    held = held[1:]
        if self._segmenter is None:
            self._held = held
            return
        for packet in held:
            yield from self._segmenter.push(packet)
