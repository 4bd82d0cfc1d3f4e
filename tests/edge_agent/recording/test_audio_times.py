"""Times of camera audio: late, early, shuffled or from another clock, the recorded track has no break."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.sources.packet import Kind, MediaPacket, StreamInfo
from shared.kernel.timebase import TICKS_PER_S
from tests.edge_agent.recording.camera_audio import at, sound, timed, together
from tests.edge_agent.recording.muxed import SECOND, check, cut, loud, with_sound
from tests.edge_agent.spool.recorded_class import read_media


@pytest.mark.parametrize("codec", ["aac", "pcm_mulaw"])
@pytest.mark.parametrize(
    ("begins_s", "ends_s", "lags_s"),
    [(2.0, 4.0, 0.0), (0.0, 2.0, 0.0), (0.0, 4.0, 0.5), (1.0, 3.0, 0.6), (-1.0, 5.0, 0.0)],
    ids=["late", "early end", "lagging", "in the middle", "longer"],
)
def test_sound_that_comes_late_or_ends_early_leaves_silence(
    quiet: tuple[StreamInfo, list[MediaPacket]], codec: str, begins_s: float, ends_s: float, lags_s: float
) -> None:
    info, pictures = quiet
    rate_hz = 16_000 if codec == "aac" else 8_000
    track, frames, size = sound(codec, rate_hz, seconds=ends_s - begins_s)
    begin_90k = pictures[0].pts_90k + round(begins_s * SECOND)
    packets = [
        msgspec.structs.replace(packet, arrival_ns=packet.arrival_ns + round(lags_s * 1e9))
        for packet in timed(frames, begin_90k=begin_90k, step_90k=size * TICKS_PER_S / rate_hz)
    ]
    heard = check(cut(with_sound(info, track), together(pictures, packets)), pictures)
    zero_s = pictures[0].pts_90k / TICKS_PER_S
    within = max(0.0, begins_s), min(4.0, ends_s)
    assert loud(heard, zero_s + within[0] + 0.3, zero_s + within[1] - 0.3) > 0.9
    assert loud(heard, zero_s, zero_s + within[0] - 0.3) == 0
    assert loud(heard, zero_s + within[1] + 0.3, zero_s + 4) == 0


def test_sound_that_always_lags_by_more_is_waited_for(quiet: tuple[StreamInfo, list[MediaPacket]]) -> None:
    info, pictures = quiet
    track, frames, size = sound("aac", 16_000, seconds=4)
    packets = [
        msgspec.structs.replace(packet, arrival_ns=packet.arrival_ns + 1_500_000_000)
        for packet in timed(frames, begin_90k=pictures[0].pts_90k, step_90k=size * TICKS_PER_S / 16_000)
    ]
    heard = check(cut(with_sound(info, track), together(pictures, packets)), pictures)
    zero_s = pictures[0].pts_90k / TICKS_PER_S
    assert loud(heard, zero_s + 1.5, zero_s + 3.9) > 0.9


@pytest.mark.parametrize("jump_s", [-3600, 60, 90_000])
def test_sound_with_another_clock_than_the_pictures_is_left_out(media: Path, jump_s: int) -> None:
    """A day of it made FFmpeg's muxer abort the whole agent."""
    info, packets = read_media(media / "h264.mp4", 4)
    moved: list[MediaPacket] = []
    for number, packet in enumerate(packets):
        if packet.kind is Kind.AUDIO and number > len(packets) // 2:
            pts_90k = packet.pts_90k + jump_s * SECOND
            packet = msgspec.structs.replace(packet, pts_90k=pts_90k, dts_90k=pts_90k)
        moved.append(packet)
    check(cut(info, moved), [packet for packet in packets if packet.kind is Kind.VIDEO])


def _shifts() -> Iterator[st.SearchStrategy[int]]:
    yield st.just(0)
    yield st.integers(-2000, 2000)
    yield st.integers(-12 * SECOND, 12 * SECOND)
    yield st.integers(-(2**40), 2**40)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    codec=st.sampled_from(["aac", "pcm_mulaw"]),
    shifts=st.lists(st.one_of(*_shifts()), min_size=1, max_size=40),
    order=st.randoms(use_true_random=False),
    repeats=st.integers(1, 3),
)
def test_any_times_of_sound_leave_the_pictures_and_an_unbroken_track(
    quiet: tuple[StreamInfo, list[MediaPacket]], codec: str, shifts: list[int], order: Any, repeats: int
) -> None:
    info, pictures = quiet
    rate_hz = 16_000 if codec == "aac" else 8_000
    track, frames, size = sound(codec, rate_hz, seconds=4)
    packets = timed(frames, begin_90k=pictures[0].pts_90k, step_90k=size * TICKS_PER_S / rate_hz)
    wild = [
        at(bytes(packet.data), packet.pts_90k + shift, arrives_90k=packet.pts_90k)
        for packet, shift in zip(packets, itertools.cycle(shifts), strict=False)
        for _ in range(repeats)
    ]
    for index in range(0, len(wild) - 4, 4):
        group = wild[index : index + 4]
        order.shuffle(group)
        wild[index : index + 4] = group
    check(cut(with_sound(info, track), together(pictures, wild)), pictures)
