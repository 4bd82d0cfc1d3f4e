"""A disk that is full: what is durable stays, the loss is on record, and the agent lives."""

import errno
import itertools
from datetime import timedelta
from pathlib import Path

import pytest

from edge_agent.errors import SpoolBroken, SpoolError, SpoolFull
from edge_agent.settings import SpoolSettings
from edge_agent.spool.layout import CLOSED
from shared.protocol.config import SpoolPolicy
from shared.protocol.manifest import GapReason
from tests.edge_agent.spool.failing_disk import FailingDisk
from tests.edge_agent.spool.recorded_class import Studio, follow, read_media
from tests.edge_agent.spool.segments import CLOCK, closed, fragment, other_camera, writer
from tests.media import make_video


@pytest.mark.faults
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errno.ENOSPC, GapReason.DISK_FULL),
        (errno.EDQUOT, GapReason.DISK_FULL),
        (errno.EIO, GapReason.DISK_ERROR),
    ],
)
def test_recording_goes_on_when_the_disk_takes_writes_again(
    studio: Studio, disk: FailingDisk, tmp_path: Path, error: int, reason: GapReason
) -> None:
    info, packets = read_media(make_video(tmp_path / "clip.mp4", seconds=4), 30)
    run = studio.connect(info)
    spool, order, recorder = studio.begin(files=disk)
    studio.play(run, packets[:240], recorder)
    disk.error = error
    studio.play(run, packets[240:540], recorder)
    assert disk.refused
    assert spool.status().full is (reason is GapReason.DISK_FULL)
    disk.error = None
    studio.play(run, packets[540:], recorder)
    studio.finish(recorder, order)
    spool.clean()
    assert not spool.status().full
    numbers = studio.recorded_numbers(spool)
    lost = len(packets) - len(numbers)
    assert 270 <= lost <= 330
    (gap,) = studio.gaps(spool)
    assert gap.reason is reason
    assert (gap.to_at - gap.from_at).total_seconds() == pytest.approx(lost / 30, abs=0.05)
    assert follow(numbers[: 240 - 30], 120)
    assert follow(numbers[240:], 120)
    sequences = [m.sequence for m in studio.manifests(spool)]
    assert sequences == list(range(1, len(sequences) + 1))


def test_nothing_is_written_into_the_space_that_must_stay_free(studio: Studio, disk: FailingDisk) -> None:
    spool = studio.open_spool(disk)
    disk.free = 5_000
    spool.set_policy(SpoolPolicy(keep_free_bytes=4_000))
    segment = writer(studio, spool)
    with pytest.raises(SpoolFull):
        segment.append(fragment(0), CLOCK)
    spool.set_policy(SpoolPolicy(keep_free_bytes=0))
    segment.append(fragment(0), CLOCK)


def test_the_spool_keeps_to_its_own_limit(studio: Studio, disk: FailingDisk) -> None:
    spool = studio.open_spool(disk)
    spool.set_policy(SpoolPolicy(max_bytes=20_000, keep_free_bytes=0))
    closed(studio, spool, fragments=5)
    with pytest.raises(SpoolFull):
        closed(studio, spool, fragments=5)
    assert spool.bytes_used() <= 20_000


def test_a_nearly_full_disk_costs_committed_copies_and_nothing_else(
    studio: Studio, disk: FailingDisk
) -> None:
    spool = studio.open_spool(disk)
    made = [closed(studio, spool) for _ in range(6)]
    spool.mark_committed([m.segment_id for m in made[:4]])
    disk.free = 0
    freed = spool.clean()
    assert freed == sum(m.size_bytes for m in made[:4])
    assert [path.name for path in sorted(studio.state.rglob(f"*{CLOSED}"))] == [
        spool.path(m).name for m in made[4:]
    ]


@pytest.mark.faults
def test_a_disk_that_stays_full_is_accounted_for_while_it_is_full(
    studio: Studio, disk: FailingDisk, tmp_path: Path
) -> None:
    """Bytes have no room, notes do: what must stay free is there for them."""
    info, packets = read_media(make_video(tmp_path / "clip.mp4", seconds=4), 80)
    spool, order, recorder = studio.begin(files=disk)
    run = studio.connect(info)
    studio.play(run, packets[:150], recorder)
    disk.free = 0
    studio.play(run, packets[150:2250], recorder)
    full = studio.gaps(spool)
    assert [g.reason for g in full] == [GapReason.DISK_FULL] * 2
    assert spool.progress(studio.class_id, studio.camera_id).until_at == full[-1].to_at
    disk.free = None
    studio.play(run, packets[2250:], recorder)
    studio.finish(recorder, order)
    gaps = studio.gaps(spool)
    assert {g.reason for g in gaps} == {GapReason.DISK_FULL}
    assert all(a.to_at == b.from_at for a, b in itertools.pairwise(gaps))
    lost_s = (len(packets) - len(studio.recorded_numbers(spool))) / 30
    assert sum((g.to_at - g.from_at for g in gaps), timedelta()).total_seconds() == pytest.approx(
        lost_s, abs=0.1
    )


@pytest.mark.faults
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_start_on_a_disk_that_takes_nothing_mends_later_what_it_cannot_mend_now(
    studio: Studio, disk: FailingDisk, error: int
) -> None:
    spool = studio.open_spool(disk)
    whole = closed(studio, spool)
    half = writer(studio, spool)
    half.append(fragment(0), CLOCK)
    spool._lock_file.close()  # as a killed process does
    disk.error = error
    again = studio.open_spool(disk)
    again.track_class(studio.class_id)
    assert [s.manifest for s in again.pending(10)] == [whole]
    assert again.tally(studio.class_id).segments_pending == 2
    with pytest.raises(SpoolError):
        writer(studio, again).append(fragment(0), CLOCK)
    again.clean()
    assert len(again.pending(10)) == 1
    disk.error = None
    again.clean()
    mended = again.pending(10)[1].manifest
    assert mended.recovered
    assert studio.opened(again, mended, mended.fragments[0].blob) == fragment(0).data
    assert again.tally(studio.class_id).segments_pending == 2
    later = closed(studio, again)
    assert later.sequence > mended.sequence


@pytest.mark.faults
@pytest.mark.parametrize(
    ("error", "full"),
    [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EFBIG, True), (errno.EROFS, False)],
    ids=["no inode left", "over the quota", "over the limit of a file", "remounted read-only"],
)
def test_a_disk_that_makes_no_new_file_costs_the_new_segment_only(
    studio: Studio, disk: FailingDisk, error: int, full: bool
) -> None:
    spool = studio.open_spool(disk)
    first = closed(studio, spool)
    disk.no_names = error
    segment = writer(studio, spool)
    with pytest.raises(SpoolFull if full else SpoolBroken):
        segment.append(fragment(0), CLOCK)
    assert segment.close(CLOCK, studio.clock.now()) is None
    disk.no_names = None
    second = closed(studio, spool)
    assert [s.manifest for s in spool.pending(10)] == [first, second]
    assert (first.sequence, second.sequence) == (1, 2)


@pytest.mark.faults
def test_where_the_owner_wants_it_so_the_oldest_footage_goes_and_is_a_gap(
    studio: Studio, disk: FailingDisk, tmp_path: Path
) -> None:
    info, packets = read_media(make_video(tmp_path / "clip.mp4", seconds=4), 60)
    spool, order, recorder = studio.begin(files=disk)
    spool.set_settings(SpoolSettings(when_full="drop-oldest"))
    spool.set_policy(SpoolPolicy(max_bytes=300_000, keep_free_bytes=0))
    studio.play(studio.connect(info), packets, recorder)
    studio.finish(recorder, order)
    kept, gaps = [s.manifest for s in spool.pending(100)], studio.gaps(spool)
    made = studio.manifests(spool)
    assert gaps
    assert {g.reason for g in gaps} == {GapReason.DISK_FULL}
    assert [g.gap_id for g in gaps] == [m.segment_id for m in made[: len(gaps)]]
    assert kept == made[len(gaps) :]
    assert not any(spool.path(m).exists() for m in made[: len(gaps)])
    # Nothing is missing but what was dropped.
    assert sum(f.frames for m in made for f in m.fragments) == len(packets)
    assert spool.bytes_used() <= 300_000
    assert not spool.status().full


@pytest.mark.faults
def test_by_default_nothing_that_was_not_uploaded_is_dropped(studio: Studio, disk: FailingDisk) -> None:
    spool = studio.open_spool(disk)
    made = [closed(studio, spool) for _ in range(3)]
    disk.free = 0
    spool.free_space()
    assert [s.manifest for s in spool.pending(10)] == made


def test_the_hours_left_follow_from_the_pace_and_are_a_budget_too(studio: Studio, disk: FailingDisk) -> None:
    spool = studio.open_spool(disk)
    assert spool.status().hours_left is None
    for _ in range(2):  # two cameras
        segment = closed(studio, spool)
        other_camera(studio)
    pace = 2 * segment.size_bytes / 3
    disk.free = 10**9
    spool.set_policy(SpoolPolicy(keep_free_bytes=10**8))
    assert spool.status().hours_left == pytest.approx(9 * 10**8 / pace / 3600, rel=0.01)
    spool.set_settings(SpoolSettings(max_hours=2))
    assert spool.status().hours_left == pytest.approx(2, rel=0.01)
    assert spool.available_bytes() == pytest.approx(2 * 3600 * pace, rel=0.01)


def test_what_must_stay_fills_the_room_and_what_is_committed_does_not(
    studio: Studio, disk: FailingDisk
) -> None:
    spool = studio.open_spool(disk)
    disk.free = 10**9
    spool.set_policy(SpoolPolicy(max_bytes=10**9, keep_free_bytes=0, keep_committed_s=10**6))
    assert spool.backlog_ratio() == 0
    kept, gone = closed(studio, spool), closed(studio, spool)
    share = kept.size_bytes / 10**9
    assert spool.backlog_ratio() == pytest.approx(2 * share)
    spool.mark_committed([gone.segment_id])
    spool.clean()
    assert spool.bytes_used() == kept.size_bytes + gone.size_bytes, "it keeps its copy for long"
    assert spool.backlog_ratio() == pytest.approx(share)
    disk.free = 0
    assert spool.backlog_ratio() == pytest.approx(0.5), (
        "other things fill the disk: half of what we have may go"
    )
    spool.mark_committed([kept.segment_id])
    spool.clean()
    assert spool.backlog_ratio() == 0
