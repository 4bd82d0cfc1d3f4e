"""What a camera gives during a class is in the spool: every picture once, in order; or a gap says why."""

import io
import itertools
from datetime import timedelta
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest

from edge_agent.capture.feed import Feed, RunEnded, RunStarted
from edge_agent.capture.packet import Kind
from edge_agent.capture.parameter_sets import parameter_sets
from edge_agent.sync.clockmap import ClockMap
from shared.protocol.manifest import GapReason
from shared.protocol.media import ClockMethod
from shared.protocol.status import CameraError
from tests.edge_agent.spool.take import NOON, Studio, follow, read_media
from tests.media import make_video

LOOP = 120
"""Pictures in each test file: four seconds at 30 a second."""


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    make_video(folder / "h264.mp4", audio="aac")
    make_video(folder / "h265.mp4", codec="h265")
    make_video(folder / "bframes.ts", b_frames=2, audio="aac")
    make_video(folder / "pcmu.mov", audio="pcm_mulaw", sample_rate_hz=8000)
    make_video(folder / "opus.mkv", audio="libopus")
    make_video(folder / "quiet.mp4")
    make_video(folder / "large.mp4", size=(640, 360))
    make_video(folder / "intra.mp4", gop=1)
    make_video(folder / "long_gop.mp4", gop=1000, seconds=4)
    return folder


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path / "state")


@pytest.mark.parametrize(
    "name", ["h264.mp4", "h265.mp4", "quiet.mp4", "pcmu.mov", "intra.mp4", "long_gop.mp4"]
)
def test_every_picture_is_recorded_once_and_in_order(studio: Studio, media: Path, name: str) -> None:
    info, packets = read_media(media / name, 21)
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order()
    recorder = studio.recorder(spool, order)
    studio.play(run, packets, recorder)
    studio.finish(recorder, order)
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
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order()
    recorder = studio.recorder(spool, order)
    studio.play(run, packets[:last_key], recorder)
    studio.finish(recorder, order)
    stamped = list(studio.recorded(spool))
    assert follow([number for _, number in stamped], LOOP)
    sent = sorted(p.pts_90k for p in packets[:last_key] if p.kind is Kind.VIDEO)
    assert [pts for pts, _ in stamped] == sent


def test_fragments_tell_where_their_pictures_are(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "h264.mp4", 20)
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order()
    recorder = studio.recorder(spool, order)
    studio.play(run, packets, recorder)
    studio.finish(recorder, order)
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


def test_the_picture_is_described(studio: Studio, media: Path) -> None:
    for name, codec, begins in (("h264.mp4", "h264", "avc1.42"), ("h265.mp4", "h265", "hvc1.1.6.L")):
        info, packets = read_media(media / name, 3)
        studio = Studio(studio.state / name)
        spool = studio.open_spool()
        run = studio.connect(info)
        order = studio.order()
        recorder = studio.recorder(spool, order)
        studio.play(run, packets, recorder)
        studio.finish(recorder, order)
        video = studio.manifests(spool)[0].video
        assert (video.codec, video.width, video.height, video.fps) == (codec, 320, 180, 30.0)
        assert video.codec_string.startswith(begins)
        tag = b"avc1" if codec == "h264" else b"hvc1"
        assert tag in studio.init(spool, studio.manifests(spool)[0])


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
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order()
    recorder = studio.recorder(spool, order)
    studio.play(run, packets, recorder)
    studio.finish(recorder, order)
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
    loud = [float(np.abs(frame.to_ndarray()).max()) > 0.05 for frame in frames[4:-4]]
    assert sum(loud) > 0.95 * len(loud)


def test_a_silent_microphone_does_not_hold_the_pictures_back(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "h264.mp4", 24)
    quiet_from = packets[0].pts_90k + 8 * 90_000
    loud_from = packets[0].pts_90k + 16 * 90_000
    heard = [p for p in packets if p.kind is Kind.VIDEO or not quiet_from <= p.pts_90k < loud_from]
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order()
    recorder = studio.recorder(spool, order)
    studio.play(run, heard, recorder)
    studio.finish(recorder, order)
    manifests = studio.manifests(spool)
    assert next(m.audio is not None for m in manifests if m.fragments[0].pts_90k < quiet_from)
    assert any(m.audio is None for m in manifests)
    assert manifests[-1].audio is not None
    assert sorted({m.run for m in manifests}) == [0, 1, 2]
    assert follow(studio.recorded_numbers(spool), LOOP)
    assert len(studio.recorded_numbers(spool)) == sum(p.kind is Kind.VIDEO for p in packets)
    assert not studio.gaps(spool)


def test_a_microphone_that_never_sends_is_not_promised(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "h264.mp4", 5)
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order()
    recorder = studio.recorder(spool, order)
    studio.play(run, [p for p in packets if p.kind is Kind.VIDEO], recorder)
    studio.finish(recorder, order)
    assert all(m.audio is None for m in studio.manifests(spool))
    assert follow(studio.recorded_numbers(spool), LOOP)


def test_recording_begins_at_the_key_frame_before_the_start(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 12)
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order(start_s=5.5)
    recorder = studio.recorder(spool, order)
    studio.play(run, packets, recorder)
    studio.finish(recorder, order)
    numbers = studio.recorded_numbers(spool)
    # Pictures 150 to 179 of the class's fifth second belong together: the start is in their middle.
    assert numbers[0] == 150 % LOOP
    assert follow(numbers, LOOP)
    assert recorder.first_picture_at is not None
    assert abs(recorder.first_picture_at - (NOON + timedelta(seconds=5))) < timedelta(milliseconds=50)
    assert not studio.gaps(spool)


def test_a_camera_that_reconnects_across_the_start_brings_only_its_new_run(
    studio: Studio, media: Path
) -> None:
    info, packets = read_media(media / "quiet.mp4", 8)
    spool = studio.open_spool()
    order = studio.order(start_s=3.5)
    recorder = studio.recorder(spool, order)
    first = packets[0].pts_90k
    studio.play(studio.connect(info), [p for p in packets if p.pts_90k < first + 3.2 * 90_000], recorder)
    studio.disconnect()
    studio.clock.advance(2)
    studio.play(studio.connect(info), packets, recorder)
    studio.finish(recorder, order)
    numbers = studio.recorded_numbers(spool)
    assert len(numbers) == len(packets)
    assert follow(numbers, LOOP)


def test_what_comes_while_a_slow_disk_writes_is_recorded_up_to_the_stop(
    studio: Studio, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info, packets = read_media(media / "quiet.mp4", 12)
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order(stop_s=11.5)
    recorder = studio.recorder(spool, order)
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


def test_a_gap_after_the_clock_was_set_back_is_written_down(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 8)
    spool = studio.open_spool()
    order = studio.order()
    recorder = studio.recorder(spool, order)
    studio.clock.advance(3600)
    studio.play(studio.connect(info), packets, recorder)
    studio.disconnect(None, "clock_step")
    recorder.step(0)
    studio.clock.step_utc(-3600)
    studio.clock.advance(1.1)
    studio.reference.utc_us(studio.clock.monotonic_ns())
    studio.play(studio.connect(info), packets, recorder)
    studio.disconnect(CameraError.UNREACHABLE)
    recorder.step(0)
    away_at = studio.clock.now()
    studio.clock.advance(20)
    studio.play(studio.connect(info), packets, recorder)
    studio.finish(recorder, order)
    gap = studio.gaps(spool)[-1]
    assert gap.reason is GapReason.CAMERA_OFFLINE
    assert abs(gap.from_at - away_at) < timedelta(milliseconds=200)
    assert timedelta(seconds=19) < gap.to_at - gap.from_at < timedelta(seconds=21)


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
    assert spool.account(studio.class_id, studio.camera_id).finished


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CameraError.ENDED, GapReason.CAMERA_OFFLINE),
        (CameraError.UNREACHABLE, GapReason.CAMERA_OFFLINE),
        (CameraError.REFUSED, GapReason.CAMERA_REFUSED),
        (CameraError.TIMED_OUT, GapReason.CAMERA_SILENT),
        (CameraError.UNSUPPORTED_CODEC, GapReason.CAMERA_UNSUPPORTED),
    ],
)
def test_a_camera_that_goes_away_leaves_a_gap_with_its_reason(
    studio: Studio, media: Path, error: CameraError, reason: GapReason
) -> None:
    info, packets = read_media(media / "quiet.mp4", 8)
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order()
    recorder = studio.recorder(spool, order)
    studio.play(run, packets, recorder)
    gone_at = studio.clock.now()
    studio.disconnect(error)
    recorder.step(0)
    studio.clock.advance(5)
    back = studio.connect(info)
    back_at = studio.clock.now()
    studio.play(back, packets, recorder)
    studio.finish(recorder, order)
    (gap,) = studio.gaps(spool)
    assert gap.reason is reason
    assert abs(gap.from_at - gone_at) < timedelta(milliseconds=100)
    assert abs(gap.to_at - back_at) < timedelta(milliseconds=100)
    runs = [m.run for m in studio.manifests(spool)]
    assert runs == sorted(runs)
    assert set(runs) == {0, 1}
    assert len(studio.recorded_numbers(spool)) == 2 * len(packets)


def test_a_camera_that_stays_away_is_accounted_for_while_it_is_away(studio: Studio) -> None:
    spool = studio.open_spool()
    studio.board.update_camera(studio.camera_id, error=CameraError.UNREACHABLE)
    order = studio.order()
    recorder = studio.recorder(spool, order)
    for _ in range(10):
        studio.clock.advance(10)
        recorder.set_order(order)
        recorder.step(0)
    assert studio.gaps(spool)
    assert {gap.reason for gap in studio.gaps(spool)} == {GapReason.CAMERA_OFFLINE}
    studio.finish(recorder, order)
    gaps = studio.gaps(spool)
    assert gaps[0].from_at == order.start_at
    assert all(a.to_at == b.from_at for a, b in itertools.pairwise(gaps))
    assert gaps[-1].to_at >= NOON + timedelta(seconds=100)
    assert not studio.manifests(spool)


def test_packets_that_were_dropped_are_a_gap(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 14)
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order()
    recorder = studio.recorder(spool, order)
    assert recorder._subscription is not None
    recorder._subscription._limit_bytes = 20_000
    third = len(packets) // 3
    studio.play(run, packets[:third], recorder)
    studio.play(run, packets[third : 2 * third], None)
    studio.play(run, packets[2 * third :], recorder)
    studio.finish(recorder, order)
    gaps = studio.gaps(spool)
    assert [gap.reason for gap in gaps] == [GapReason.PACKETS_DROPPED]
    numbers = studio.recorded_numbers(spool)
    lost = len(packets) - len(numbers)
    assert lost > 0
    assert (gaps[0].to_at - gaps[0].from_at).total_seconds() == pytest.approx(lost / 30, abs=0.01)
    assert gaps[0].detail == f"{lost} packets"


def test_a_changed_picture_size_begins_another_run(studio: Studio, media: Path) -> None:
    small, packets = read_media(media / "quiet.mp4", 4)
    large, more = read_media(media / "large.mp4", 4)
    spool = studio.open_spool()
    run = studio.connect(small)
    order = studio.order()
    recorder = studio.recorder(spool, order)
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


def test_a_restarted_agent_goes_on_with_the_class_and_owns_up_to_its_absence(
    studio: Studio, media: Path
) -> None:
    info, packets = read_media(media / "quiet.mp4", 10)
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order()
    recorder = studio.recorder(spool, order)
    studio.play(run, packets, recorder)
    # The process dies here: nothing is closed.
    spool._lock_file.close()
    studio.disconnect(None)
    studio.clock.advance(4)
    again = studio.open_spool()
    assert len(again.recovered.sealed) == 1
    assert again.recovered.sealed[0].recovered
    back = studio.connect(info)
    second = studio.recorder(again, order)
    studio.play(back, packets, second)
    studio.finish(second, order)
    manifests = studio.manifests(again)
    assert [m.sequence for m in manifests] == list(range(1, len(manifests) + 1))
    assert [m.run for m in manifests] == [0, 0, 1, 1]
    (gap,) = studio.gaps(again)
    assert gap.reason is GapReason.AGENT_STOPPED
    # Lost: the group of pictures in the making, and the four seconds that the agent was away.
    assert 4 <= (gap.to_at - gap.from_at).total_seconds() <= 5.1
    numbers = studio.recorded_numbers(again)
    assert follow(numbers[: -len(packets)], LOOP)
    assert follow(numbers[-len(packets) :], LOOP)


def test_a_finished_class_is_not_begun_again(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 3)
    spool = studio.open_spool()
    run = studio.connect(info)
    recorder = studio.recorder(spool, studio.order(stop_s=1.5))
    studio.play(run, packets, recorder)
    assert recorder.finished
    spool.close()
    assert studio.recorder(studio.open_spool(), studio.order(stop_s=1.5)).finished


def test_an_order_met_after_its_end_is_one_gap(studio: Studio) -> None:
    studio.clock.advance(600)
    spool = studio.open_spool()
    order = studio.order(stop_s=60)
    recorder = studio.recorder(spool, order)
    assert recorder.finished
    (gap,) = studio.gaps(spool)
    assert (gap.reason, gap.from_at, gap.to_at) == (GapReason.AGENT_LATE, order.start_at, order.stop_at)


def test_each_segment_says_how_it_was_dated(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 20)
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order()
    recorder = studio.recorder(spool, order)
    studio.play(run, packets, recorder)
    studio.finish(recorder, order)
    clocks = [m.clock for m in studio.manifests(spool)]
    assert {c.method for c in clocks} == {ClockMethod.ARRIVAL}
    assert clocks[0].provisional
    assert not clocks[-1].provisional


def test_a_key_frame_that_cannot_be_read_costs_its_own_pictures_only(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 6)
    broken = [
        msgspec.structs.replace(packets[0], data=b"\x00\x00\x00\x01\x09\x10" + b"\xff" * 60),
        *packets[1:],
    ]
    info = msgspec.structs.replace(info, video=msgspec.structs.replace(info.video, parameter_sets=b""))
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order()
    recorder = studio.recorder(spool, order)
    studio.play(run, broken, recorder)
    studio.finish(recorder, order)
    numbers = studio.recorded_numbers(spool)
    assert len(numbers) == len(packets) - 30
    (gap,) = studio.gaps(spool)
    assert (gap.to_at - gap.from_at).total_seconds() == pytest.approx(1, abs=0.05)


def test_an_endless_group_of_pictures_is_written_in_parts(studio: Studio, tmp_path: Path) -> None:
    info, packets = read_media(make_video(tmp_path / "endless.mp4", seconds=20, gop=10_000), 39)
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order()
    recorder = studio.recorder(spool, order)
    studio.play(run, packets, recorder)
    studio.finish(recorder, order)
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
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order()
    recorder = studio.recorder(spool, order)
    studio.play(run, bare, recorder)
    studio.finish(recorder, order)
    assert follow(studio.recorded_numbers(spool), LOOP)
    assert studio.manifests(spool)[0].video.codec_string == "avc1.42c00d"


def test_a_camera_configured_anew_goes_on_with_the_same_track(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 5)
    spool = studio.open_spool()
    run = studio.connect(info)
    order = studio.order()
    recorder = studio.recorder(spool, order)
    studio.play(run, packets, recorder)
    studio.feed = Feed()
    recorder.set_feed(studio.feed)
    recorder.step(0)
    studio.clock.advance(2)
    back = studio.connect(info)
    studio.play(back, packets, recorder)
    studio.finish(recorder, order)
    assert {m.run for m in studio.manifests(spool)} == {0, 1}
    (gap,) = studio.gaps(spool)
    assert (gap.to_at - gap.from_at).total_seconds() == pytest.approx(2, abs=0.1)
    assert (gap.reason, gap.detail) == (GapReason.CAMERA_OFFLINE, "the camera was configured anew")
