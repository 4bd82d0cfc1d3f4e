"""Runs of a camera as the muxer writes them, decoded again to judge pictures and audio."""

import io
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import av
import av.error
import msgspec
import numpy as np
import pytest

from edge_agent.recording.run_muxer import RunMuxer
from edge_agent.sources.packet import AudioTrack, MediaPacket, StreamInfo
from edge_agent.spool.track_progress import AudioDecision
from shared.kernel.timebase import TICKS_PER_S

SECOND = TICKS_PER_S


@dataclass(frozen=True)
class Made:
    """Output of the muxer for one run: a playable file, and its content."""

    data: bytes
    init: bytes
    frames: int
    decision: AudioDecision | None

    def decoded(self) -> tuple[int, list[Any]]:
        """Returns how many pictures can be decoded, and all frames of sound. What cannot be decoded fails the test."""
        try:
            with av.open(io.BytesIO(self.data), "r") as media:
                pictures = sum(1 for _ in media.decode(media.streams.video[0]))
            with av.open(io.BytesIO(self.data), "r") as media:
                heard = list(media.decode(media.streams.audio[0])) if media.streams.audio else []
        except av.error.FFmpegError as error:
            pytest.fail(f"no player can decode it: {error}")
        return pictures, heard


def cut(info: StreamInfo, packets: Iterable[MediaPacket], decision: AudioDecision | None = None) -> Made:
    """Cuts one run."""
    cutter = RunMuxer(info, decision)
    fragments = [fragment for packet in packets for fragment in cutter.push(packet)]
    fragments += cutter.finish()
    data = cutter.init + b"".join(fragment.data for fragment in fragments)
    return Made(data, cutter.init, sum(fragment.frames for fragment in fragments), cutter.decision)


def with_sound(info: StreamInfo, track: AudioTrack | None) -> StreamInfo:
    """Returns a camera of the same pictures that announces other sound."""
    return msgspec.structs.replace(info, audio=track)


def is_unbroken(frames: list[Any], begin_90k: int, end_90k: int) -> bool:
    """Returns whether sound follows itself from the first picture to the end of the last."""
    steps = [(b.pts - a.pts) / a.samples for a, b in itertools.pairwise(frames)]
    first, last = frames[0], frames[-1]
    longest_90k = first.samples * TICKS_PER_S / first.sample_rate
    begins = first.time * TICKS_PER_S <= begin_90k + longest_90k
    ends = (last.time + last.samples / last.sample_rate) * TICKS_PER_S >= end_90k - longest_90k
    return all(0.99 < step < 1.01 for step in steps) and begins and ends


def loud(frames: list[Any], from_s: float, to_s: float) -> float:
    """Returns the share of frames between two media times that are loud."""
    within = [frame for frame in frames if from_s <= frame.time < to_s]
    return sum(float(np.abs(frame.to_ndarray()).max()) > 0.02 for frame in within) / max(1, len(within))


def check(made: Made, pictures: list[MediaPacket]) -> list[Any]:
    """Asserts that every picture is there and sound has no break; returns the frames of sound."""
    count, heard = made.decoded()
    assert made.frames == count == len(pictures)
    if heard:
        end_90k = max(picture.pts_90k for picture in pictures) + TICKS_PER_S // 30
        assert is_unbroken(heard, pictures[0].pts_90k, end_90k)
    return heard
