"""Damaged audio: bad frames and samples cost themselves alone, and the pictures go on."""

import os
from pathlib import Path
from typing import Any

import av
import av.error
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.recording import audio
from edge_agent.sources.packet import Kind, MediaPacket, StreamInfo
from shared.kernel.timebase import TICKS_PER_S
from tests.edge_agent.recording.camera_audio import sound, timed, together
from tests.edge_agent.recording.muxed import check, cut, loud, with_sound
from tests.edge_agent.spool.recorded_class import read_media


def test_a_damaged_frame_of_sound_is_silence(quiet: tuple[StreamInfo, list[MediaPacket]]) -> None:
    """A browser that cannot decode one frame of sound gives the pictures up with it."""
    info, pictures = quiet
    track, frames, size = sound("aac", 48_000, seconds=4, channels=2)
    hurt = [os.urandom(len(data)) if index % 5 == 3 else data for index, data in enumerate(frames)]
    packets = timed(hurt, begin_90k=pictures[0].pts_90k, step_90k=size * TICKS_PER_S / 48_000)
    made = cut(with_sound(info, track), together(pictures, packets))
    assert loud(check(made, pictures)[4:-4], 0, 99) > 0.7
    left_out = sum(data not in made.data for data in hurt[3::5])
    assert left_out > 0.9 * len(hurt[3::5])


@pytest.mark.parametrize("frame", [b"\xff", b"\xff\xf1", b"\xff\xf1\x4c\x40\x29\xbf\xfc" * 2, b""])
def test_a_frame_of_sound_that_is_none_does_not_stop_the_pictures(media: Path, frame: bytes) -> None:
    info, packets = read_media(media / "h264.mp4", 2)
    bad = [
        msgspec.structs.replace(packet, data=frame, size_bytes=len(frame))
        if packet.kind is Kind.AUDIO
        else packet
        for packet in packets
    ]
    check(cut(info, bad), [packet for packet in packets if packet.kind is Kind.VIDEO])


NO_SAMPLES = [float("nan"), float("inf"), float("-inf"), 1e10, -1e10, 1e39, 4.5]
"""Floats that no microphone gives; for one of most of them FFmpeg's AAC encoder refuses a whole frame."""


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    codec=st.sampled_from(["pcm_f32le", "pcm_f64le"]),
    rate_hz=st.sampled_from([48_000, 22_050, 11_000]),
    channels=st.integers(1, 2),
    bad=st.lists(
        st.tuples(
            st.integers(0, 199), st.sampled_from(NO_SAMPLES), st.integers(0, 2000), st.integers(1, 2000)
        ),
        min_size=1,
        max_size=12,
    ),
)
def test_samples_that_are_no_sound_leave_the_pictures_and_an_unbroken_track(
    quiet: tuple[StreamInfo, list[MediaPacket]],
    codec: str,
    rate_hz: int,
    channels: int,
    bad: list[tuple[int, float, int, int]],
) -> None:
    info, pictures = quiet
    track, frames, size = sound(codec, rate_hz, seconds=4, channels=channels)
    kind = {"pcm_f32le": "<f4", "pcm_f64le": "<f8"}[codec]
    for index, value, begin, count in bad:
        samples = np.frombuffer(frames[index], kind).copy()
        with np.errstate(over="ignore"):
            samples[begin % len(samples) :][:count] = np.float64(value).astype(kind)
        frames[index] = samples.tobytes()
    packets = timed(frames, begin_90k=pictures[0].pts_90k, step_90k=size * TICKS_PER_S / rate_hz)
    heard = check(cut(with_sound(info, track), together(pictures, packets)), pictures)
    assert loud(heard[4:-4], 0, 99) > 0.6


@pytest.mark.parametrize("value", NO_SAMPLES)
def test_a_camera_whose_sound_is_bad_from_the_start_records_its_pictures(
    quiet: tuple[StreamInfo, list[MediaPacket]], value: float
) -> None:
    info, pictures = quiet
    track, frames, size = sound("pcm_f64le", 48_000, seconds=4)
    bad = np.full(size, value, "<f8").tobytes()
    packets = timed([bad] * len(frames), begin_90k=pictures[0].pts_90k, step_90k=size * TICKS_PER_S / 48_000)
    heard = check(cut(with_sound(info, track), together(pictures, packets)), pictures)
    assert heard
    assert loud(heard, 0, 99) == 0


@pytest.mark.parametrize("value", NO_SAMPLES)
def test_a_sample_that_is_no_sound_costs_itself_alone(
    quiet: tuple[StreamInfo, list[MediaPacket]], value: float
) -> None:
    info, pictures = quiet
    track, frames, size = sound("pcm_f64le", 48_000, seconds=4)
    bad = np.array([value], "<f8").tobytes()
    packets = timed(
        [data[:800] + bad + data[808:] for data in frames],
        begin_90k=pictures[0].pts_90k,
        step_90k=size * TICKS_PER_S / 48_000,
    )
    heard = check(cut(with_sound(info, track), together(pictures, packets)), pictures)
    within = heard[4:-4]
    assert loud(within, 0, 99) > 0.95
    assert all(float(np.abs(frame.to_ndarray()).max()) < 1 for frame in within)


class _Refusing:
    """An encoder that refuses its ninth frame, and its end."""

    def __init__(self, encoder: Any) -> None:
        self._encoder, self._taken = encoder, 0

    @property
    def extradata(self) -> bytes:
        return bytes(self._encoder.extradata)

    def encode(self, frame: Any) -> Any:
        self._taken += 1
        if frame is None or self._taken == 9:
            raise av.error.ArgumentError(22, "Invalid argument")
        return self._encoder.encode(frame)


def test_an_encoder_that_refuses_frames_leaves_the_pictures_and_an_unbroken_track(
    quiet: tuple[StreamInfo, list[MediaPacket]], monkeypatch: pytest.MonkeyPatch
) -> None:
    info, pictures = quiet
    real = audio._encoder
    monkeypatch.setattr(audio, "_encoder", lambda *args: _Refusing(real(*args)))
    track, frames, size = sound("pcm_mulaw", 8000, seconds=4)
    packets = timed(frames, begin_90k=pictures[0].pts_90k, step_90k=size * TICKS_PER_S / 8000)
    heard = check(cut(with_sound(info, track), together(pictures, packets)), pictures)
    assert 0.1 < loud(heard[4:-4], 0, 99) < 0.9
