"""The sound of a class: AAC beside the pictures that never touches them, and one promise for the whole class."""

import io
import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
from edge_agent.recording.run_muxer import RunMuxer
from edge_agent.sources.audio_format import setup_of
from edge_agent.sources.packet import AudioTrack, Kind, MediaPacket, StreamInfo
from edge_agent.spool.track_progress import AudioDecision
from shared.kernel.timebase import TICKS_PER_S
from tests.edge_agent.recording.camera_audio import at, sound, timed, together
from tests.edge_agent.spool.recorded_class import LOOP, Studio, follow, read_media

SECOND = TICKS_PER_S


@dataclass(frozen=True)
class Made:
    """What a cutter has made of one run: one playable file, and what was in it."""

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


@pytest.fixture(scope="module")
def quiet(media: Path) -> tuple[StreamInfo, list[MediaPacket]]:
    """Four seconds of pictures without sound."""
    return read_media(media / "quiet.mp4", 4)


def with_sound(info: StreamInfo, track: AudioTrack | None) -> StreamInfo:
    """Returns a camera of the same pictures that announces other sound."""
    return msgspec.structs.replace(info, audio=track)


def promised(init: bytes) -> list[tuple[Any, ...]]:
    """Returns what an init section promises: kind, codec and set-up of each track."""
    with av.open(io.BytesIO(init), "r") as media:
        return [(stream.type, stream.codec_context.name, *sound_set_up(stream)) for stream in media.streams]


def sound_set_up(stream: Any) -> tuple[Any, ...]:
    """Returns the set-up of a track of sound; pictures may change theirs within a class."""
    if stream.type != "audio":
        return ()
    context = stream.codec_context
    return bytes(context.extradata), context.sample_rate, context.layout.nb_channels


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


@pytest.mark.parametrize(
    ("name", "rate", "channels", "transcoded_from"),
    [
        ("h264.mp4", 48_000, 2, ""),
        ("bframes.ts", 48_000, 2, ""),
        ("pcmu.mov", 8_000, 1, "pcm_mulaw"),
        ("opus.mkv", 48_000, 2, "opus"),
    ],
)
def test_sound_is_recorded_as_aac(
    studio: Studio, media: Path, name: str, rate: int, channels: int, transcoded_from: str
) -> None:
    info, packets = read_media(media / name, 14)
    spool = studio.record(info, packets)
    manifests = studio.manifests(spool)
    audio = manifests[0].audio
    assert audio is not None
    assert (audio.sample_rate_hz, audio.channels, audio.transcoded_from) == (rate, channels, transcoded_from)
    assert audio.codec_string == "mp4a.40.2"
    whole = studio.init(spool, manifests[0]) + b"".join(
        studio.opened(spool, m, f.blob) for m in manifests for f in m.fragments
    )
    with av.open(io.BytesIO(whole), "r") as playable:
        frames = list(playable.decode(playable.streams.audio[0]))
    first_s, last_s = frames[0].time or 0.0, frames[-1].time or 0.0
    assert first_s == pytest.approx(10, abs=0.15)
    assert last_s - first_s == pytest.approx(13.9, abs=0.3)
    assert loud(frames[4:-4], 0, 99) > 0.95


def test_a_microphone_that_pauses_is_silent_and_changes_nothing_else(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "h264.mp4", 24)
    quiet_from = packets[0].pts_90k + 8 * SECOND
    loud_from = packets[0].pts_90k + 16 * SECOND
    heard = [p for p in packets if p.kind is Kind.VIDEO or not quiet_from <= p.pts_90k < loud_from]
    spool = studio.record(info, heard)
    manifests = studio.manifests(spool)
    assert {(m.run, m.init_sha256) for m in manifests} == {(0, manifests[0].init_sha256)}
    assert all(m.audio is not None for m in manifests)
    assert follow(studio.recorded_numbers(spool), LOOP)
    assert len(studio.recorded_numbers(spool)) == sum(p.kind is Kind.VIDEO for p in packets)
    assert not studio.gaps(spool)
    whole = studio.init(spool, manifests[0]) + b"".join(
        studio.opened(spool, m, f.blob) for m in manifests for f in m.fragments
    )
    with av.open(io.BytesIO(whole), "r") as playable:
        frames = list(playable.decode(playable.streams.audio[0]))
    assert is_unbroken(frames, packets[0].pts_90k, packets[0].pts_90k + 24 * SECOND)
    assert loud(frames, 10.5, 17.5) > 0.95
    assert loud(frames, 18.5, 25.5) == 0
    assert loud(frames, 26.5, 33.5) > 0.95


def test_a_microphone_that_never_sends_is_silent_and_not_said_to_be_heard(
    studio: Studio, media: Path
) -> None:
    info, packets = read_media(media / "h264.mp4", 5)
    spool = studio.record(info, [p for p in packets if p.kind is Kind.VIDEO])
    manifests = studio.manifests(spool)
    assert {m.audio for m in manifests} == {None}
    assert [kind for kind, *_ in promised(studio.init(spool, manifests[0]))] == ["video", "audio"]
    assert follow(studio.recorded_numbers(spool), LOOP)


def test_sound_that_does_not_come_holds_the_pictures_back_for_a_second_at_most(media: Path) -> None:
    info, packets = read_media(media / "h264.mp4", 8)
    cutter, out_90k = RunMuxer(info), packets[0].pts_90k
    longest_90k = 0
    for picture in (packet for packet in packets if packet.kind is Kind.VIDEO):
        for fragment in cutter.push(picture):
            out_90k = fragment.pts_90k + fragment.duration_90k
        longest_90k = max(longest_90k, picture.pts_90k - out_90k)
    assert longest_90k <= (1 + 1) * SECOND, "a group of pictures, and a second"


def test_every_run_of_a_class_promises_the_same_tracks(studio: Studio, media: Path) -> None:
    """A camera that reconnects with other sound, without, and with the first again; the agent starts anew in between."""
    first, packets = read_media(media / "h264.mp4", 3)
    pictures = [p for p in packets if p.kind is Kind.VIDEO]
    mulaw, frames, size = sound("pcm_mulaw", 8000, seconds=3)
    telephone = timed(frames, begin_90k=pictures[0].pts_90k, step_90k=size * TICKS_PER_S / 8000)
    runs = [
        (first, packets),
        (with_sound(first, mulaw), list(together(pictures, telephone))),
        (with_sound(first, None), pictures),
        (with_sound(first, AudioTrack(codec="speex", sample_rate_hz=0, channels=0)), pictures),
        (first, packets),
    ]
    spool, order, recorder = studio.begin()
    for number, (info, run) in enumerate(runs):
        studio.play(studio.connect(info), run, recorder)
        studio.disconnect()
        if number == 1:
            recorder.step(0)
            recorder.stop()
            recorder._end_run()
            recorder = studio.recorder(spool, order)
    studio.finish(recorder, order)
    manifests = studio.manifests(spool)
    assert len({m.run for m in manifests}) == len(runs)
    promises = [promised(studio.init(spool, m)) for m in manifests]
    assert all(promise == promises[0] for promise in promises)
    assert [kind for kind, *_ in promises[0]] == ["video", "audio"]
    assert len(studio.recorded_numbers(spool)) == len(runs) * len(pictures)
    for manifest in manifests:
        with av.open(io.BytesIO(studio.plain(spool, manifest)), "r") as playable:
            heard = list(playable.decode(playable.streams.audio[0]))
        assert len(heard) == pytest.approx(3 * 48_000 / 1024, abs=4)


def test_a_class_that_began_without_sound_stays_without(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "h264.mp4", 3)
    pictures = [p for p in packets if p.kind is Kind.VIDEO]
    spool, order, recorder = studio.begin()
    studio.play(studio.connect(with_sound(info, None)), pictures, recorder)
    studio.disconnect()
    studio.play(studio.connect(info), packets, recorder)
    studio.finish(recorder, order)
    manifests = studio.manifests(spool)
    assert {tuple(kind for kind, *_ in promised(studio.init(spool, m))) for m in manifests} == {("video",)}
    assert {m.audio for m in manifests} == {None}
    assert len(studio.recorded_numbers(spool)) == 2 * len(pictures)


RECORDED = [
    ("aac", 48_000, 2),
    ("aac", 8_000, 1),
    ("aac", 7_350, 1),
    ("aac", 96_000, 2),
    ("aac", 44_100, 6),
    ("pcm_mulaw", 8_000, 1),
    ("pcm_alaw", 8_000, 1),
    ("pcm_s16be", 44_100, 2),
    ("pcm_s24be", 48_000, 2),
    ("pcm_u8", 8_000, 1),
    ("adpcm_g722", 16_000, 1),
    ("g723_1", 8_000, 1),
    ("libopencore_amrnb", 8_000, 1),
    ("mp2", 44_100, 2),
    ("mp3", 32_000, 1),
    ("ac3", 48_000, 2),
    ("eac3", 48_000, 6),
    ("libopus", 48_000, 2),
]


@pytest.mark.parametrize(("codec", "rate_hz", "channels"), RECORDED)
def test_sound_that_ffmpeg_decodes_is_recorded(
    quiet: tuple[StreamInfo, list[MediaPacket]], codec: str, rate_hz: int, channels: int
) -> None:
    info, pictures = quiet
    track, frames, size = sound(codec, rate_hz, seconds=4, channels=channels)
    packets = timed(frames, begin_90k=pictures[0].pts_90k, step_90k=size * TICKS_PER_S / rate_hz)
    made = cut(with_sound(info, track), together(pictures, packets))
    heard = check(made, pictures)
    assert loud(heard[8:-8], 0, 99) > 0.9
    assert made.decision is not None
    assert made.decision.plan is not None
    assert made.decision.plan.channels == min(2, channels)


KNOWN_BY_SDP = [
    "aac",
    "aac_latm",
    "ac3",
    "adpcm_g722",
    "adpcm_g726",
    "adpcm_g726le",
    "adpcm_ima_wav",
    "amrnb",
    "amrwb",
    "eac3",
    "g723_1",
    "g729",
    "gsm",
    "gsm_ms",
    "ilbc",
    "mp2",
    "mp3",
    "mp3adu",
    "opus",
    "pcm_alaw",
    "pcm_mulaw",
    "pcm_s16be",
    "pcm_s24be",
    "pcm_u8",
    "qcelp",
    "qdm2",
    "speex",
    "vorbis",
]


@pytest.mark.parametrize("codec", [*KNOWN_BY_SDP, "no_such_codec", "h264", ""])
@pytest.mark.parametrize("config", [b"", b"\xff" * 24], ids=["bare", "wrong"])
def test_sound_that_is_noise_touches_no_picture(
    quiet: tuple[StreamInfo, list[MediaPacket]], codec: str, config: bytes
) -> None:
    info, pictures = quiet
    track = AudioTrack(codec=codec, sample_rate_hz=8000, channels=1, config=config)
    noise = timed(
        (os.urandom(1 + index % 400) for index in range(150)),
        begin_90k=pictures[0].pts_90k,
        step_90k=1800,
    )
    check(cut(with_sound(info, track), together(pictures, noise)), pictures)


@pytest.mark.parametrize(
    "config", ["", "00", "ff", "1190", "0000", "f8ff", "1200", "1180ff", "5780", "2b92", "e1ff"]
)
@pytest.mark.parametrize(("rate_hz", "channels"), [(0, 0), (48_000, 0), (1, 99), (2**31, 2), (16_000, 1)])
def test_a_set_up_of_sound_that_is_wrong_touches_no_picture(
    quiet: tuple[StreamInfo, list[MediaPacket]], config: str, rate_hz: int, channels: int
) -> None:
    info, pictures = quiet
    _, frames, size = sound("aac", 16_000, seconds=4)
    track = AudioTrack(codec="aac", sample_rate_hz=rate_hz, channels=channels, config=bytes.fromhex(config))
    packets = timed(frames, begin_90k=pictures[0].pts_90k, step_90k=size * TICKS_PER_S / 16_000)
    check(cut(with_sound(info, track), together(pictures, packets)), pictures)


def test_aac_that_browsers_do_not_play_is_encoded_anew(quiet: tuple[StreamInfo, list[MediaPacket]]) -> None:
    """AAC Main (object type 1), and frames of 960 samples."""
    info, pictures = quiet
    for config in ("0988", "1190"):
        setup = setup_of(bytes.fromhex(config))
        assert setup is not None
    assert not setup_of(bytes.fromhex("0988")).copied  # type: ignore[union-attr]
    assert setup_of(bytes.fromhex("1190")).copied  # type: ignore[union-attr]
    assert not setup_of(bytes.fromhex("1194")).copied  # type: ignore[union-attr]
    _, frames, size = sound("aac", 48_000, seconds=4)
    main = AudioTrack(codec="aac", sample_rate_hz=48_000, channels=1, config=bytes.fromhex("0988"))
    packets = timed(frames, begin_90k=pictures[0].pts_90k, step_90k=size * TICKS_PER_S / 48_000)
    made = cut(with_sound(info, main), together(pictures, packets))
    check(made, pictures)
    assert made.decision is not None
    assert made.decision.plan is not None
    assert made.decision.plan.codec_string == "mp4a.40.2"


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


NO_SAMPLES = [float("nan"), float("inf"), float("-inf"), 1e10, -1e10, 1e39, 4.5]
"""What a float can hold and no microphone gives; FFmpeg's AAC encoder refuses a whole frame for one of most of them."""


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
