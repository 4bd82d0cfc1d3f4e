"""A camera, or the agent, that goes away and comes back: the class goes on, and a gap says what is missing and why."""

import itertools
from datetime import timedelta
from pathlib import Path

import pytest

from edge_agent.capture.feed import Feed
from shared.protocol.manifest import GapReason
from shared.protocol.status import CameraError
from tests.edge_agent.spool.recorded_class import LOOP, NOON, Studio, follow, read_media


def test_a_camera_that_reconnects_across_the_start_brings_only_its_new_run(
    studio: Studio, media: Path
) -> None:
    info, packets = read_media(media / "quiet.mp4", 8)
    spool, order, recorder = studio.begin(start_s=3.5)
    first = packets[0].pts_90k
    studio.play(studio.connect(info), [p for p in packets if p.pts_90k < first + 3.2 * 90_000], recorder)
    studio.disconnect()
    studio.clock.advance(2)
    studio.play(studio.connect(info), packets, recorder)
    studio.finish(recorder, order)
    numbers = studio.recorded_numbers(spool)
    assert len(numbers) == len(packets)
    assert follow(numbers, LOOP)


def test_a_gap_after_the_clock_was_set_back_is_written_down(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 8)
    spool, order, recorder = studio.begin()
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
    run = studio.connect(info)
    spool, order, recorder = studio.begin()
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
    studio.board.update_camera(studio.camera_id, error=CameraError.UNREACHABLE)
    spool, order, recorder = studio.begin()
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
    run = studio.connect(info)
    spool, order, recorder = studio.begin()
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


def test_a_restarted_agent_goes_on_with_the_class_and_owns_up_to_its_absence(
    studio: Studio, media: Path
) -> None:
    info, packets = read_media(media / "quiet.mp4", 10)
    run = studio.connect(info)
    spool, order, recorder = studio.begin()
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


def test_an_order_met_after_its_end_is_one_gap(studio: Studio) -> None:
    studio.clock.advance(600)
    spool, order, recorder = studio.begin(stop_s=60)
    assert recorder.finished
    (gap,) = studio.gaps(spool)
    assert (gap.reason, gap.from_at, gap.to_at) == (GapReason.AGENT_LATE, order.start_at, order.stop_at)


def test_a_camera_configured_anew_goes_on_with_the_same_track(studio: Studio, media: Path) -> None:
    info, packets = read_media(media / "quiet.mp4", 5)
    run = studio.connect(info)
    spool, order, recorder = studio.begin()
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
    assert (gap.reason, gap.detail) == (GapReason.CAMERA_OFFLINE, "the camera was reconfigured")


@pytest.mark.faults
@pytest.mark.parametrize("begun", [False, True], ids=["before its first fragment", "in the middle"])
def test_an_agent_killed_before_it_wrote_a_gap_down_finds_it_when_it_is_back(
    studio: Studio, media: Path, begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fragment that ends a gap is durable, its row is not."""
    info, packets = read_media(media / "quiet.mp4", 10)
    spool, order, recorder = studio.begin()
    if begun:
        studio.play(studio.connect(info), packets, recorder)
    studio.disconnect(CameraError.UNREACHABLE)
    studio.clock.advance(20)
    monkeypatch.setattr(spool, "add_gap", lambda gap: None)
    studio.play(studio.connect(info), packets, recorder)
    assert not studio.gaps(spool)
    spool._lock_file.close()
    studio.disconnect(None)
    again = studio.open_spool()
    second = studio.recorder(again, order)
    (found,) = studio.gaps(again)
    assert found.reason is GapReason.AGENT_STOPPED
    assert 19 <= (found.to_at - found.from_at).total_seconds() <= 21.1
    studio.recorder(again, order)
    assert len(studio.gaps(again)) == 1
    studio.finish(second, order)
    assert [g.reason for g in studio.gaps(again)] == [GapReason.AGENT_STOPPED] * 2


def test_a_camera_that_is_away_while_the_clock_is_set_back_leaves_no_silence(
    studio: Studio, media: Path
) -> None:
    info, packets = read_media(media / "quiet.mp4", 8)
    spool = studio.open_spool()
    order = studio.order()
    recorder = studio.recorder(spool, order)
    studio.clock.advance(3600)
    studio.play(studio.connect(info), packets, recorder)
    studio.disconnect(CameraError.UNREACHABLE)
    recorder.step(0)
    studio.clock.advance(120)
    recorder.step(0)  # written down in the old time, up to a minute past one
    studio.clock.step_utc(-3600)
    recorder.step(0)
    away_at = studio.clock.now()
    studio.clock.advance(300)
    recorder.step(0)
    studio.reference.utc_us(studio.clock.monotonic_ns())
    back_at = studio.clock.now()
    studio.play(studio.connect(info), packets, recorder)
    gone_at = studio.clock.now()
    studio.disconnect(CameraError.UNREACHABLE)
    recorder.step(0)
    studio.clock.advance(600)
    studio.play(studio.connect(info), packets, recorder)
    studio.finish(recorder, order)
    since = [gap for gap in studio.gaps(spool) if away_at <= gap.from_at < NOON + timedelta(minutes=30)]
    assert {gap.reason for gap in since} == {GapReason.CAMERA_OFFLINE}
    near = timedelta(seconds=1)
    first = [gap for gap in since if gap.from_at < back_at]
    assert abs(first[0].from_at - away_at) < near
    assert abs(first[-1].to_at - back_at) < near
    # Still within the hour that the old time had seen already.
    second = [gap for gap in since if gap.from_at >= back_at]
    assert abs(second[0].from_at - gone_at) < near
    assert sum((gap.to_at - gap.from_at for gap in second), timedelta()) > timedelta(seconds=590)
