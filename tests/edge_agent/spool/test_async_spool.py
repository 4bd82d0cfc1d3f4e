"""The index takes its time on a slow disk; the event loop, the cameras and who only reads do not wait for it."""

import asyncio
import errno
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from edge_agent.spool.async_spool import MAX_QUEUED_CALLS, AsyncSpool
from edge_agent.spool.index import Index
from edge_agent.spool.track_progress import TrackProgress
from shared.protocol.ids import GapId, new_id
from shared.protocol.manifest import GapReason, GapRecord
from tests.edge_agent.spool.failing_disk import FailingDisk
from tests.edge_agent.spool.recorded_class import NOON, Studio
from tests.edge_agent.spool.segments import CLOCK, closed, fragment, writer


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path / "state")


async def test_a_row_that_the_disk_does_not_take_holds_up_nothing_else(studio: Studio) -> None:
    spool = studio.open_spool()
    first, second = closed(studio, spool), closed(studio, spool)
    growing = writer(studio, spool)
    outbox = AsyncSpool(spool)
    with spool.index._write_lock:  # as while SQLite waits for the disk
        marking = asyncio.create_task(outbox.mark_committed([first.segment_id]))
        await asyncio.sleep(0)
        growing.append(fragment(0), CLOCK)
        assert [s.manifest for s in spool.pending(10)] == [first, second]
        assert spool.tally(studio.class_id).segments_pending == 2
        assert spool.status().segments_pending == 2
        assert not marking.done()
    await marking
    assert [s.manifest for s in await outbox.pending(10)] == [second]
    assert spool.tally(studio.class_id).segments_pending == 1
    outbox.close()


async def test_so_many_calls_stand_in_line_and_the_others_before_the_door(studio: Studio) -> None:
    spool = studio.open_spool()
    made = [closed(studio, spool, fragments=1) for _ in range(MAX_QUEUED_CALLS * 2)]
    outbox = AsyncSpool(spool)
    with spool.index._write_lock:
        calls = [asyncio.create_task(outbox.mark_committed([m.segment_id])) for m in made]
        await asyncio.sleep(0)
        assert outbox._thread._work_queue.qsize() <= MAX_QUEUED_CALLS
    await asyncio.gather(*calls)
    assert spool.pending(10) == []
    outbox.close()


def test_nothing_that_the_heartbeat_says_asks_the_index(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = studio.open_spool()
    closed(studio, spool)
    here = threading.get_ident()

    def asked(*_: object) -> None:
        raise AssertionError(f"asked in thread {here}")

    for name in ("tally", "backlog", "pending", "gaps_pending", "stored_bytes"):
        monkeypatch.setattr(Index, name, asked)
    assert spool.tally(studio.class_id).segments_made == 1
    assert spool.status().segments_pending == 1


def test_a_class_that_was_never_counted_is_not_taken_for_home(studio: Studio) -> None:
    spool = studio.open_spool()
    assert spool.tally(studio.class_id).segments_pending == 1
    spool.track_class(studio.class_id)
    assert spool.tally(studio.class_id).segments_pending == 0


@pytest.mark.faults
def test_a_disk_that_stays_full_fills_no_memory(studio: Studio) -> None:
    """A camera that is away through an hour of it: each half minute a gap and an account."""
    disk = FailingDisk()
    spool = studio.open_spool(disk)
    disk.error = errno.ENOSPC
    for minute in range(120):
        from_at, to_at = (NOON + timedelta(seconds=30 * n) for n in (minute, minute + 1))
        spool.add_gap(
            GapRecord(
                gap_id=GapId(new_id()),
                class_session_id=studio.class_id,
                camera_id=studio.camera_id,
                from_at=from_at,
                to_at=to_at,
                reason=GapReason.CAMERA_OFFLINE if minute < 60 else GapReason.DISK_FULL,
            )
        )
        spool.save_progress(studio.class_id, studio.camera_id, TrackProgress(until_at=to_at, run=minute))
    assert len(spool._deferred._pending) == 3
    assert not spool.index.gaps(studio.class_id)
    disk.error = None
    spool.clean()
    gaps = studio.gaps(spool)
    assert [(g.reason, g.to_at - g.from_at) for g in gaps] == [
        (GapReason.CAMERA_OFFLINE, timedelta(minutes=30)),
        (GapReason.DISK_FULL, timedelta(minutes=30)),
    ]
    assert spool.progress(studio.class_id, studio.camera_id).run == 119
    assert sorted(g.gap_id for g in spool.gaps_pending(10)) == [g.gap_id for g in gaps]


def test_a_reader_cannot_write(studio: Studio) -> None:
    spool = studio.open_spool()
    with pytest.raises(sqlite3.OperationalError):
        spool.index._reader.execute("DELETE FROM segments")
