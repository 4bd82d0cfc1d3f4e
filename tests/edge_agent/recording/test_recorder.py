"""The spool holds every picture of a class once, in order, from the start to the stop."""

import io
import itertools
from datetime import timedelta
from pathlib import Path

import av
import pytest

from edge_agent.sources.packet import Kind
from shared.protocol.media import ClockMethod
from tests.edge_agent.spool.recorded_class import LOOP, NOON, Studio, follow, read_media


@pytest.mark.parametrize(
    "name", ["h264.mp4", "h265.mp4", "quiet.mp4", "pcmu.mov", "intra.mp4", "long_gop.mp4"]
)
def test_every_picture_is_recorded_once_and_in_order(studio: Studio, media: Path, name: str) -> None:
    info, packets = read_media(media / name, 21)
    spool = studio.record(info, packets)
    numbers = studio.recorded_numbers(spool)
    assert len(numbers) == sum(p.kind is Kind.VIDEO for p in packets)
    assert follow(numbers, LOOP)
    manifests = studio.manifests(spool)
    assert [m.sequence for m in manifests] == list(range(1, len(manifests) + 1))
    assert sum(f.frames for m in manifests for f in m.fragments) == len(numbers)
    assert {m.run for m in manifests} == {0}
    assert not studio.gaps(spool)


def test_reordered_pictures_are_recorded_once_and_in_order(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "bframes.ts", 14)
    last_key = max(i for i, p in enumerate(packets) if p.kind is Kind.VIDEO and p.keyframe)
    spool = studio.record(info, packets[:last_key])
    stamped = list(studio.recorded(spool))
    assert follow([number for _, number in stamped], LOOP)
    sent = sorted(p.pts_90k for p in packets[:last_key] if p.kind is Kind.VIDEO)
    assert [pts for pts, _ in stamped] == sent


def test_fragments_tell_where_their_pictures_are(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "h264.mp4", 20)
    spool = studio.record(info, packets)
    manifests = studio.manifests(spool)
    fragments = [f for m in manifests for f in m.fragments]
    assert all(a.pts_90k + a.duration_90k == b.pts_90k for a, b in itertools.pairwise(fragments))
    assert fragments[0].pts_90k == packets[0].pts_90k
    # A segment closes at the first key frame past six seconds.
    assert [sum(f.duration_90k for f in m.fragments) for m in manifests[:-1]] == [540_000] * (
        len(manifests) - 1
    )
    for manifest in manifests:
        assert len({m.init_sha256 for m in manifests}) == 1
        offset = manifest.init.size_bytes
        for fragment in manifest.fragments:
            assert fragment.blob.offset_bytes == offset
            offset += fragment.blob.size_bytes
            data = studio.init(spool, manifest) + studio.opened(spool, manifest, fragment.blob)
            with av.open(io.BytesIO(data), "r") as playable:
                shown = [f.pts for f in playable.decode(video=0)]
            assert shown[0] == fragment.pts_90k
            assert len(shown) == fragment.frames
        assert offset == manifest.size_bytes == spool.path(manifest).stat().st_size


def test_recording_begins_at_the_key_frame_before_the_start(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 12)
    run = studio.connect(info)
    spool, order, recorder = studio.begin(start_s=5.5)
    studio.play(run, packets, recorder)
    studio.finish(recorder, order)
    numbers = studio.recorded_numbers(spool)
    # Pictures 150 to 179 of the class's fifth second belong together: the start is in their middle.
    assert numbers[0] == 150 % LOOP
    assert follow(numbers, LOOP)
    assert recorder.first_picture_at is not None
    assert abs(recorder.first_picture_at - (NOON + timedelta(seconds=5))) < timedelta(milliseconds=50)
    assert not studio.gaps(spool)


def test_what_comes_while_a_slow_disk_writes_is_recorded_up_to_the_stop(
    studio: Studio, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info, packets = read_media(media / "quiet.mp4", 12)
    run = studio.connect(info)
    spool, _, recorder = studio.begin(stop_s=11.5)
    early = [p for p in packets if p.pts_90k < packets[0].pts_90k + 6 * 90_000]
    studio.play(run, early, None)
    append = spool.files.append

    def stall(descriptor: int, data: memoryview) -> None:
        monkeypatch.setattr(spool.files, "append", append)
        studio.clock.advance(1 / 30)
        studio.play(run, packets[len(early) :], None)
        studio.clock.advance(5)
        append(descriptor, data)

    monkeypatch.setattr(spool.files, "append", stall)
    recorder.step(0)
    recorder.step(0)
    assert recorder.finished
    assert len(studio.recorded_numbers(spool)) == pytest.approx(345, abs=2)
    assert not studio.gaps(spool)


def test_a_late_order_takes_what_is_still_in_memory(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 12)
    spool = studio.open_spool()
    run = studio.connect(info)
    studio.play(run, [p for p in packets if p.pts_90k < packets[0].pts_90k + 8 * 90_000], None)
    # The button was pressed at 6.2 s; the order arrives at 8 s.
    order = studio.order(start_s=6.2)
    recorder = studio.recorder(spool, order)
    assert recorder.recording
    studio.play(run, [p for p in packets if p.pts_90k >= packets[0].pts_90k + 8 * 90_000], recorder)
    studio.finish(recorder, order)
    assert studio.recorded_numbers(spool)[0] == 180 % LOOP
    assert not studio.gaps(spool)


def test_nothing_after_the_stop_is_recorded(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 12)
    spool = studio.open_spool()
    run = studio.connect(info)
    recorder = studio.recorder(spool, studio.order(stop_s=7.5))
    studio.play(run, packets, recorder)
    assert recorder.finished
    numbers = studio.recorded_numbers(spool)
    assert len(numbers) == pytest.approx(225, abs=2)
    assert follow(numbers, LOOP)
    assert not studio.gaps(spool)
    assert spool.progress(studio.class_id, studio.camera_id).finished


def test_a_finished_class_is_not_begun_again(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 3)
    spool = studio.open_spool()
    run = studio.connect(info)
    recorder = studio.recorder(spool, studio.order(stop_s=1.5))
    studio.play(run, packets, recorder)
    assert recorder.finished
    spool.close()
    assert studio.recorder(studio.open_spool(), studio.order(stop_s=1.5)).finished


def test_each_segment_says_how_it_was_dated(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 20)
    spool = studio.record(info, packets)
    clocks = [m.clock for m in studio.manifests(spool)]
    assert {c.method for c in clocks} == {ClockMethod.ARRIVAL}
    assert clocks[0].provisional
    assert not clocks[-1].provisional
