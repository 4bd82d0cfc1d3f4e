"""The audio of a class: AAC beside the pictures, silence where none comes, and one set of tracks for the whole class."""

import io
from pathlib import Path
from typing import Any

import av
import av.error
import pytest

from edge_agent.recording.run_muxer import RunMuxer
from edge_agent.sources.packet import AudioTrack, Kind
from shared.kernel.timebase import TICKS_PER_S
from tests.edge_agent.recording.camera_audio import sound, timed, together
from tests.edge_agent.recording.muxed import SECOND, is_unbroken, loud, with_sound
from tests.edge_agent.spool.recorded_class import LOOP, Studio, follow, read_media


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
