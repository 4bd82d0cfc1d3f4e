"""A disk that refuses single things: what is bad holds up nothing behind it, and the heartbeat goes on."""

import errno
import sqlite3

import pytest

from edge_agent.errors import SpoolBroken, SpoolFull
from shared.protocol.ids import ClassSessionId, new_id
from tests.edge_agent.spool.failing_disk import FailingDisk
from tests.edge_agent.spool.recorded_class import Studio
from tests.edge_agent.spool.segments import CLOCK, closed, fragment, writer


@pytest.mark.faults
def test_a_refused_fragment_leaves_the_open_segment_as_it_was(studio: Studio, disk: FailingDisk) -> None:
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
    studio: Studio, disk: FailingDisk
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


@pytest.mark.faults
def test_a_row_that_the_index_refuses_blocks_nothing_behind_it(studio: Studio) -> None:
    spool = studio.open_spool()
    first = closed(studio, spool)
    spool.release_sequence(studio.camera_id, first.sequence)
    closed(studio, spool)
    third = closed(studio, spool)
    assert [s.manifest for s in spool.pending(10)] == [first, third]
    spool.close()
    again = studio.open_spool()
    assert [s.manifest for s in again.pending(10)] == [first, third]
    assert again.recovered.unreadable


@pytest.mark.faults
def test_one_bad_spot_on_the_disk_holds_up_nothing_behind_it(studio: Studio, disk: FailingDisk) -> None:
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
def test_a_write_that_cannot_be_taken_back_is_cut_before_the_next(studio: Studio, disk: FailingDisk) -> None:
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
