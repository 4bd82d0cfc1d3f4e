"""A disk that is full or broken: what is durable stays, the loss is on record, and the agent lives."""

import errno
import itertools
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from edge_agent.errors import SpoolBroken, SpoolError, SpoolFull
from edge_agent.files import Files
from edge_agent.settings import SpoolSettings
from edge_agent.spool.layout import CLOSED
from shared.protocol.config import SpoolPolicy
from shared.protocol.errors import Code
from shared.protocol.ids import ClassSessionId, SegmentId, new_id
from shared.protocol.manifest import GapReason
from tests.edge_agent.spool.made import CLOCK, closed, fragment, other_camera, writer
from tests.edge_agent.spool.take import Studio, follow, read_media
from tests.media import make_video


class SickDisk(Files):
    """A disk that writes `half` a blob and then refuses, while `error` is set."""

    def __init__(self) -> None:
        self.error: int | None = None
        self.free: int | None = None
        self.refused = 0
        self.no_cuts = False
        self.no_names: int | None = None
        """With what it refuses to make a file or a folder."""
        self.bad: SegmentId | None = None
        """A segment whose object cannot be renamed."""

    def make_folder(self, folder: Path) -> None:
        self._name()
        super().make_folder(folder)

    def open_append(self, path: Path, *, mode: int = 0o600) -> int:
        self._name()
        return super().open_append(path, mode=mode)

    def _name(self) -> None:
        if self.no_names is not None:
            raise OSError(self.no_names, "the disk says no")

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        if self.no_cuts:
            raise OSError(errno.EIO, "the disk says no")
        super().truncate(descriptor, size_bytes)

    def free_bytes(self, folder: Path) -> int:
        return super().free_bytes(folder) if self.free is None else self.free

    def append(self, descriptor: int, data: memoryview) -> None:
        if self.error is not None:
            self.refused += 1
            super().append(descriptor, data[: len(data) // 2])
            raise OSError(self.error, "the disk says no")
        super().append(descriptor, data)

    def rename(self, old: Path, new: Path) -> None:
        if self.error is not None or (self.bad and str(self.bad) in old.name):
            raise OSError(self.error or errno.EIO, "the disk says no")
        super().rename(old, new)


@pytest.fixture
def disk() -> SickDisk:
    return SickDisk()


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
    studio: Studio, disk: SickDisk, tmp_path: Path, error: int, reason: GapReason
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


@pytest.mark.faults
def test_a_refused_fragment_leaves_the_open_segment_as_it_was(studio: Studio, disk: SickDisk) -> None:
    spool = studio.open_spool(disk)
    segment = writer(studio, spool)
    segment.append(fragment(0), CLOCK)
    disk.error = errno.ENOSPC
    with pytest.raises(SpoolFull):
        segment.append(fragment(1), CLOCK)
    disk.error = errno.EIO
    with pytest.raises(SpoolBroken):
        segment.append(fragment(1), CLOCK)
    disk.error = None
    segment.append(fragment(1), CLOCK)
    manifest = segment.close(CLOCK, studio.clock.now())
    assert manifest is not None
    assert [studio.opened(spool, manifest, f.blob) for f in manifest.fragments] == [
        fragment(0).data,
        fragment(1).data,
    ]


@pytest.mark.faults
def test_a_segment_that_could_not_be_closed_is_closed_later_and_pending_until_then(
    studio: Studio, disk: SickDisk
) -> None:
    spool = studio.open_spool(disk)
    segment = writer(studio, spool)
    segment.append(fragment(0), CLOCK)
    disk.error = errno.ENOSPC
    segment.close(CLOCK, studio.clock.now())
    assert spool.tally(studio.class_id).segments_pending == 1
    assert spool.pending(10) == []
    disk.error = None
    second = closed(studio, spool)
    assert second.sequence == 2
    spool.clean()
    assert [s.manifest.sequence for s in spool.pending(10)] == [1, 2]
    assert spool.tally(studio.class_id).segments_pending == 2


def test_nothing_is_written_into_the_space_that_must_stay_free(studio: Studio, disk: SickDisk) -> None:
    spool = studio.open_spool(disk)
    disk.free = 5_000
    spool.set_policy(SpoolPolicy(keep_free_bytes=4_000))
    segment = writer(studio, spool)
    with pytest.raises(SpoolFull):
        segment.append(fragment(0), CLOCK)
    spool.set_policy(SpoolPolicy(keep_free_bytes=0))
    segment.append(fragment(0), CLOCK)


def test_the_spool_keeps_to_its_own_limit(studio: Studio, disk: SickDisk) -> None:
    spool = studio.open_spool(disk)
    spool.set_policy(SpoolPolicy(max_bytes=20_000, keep_free_bytes=0))
    closed(studio, spool, fragments=5)
    with pytest.raises(SpoolFull):
        closed(studio, spool, fragments=5)
    assert spool.bytes_used() <= 20_000


def test_committed_copies_go_after_their_minimum_age(studio: Studio) -> None:
    spool = studio.open_spool()
    spool.set_policy(SpoolPolicy(keep_committed_s=3600, keep_free_bytes=0))
    first, second, third = (closed(studio, spool) for _ in range(3))
    spool.mark_committed([first.segment_id])
    studio.clock.advance(3000)
    spool.mark_committed([second.segment_id])
    studio.clock.advance(700)
    assert spool.clean() == first.size_bytes
    assert not spool.path(first).exists()
    assert spool.path(second).exists()
    studio.clock.advance(3600)
    spool.clean()
    assert not spool.path(second).exists()
    assert spool.path(third).exists()
    assert spool.tally(studio.class_id).segments_made == 3


def test_a_nearly_full_disk_costs_committed_copies_and_nothing_else(studio: Studio, disk: SickDisk) -> None:
    spool = studio.open_spool(disk)
    made = [closed(studio, spool) for _ in range(6)]
    spool.mark_committed([m.segment_id for m in made[:4]])
    disk.free = 0
    freed = spool.clean()
    assert freed == sum(m.size_bytes for m in made[:4])
    assert [path.name for path in sorted(studio.state.rglob(f"*{CLOSED}"))] == [
        spool.path(m).name for m in made[4:]
    ]


def test_uploads_see_what_waits_in_the_order_they_ask_for(studio: Studio) -> None:
    spool = studio.open_spool()
    running, old = studio.class_id, ClassSessionId(new_id())
    made = []
    for class_id in (old, running, old, running):
        studio.clock.advance(6)
        made.append(closed(studio, spool, class_id=class_id))
        other_camera(studio)
    assert [s.manifest for s in spool.pending(10)] == made
    assert [s.manifest for s in spool.pending(10, of=[running], newest_first=True)] == [made[3], made[1]]
    assert [s.manifest for s in spool.pending(1, but_not_of=[running])] == [made[0]]
    spool.mark_intended([made[0].segment_id])
    spool.mark_committed([made[1].segment_id])
    spool.mark_refused(made[2].segment_id, Code.SEGMENT_HASH_CONFLICT)
    assert [s.manifest for s in spool.pending(10)] == [made[0], made[3]]
    spool.mark_refused(made[1].segment_id, Code.SEGMENT_HASH_CONFLICT)
    assert spool.index.tally(running).segments_pending == 1
    status = spool.status()
    assert status.segments_pending == 2
    assert status.behind_s == pytest.approx(18)
    assert status.bytes_used == sum(m.size_bytes for m in made)


def test_listeners_hear_of_each_closed_segment(studio: Studio) -> None:
    spool = studio.open_spool()
    heard = []
    spool.on_change(lambda: heard.append(len(spool.pending(10))))
    closed(studio, spool)
    closed(studio, spool)
    assert heard == [1, 2]


def test_what_is_long_over_is_forgotten_but_for_the_count(studio: Studio) -> None:
    spool = studio.open_spool()
    spool.set_policy(SpoolPolicy(keep_committed_s=60, keep_free_bytes=0))
    made = [closed(studio, spool) for _ in range(4)]
    spool.mark_committed([m.segment_id for m in made[:3]])
    studio.clock.advance(3600)
    spool.clean()
    assert spool.tally(studio.class_id).segments_made == 4
    studio.clock.advance(15 * 86_400)
    spool.clean()
    assert studio.manifests(spool) == [made[3]]
    spool.mark_committed([made[3].segment_id])
    studio.clock.advance(15 * 86_400)
    spool.clean()
    spool.clean()
    assert closed(studio, spool).sequence == 5


def test_two_classes_on_one_camera_at_once_never_share_a_number(studio: Studio) -> None:
    """The next class begins before the last one has ended: its recorder is warm while the other cuts its last part."""
    spool = studio.open_spool()
    ending = writer(studio, spool)
    beginning = writer(studio, spool, class_id=ClassSessionId(new_id()))
    unused = writer(studio, spool)
    for number in range(3):
        ending.append(fragment(number), CLOCK)
        beginning.append(fragment(number), CLOCK)
    assert unused.close(CLOCK, studio.clock.now()) is None
    manifests = [w.close(CLOCK, studio.clock.now()) for w in (beginning, ending)]
    assert sorted(m.sequence for m in manifests if m) == [1, 2]
    assert len(spool.pending(10)) == 2
    assert closed(studio, spool).sequence == 3


@pytest.mark.faults
def test_a_row_that_the_index_refuses_blocks_nothing_behind_it(studio: Studio) -> None:
    spool = studio.open_spool()
    first = closed(studio, spool)
    spool.return_sequence(studio.camera_id, first.sequence)
    closed(studio, spool)
    third = closed(studio, spool)
    assert [s.manifest for s in spool.pending(10)] == [first, third]
    spool.close()
    again = studio.open_spool()
    assert [s.manifest for s in again.pending(10)] == [first, third]
    assert again.recovered.unreadable


def test_a_clock_that_stands_still_makes_no_debt(studio: Studio) -> None:
    spool = studio.open_spool()
    closed(studio, spool)
    studio.clock.step_utc(-timedelta(hours=1).total_seconds())
    assert spool.status().behind_s == 0


@pytest.mark.faults
def test_one_bad_spot_on_the_disk_holds_up_nothing_behind_it(studio: Studio, disk: SickDisk) -> None:
    spool = studio.open_spool(disk)
    bad = writer(studio, spool)
    bad.append(fragment(0), CLOCK)
    disk.bad = bad.header.segment_id
    bad.close(CLOCK, studio.clock.now())
    good = closed(studio, spool)
    assert [s.manifest for s in spool.pending(10)] == [good]
    assert spool.tally(studio.class_id).segments_pending == 2
    disk.bad = None
    spool.clean()
    assert len(spool.pending(10)) == 2


@pytest.mark.faults
def test_a_write_that_cannot_be_taken_back_is_cut_before_the_next(studio: Studio, disk: SickDisk) -> None:
    spool = studio.open_spool(disk)
    segment = writer(studio, spool)
    segment.append(fragment(0), CLOCK)
    disk.error, disk.no_cuts = errno.EIO, True
    with pytest.raises(SpoolBroken):
        segment.append(fragment(1), CLOCK)
    disk.error = None
    with pytest.raises(SpoolBroken):
        segment.append(fragment(1), CLOCK)
    disk.no_cuts = False
    segment.append(fragment(1), CLOCK)
    disk.error, disk.no_cuts = errno.EIO, True
    with pytest.raises(SpoolBroken):
        segment.append(fragment(2), CLOCK)
    disk.error, disk.no_cuts = None, False
    manifest = segment.close(CLOCK, studio.clock.now())
    assert manifest is not None
    assert spool.path(manifest).stat().st_size == manifest.size_bytes
    assert [studio.opened(spool, manifest, f.blob) for f in manifest.fragments] == [
        fragment(0).data,
        fragment(1).data,
    ]


@pytest.mark.faults
def test_an_index_that_cannot_be_read_neither_ends_the_heartbeat_nor_says_that_all_is_home(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = studio.open_spool()
    closed(studio, spool)
    before = spool.status()

    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(spool.index, "tally", broken)
        patch.setattr(spool.index, "backlog", broken)
        assert spool.status().segments_pending == before.segments_pending
        assert spool.tally(studio.class_id).segments_pending == 1
        assert spool.tally(ClassSessionId(new_id())).segments_pending == 1
    assert spool.tally(studio.class_id).segments_pending == 1


@pytest.mark.faults
def test_a_disk_that_stays_full_is_accounted_for_while_it_is_full(
    studio: Studio, disk: SickDisk, tmp_path: Path
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
    assert spool.account(studio.class_id, studio.camera_id).until_at == full[-1].to_at
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
    studio: Studio, disk: SickDisk, error: int
) -> None:
    spool = studio.open_spool(disk)
    whole = closed(studio, spool)
    half = writer(studio, spool)
    half.append(fragment(0), CLOCK)
    spool._lock_file.close()  # as a killed process does
    disk.error = error
    again = studio.open_spool(disk)
    again.follow(studio.class_id)
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
    studio: Studio, disk: SickDisk, error: int, full: bool
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
    studio: Studio, disk: SickDisk, tmp_path: Path
) -> None:
    info, packets = read_media(make_video(tmp_path / "clip.mp4", seconds=4), 60)
    spool, order, recorder = studio.begin(files=disk)
    spool.set_rules(SpoolSettings(when_full="drop-oldest"))
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
def test_by_default_nothing_that_was_not_uploaded_is_dropped(studio: Studio, disk: SickDisk) -> None:
    spool = studio.open_spool(disk)
    made = [closed(studio, spool) for _ in range(3)]
    disk.free = 0
    spool.make_room()
    assert [s.manifest for s in spool.pending(10)] == made


def test_the_hours_left_follow_from_the_pace_and_are_a_budget_too(studio: Studio, disk: SickDisk) -> None:
    spool = studio.open_spool(disk)
    assert spool.status().hours_left is None
    for _ in range(2):  # two cameras
        segment = closed(studio, spool)
        other_camera(studio)
    pace = 2 * segment.size_bytes / 3
    disk.free = 10**9
    spool.set_policy(SpoolPolicy(keep_free_bytes=10**8))
    assert spool.status().hours_left == pytest.approx(9 * 10**8 / pace / 3600, rel=0.01)
    spool.set_rules(SpoolSettings(max_hours=2))
    assert spool.status().hours_left == pytest.approx(2, rel=0.01)
    assert spool.room_bytes() == pytest.approx(2 * 3600 * pace, rel=0.01)
