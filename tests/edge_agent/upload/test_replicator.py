"""Every segment and gap arrives, once, and in the right order."""

import asyncio
import sqlite3
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.upload.replicator import Replicator
from shared.protocol.errors import Code
from shared.protocol.ids import SegmentId
from shared.protocol.manifest import SegmentManifest
from shared.protocol.upload import BATCH_LIMIT
from tests.edge_agent.upload.rig import DirectClient
from tests.edge_agent.upload.uploads import OLD, RUNNING, Uploads


async def test_everything_arrives_once(uploads: Uploads) -> None:
    segments = [uploads.spool.add(OLD) for _ in range(150)]
    gaps = [uploads.spool.add_gap(OLD) for _ in range(150)]
    async with uploads.at_work():
        await uploads.until_home()
    assert set(uploads.spool.committed) == {m.segment_id for m in segments}
    assert set(uploads.plane.gaps) == {gap.gap_id for gap in gaps}
    assert set(uploads.plane.puts.values()) == {1}
    assert set(uploads.spool.intended.values()) == {1}
    assert uploads.plane.calls["POST /agent/v1/intent"] == -(-150 // BATCH_LIMIT)


async def test_a_new_segment_goes_as_soon_as_the_spool_says_so(uploads: Uploads) -> None:
    async with uploads.at_work():
        await uploads.pacer.advance(1)
        manifest = uploads.spool.add(RUNNING)
        uploads.replicator.wake()
        for _ in range(200):
            await asyncio.sleep(0.01)
            if manifest.segment_id in uploads.spool.committed:
                break
        assert manifest.segment_id in uploads.spool.committed


async def test_a_lost_wake_up_costs_seconds_and_no_segment(uploads: Uploads) -> None:
    async with uploads.at_work():
        await uploads.pacer.advance(1)
        uploads.spool.add(RUNNING)
        await uploads.until_home()


async def test_the_backlog_goes_in_the_order_it_was_recorded(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, connections=1)
    segments = [uploads.spool.add(OLD) for _ in range(10)]
    async with uploads.at_work():
        await uploads.until_home()
    assert uploads.plane.order == [m.segment_id for m in segments]


async def test_a_long_backlog_is_not_read_anew_for_each_segment(uploads: Uploads) -> None:
    for _ in range(300):
        uploads.spool.add(OLD)
    async with uploads.at_work():
        await uploads.until_home()
    assert uploads.spool.rows_read < 3 * 300


async def test_the_running_class_goes_newest_first_and_before_the_backlog(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, connections=1)
    old = [uploads.spool.add(OLD) for _ in range(5)]
    new = [uploads.spool.add(RUNNING) for _ in range(5)]
    uploads.running = {RUNNING}
    async with uploads.at_work():
        await uploads.until_home()
    assert uploads.plane.order == [m.segment_id for m in (*reversed(new), *old)]


async def test_the_backlog_keeps_one_connection_beside_a_running_class(uploads: Uploads) -> None:
    old = {uploads.spool.add(OLD).segment_id for _ in range(30)}
    new = {uploads.spool.add(RUNNING).segment_id for _ in range(30)}
    uploads.running = {RUNNING}
    async with uploads.at_work():
        await uploads.until_home()
    first = uploads.plane.order[:30]
    assert set(first) & old
    assert set(first) & new


async def test_a_receipt_that_was_lost_is_asked_for_again(uploads: Uploads) -> None:
    uploads.spool.add(OLD)
    uploads.plane.faults.lost_commit_answers = 2
    async with uploads.at_work():
        await uploads.until_home()
    assert set(uploads.plane.puts.values()) == {1}


async def test_a_receipt_that_the_disk_did_not_take_is_asked_for_by_the_next_run(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads.spool.add(OLD)

    def refuse(_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as full:
        full.setattr(uploads.spool, "mark_committed", refuse)
        task = asyncio.create_task(uploads.replicator.run())
        await uploads.until(task.done)
    assert isinstance(task.exception(), ExceptionGroup)
    async with uploads.at_work():
        await uploads.until_home()


async def test_the_local_copy_is_marked_only_after_the_receipt(uploads: Uploads) -> None:
    manifest = uploads.spool.add(OLD)
    uploads.plane.faults.lost_commit_answers = 10**6
    async with uploads.at_work():
        await uploads.until(lambda: str(manifest.segment_id) in uploads.plane.objects)
        await uploads.pacer.advance(60)
        assert not uploads.spool.committed


async def test_a_signed_revocation_is_passed_on(uploads: Uploads) -> None:
    uploads.spool.add(OLD)
    uploads.plane.revocation = uploads.plane.sign_revocation()
    async with uploads.at_work():
        await uploads.until(lambda: uploads.revoked)
    assert uploads.revoked[0] == uploads.plane.revocation


async def test_what_was_half_sent_when_it_was_stopped_is_sent_by_the_next_run(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    for _ in range(30):
        uploads.spool.add(OLD)
    for stop_after in (3, 9, 17):
        async with uploads.at_work():
            await uploads.until(partial(uploads.has_arrived, stop_after))
        uploads.replicator = Replicator(
            DirectClient(uploads.plane),
            uploads.spool,
            uploads.pacer.clock,
            running=lambda: (),
            revoked=uploads.revoked.append,
            sleep=uploads.pacer.sleep,
        )
    async with uploads.at_work():
        await uploads.until_home()
    assert set(uploads.spool.committed) == set(uploads.spool.segments)


async def test_drained_returns_when_nothing_is_left(uploads: Uploads) -> None:
    for _ in range(5):
        uploads.spool.add(OLD)
    async with uploads.at_work():
        drained = asyncio.create_task(uploads.replicator.drained())
        await uploads.until(drained.done)
    assert len(uploads.spool.committed) == 5


def _bad_half(segments: list[SegmentManifest], bad: set[int]) -> set[SegmentId]:
    return {m.segment_id for i, m in enumerate(segments) if i in bad}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(
        st.sampled_from(["unavailable", "store_unavailable", "cut", "expired", "lost", "pass"]), max_size=6
    ),
    refused=st.sets(st.integers(0, 19), max_size=5),
)
async def test_whatever_fails_in_whatever_order_each_segment_ends_home_or_set_aside(
    tmp_path_factory: pytest.TempPathFactory, faults: list[str], refused: set[int]
) -> None:
    uploads = Uploads(tmp_path_factory.mktemp("uploads"))
    segments = [uploads.spool.add(OLD if i % 2 else RUNNING, size_bytes=64) for i in range(20)]
    uploads.running = {RUNNING}
    bad = _bad_half(segments, refused)
    for segment_id in bad:
        uploads.plane.faults.refuse[segment_id] = (Code.SEGMENT_HASH_CONFLICT, False)
    async with uploads.at_work():
        for fault in faults:
            uploads.plane.faults.unavailable = fault == "unavailable"
            uploads.plane.faults.store_unavailable = fault == "store_unavailable"
            uploads.plane.faults.cut_puts += 3 * (fault == "cut")
            uploads.plane.faults.expired_targets += 3 * (fault == "expired")
            uploads.plane.faults.lost_commit_answers += 2 * (fault == "lost")
            await uploads.pacer.advance(5)
        uploads.plane.faults.unavailable = uploads.plane.faults.store_unavailable = False
        await uploads.until_home()
    assert set(uploads.spool.refused) == bad
    assert set(uploads.spool.committed) == set(uploads.spool.segments) - bad
