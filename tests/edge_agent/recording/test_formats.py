"""Streams as cameras really send them: two codecs, another size half-way, key frames that are bare, broken or rare."""

from pathlib import Path

import msgspec
import pytest

from edge_agent.capture.feed import RunEnded, RunStarted
from edge_agent.sources.parameter_sets import parameter_sets
from edge_agent.sync.clock_map import ClockMap
from tests.edge_agent.spool.recorded_class import LOOP, Studio, follow, read_media
from tests.media import make_video


def test_the_picture_is_described(studio: Studio, media: Path) -> None:
    for name, codec, begins in (("h264.mp4", "h264", "avc1.42"), ("h265.mp4", "h265", "hvc1.1.6.L")):
        info, packets = read_media(media / name, 3)
        studio = Studio(studio.state / name)
        spool = studio.record(info, packets)
        video = studio.manifests(spool)[0].video
        assert (video.codec, video.width, video.height, video.fps) == (codec, 320, 180, 30.0)
        assert video.codec_string.startswith(begins)
        tag = b"avc1" if codec == "h264" else b"hvc1"
        assert tag in studio.init(spool, studio.manifests(spool)[0])


def test_a_changed_picture_size_begins_another_run(studio: Studio, media: Path) -> None:
    small, packets = read_media(media / "quiet.mp4", 4)
    large, more = read_media(media / "large.mp4", 4)
    run = studio.connect(small)
    spool, order, recorder = studio.begin()
    studio.play(run, packets, recorder)
    studio.feed.publish(RunEnded(None, "format_change"))
    other = RunStarted(large, ClockMap(studio.reference), "format_change")
    studio.feed.publish(other)
    studio.clock.advance(1 / 30)
    studio.play(other, more, recorder)
    studio.finish(recorder, order)
    manifests = studio.manifests(spool)
    assert [(m.run, m.video.width) for m in manifests] == [(0, 320), (1, 640)]
    assert len(studio.recorded_numbers(spool)) == len(packets) + len(more)
    assert not studio.gaps(spool)


def test_a_key_frame_that_cannot_be_read_costs_its_own_pictures_only(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 6)
    broken = [
        msgspec.structs.replace(packets[0], data=b"\x00\x00\x00\x01\x09\x10" + b"\xff" * 60),
        *packets[1:],
    ]
    info = msgspec.structs.replace(info, video=msgspec.structs.replace(info.video, parameter_sets=b""))
    spool = studio.record(info, broken)
    numbers = studio.recorded_numbers(spool)
    assert len(numbers) == len(packets) - 30
    (gap,) = studio.gaps(spool)
    assert (gap.to_at - gap.from_at).total_seconds() == pytest.approx(1, abs=0.05)


def test_an_endless_group_of_pictures_is_written_in_parts(studio: Studio, tmp_path: Path) -> None:
    info, packets = read_media(make_video(tmp_path / "endless.mp4", seconds=20, gop=10_000), 39)
    spool = studio.record(info, packets)
    manifests = studio.manifests(spool)
    assert max(f.duration_90k for m in manifests for f in m.fragments) <= 9 * 90_000
    assert len(manifests) == 2
    numbers = studio.recorded_numbers(spool)
    assert len(numbers) == len(packets)
    assert follow(numbers, 600)


def test_parameter_sets_that_only_the_description_has_are_used(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 9)
    sets = parameter_sets(memoryview(packets[0].data)[:16384], "h264")
    bare = [
        msgspec.structs.replace(p, data=bytes(p.data).replace(sets, b"")) if p.keyframe else p
        for p in packets
    ]
    assert not parameter_sets(memoryview(bare[0].data)[:16384], "h264")
    info = msgspec.structs.replace(info, video=msgspec.structs.replace(info.video, parameter_sets=sets))
    spool = studio.record(info, bare)
    assert follow(studio.recorded_numbers(spool), LOOP)
    assert studio.manifests(spool)[0].video.codec_string == "avc1.42c00d"
