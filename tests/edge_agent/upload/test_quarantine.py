"""A refused segment is quarantined and reported, and blocks nothing."""

from collections.abc import Sequence

import pytest

from edge_agent.errors import (
    ObjectRefused,
    RequestRefused,
)
from shared.protocol.errors import Code, problem
from shared.protocol.ids import GapId
from shared.protocol.manifest import GapRecord
from shared.protocol.upload import BATCH_LIMIT
from tests.edge_agent.upload.uploads import OLD, Uploads


@pytest.mark.parametrize("code", [Code.SEGMENT_HASH_CONFLICT, Code.SEGMENT_SEQUENCE_CONFLICT, Code.FORBIDDEN])
async def test_a_refused_segment_is_set_aside_and_blocks_nothing(uploads: Uploads, code: Code) -> None:
    segments = [uploads.spool.add(OLD) for _ in range(10)]
    bad = segments[0].segment_id
    uploads.plane.faults.refuse[bad] = (code, False)
    async with uploads.at_work():
        await uploads.until_home()
    assert uploads.spool.refused == {bad: code}
    assert len(uploads.spool.committed) == 9


async def test_a_segment_of_a_class_that_is_gone_may_be_cleaned_away(uploads: Uploads) -> None:
    manifest = uploads.spool.add(OLD)
    uploads.plane.faults.refuse[manifest.segment_id] = (Code.SEGMENT_NOT_WANTED, False)
    async with uploads.at_work():
        await uploads.until(uploads.spool.is_empty)
    assert set(uploads.spool.committed) == {manifest.segment_id}
    assert not uploads.spool.refused


async def test_a_retryable_refusal_is_tried_again_with_growing_waits(uploads: Uploads) -> None:
    slow, fine = uploads.spool.add(OLD), uploads.spool.add(OLD)
    uploads.plane.faults.refuse[slow.segment_id] = (Code.UNAVAILABLE, True)
    async with uploads.at_work():
        await uploads.until(lambda: fine.segment_id in uploads.spool.committed)
        await uploads.pacer.advance(3600)
        assert 10 <= uploads.plane.calls["POST /agent/v1/intent"] <= 30
        del uploads.plane.faults.refuse[slow.segment_id]
        await uploads.until_home()
    assert len(uploads.spool.committed) == 2


async def test_a_segment_damaged_on_the_disk_is_set_aside(uploads: Uploads) -> None:
    bad, good = uploads.spool.add(OLD), uploads.spool.add(OLD)
    uploads.spool.path(bad).write_bytes(b"x" * bad.size_bytes)
    async with uploads.at_work():
        await uploads.until(uploads.spool.is_empty)
    assert uploads.spool.refused == {bad.segment_id: Code.SEGMENT_CORRUPT}
    assert set(uploads.spool.committed) == {good.segment_id}


async def test_a_segment_whose_file_is_gone_is_set_aside(uploads: Uploads) -> None:
    bad, good = uploads.spool.add(OLD), uploads.spool.add(OLD)
    uploads.spool.path(bad).unlink()
    async with uploads.at_work():
        await uploads.until(uploads.spool.is_empty)
    assert uploads.spool.refused == {bad.segment_id: Code.SEGMENT_CORRUPT}
    assert set(uploads.spool.committed) == {good.segment_id}


async def test_what_is_set_aside_is_told_and_judged_once_more_by_the_next_start(uploads: Uploads) -> None:
    bad = uploads.spool.add(OLD)
    uploads.plane.faults.refuse[bad.segment_id] = (Code.SEGMENT_SEQUENCE_CONFLICT, False)
    async with uploads.at_work():
        await uploads.until(lambda: uploads.spool.refused)
        status = uploads.replicator.status()
    assert (status.quarantined, status.newest[0].segment_id) == (1, bad.segment_id)
    assert "segment_sequence_conflict" in status.newest[0].reason
    uploads.plane.faults.refuse.clear()
    async with uploads.at_work():
        await uploads.until_home()
        assert uploads.replicator.status().quarantined == 0
    assert set(uploads.spool.committed) == {bad.segment_id}


async def test_a_segment_that_the_store_never_takes_is_told_and_tried_on(uploads: Uploads) -> None:
    bad, good = uploads.spool.add(OLD), uploads.spool.add(OLD)
    uploads.client.errors = {("PUT", bad.segment_id): ObjectRefused(413, "too large")}
    async with uploads.at_work():
        await uploads.until(lambda: good.segment_id in uploads.spool.committed)
        # How often it was refused by now depends on threads, which the test's clock does not wait for.
        await uploads.until(lambda: uploads.replicator.status().newest)
        status = uploads.replicator.status()
        assert [item.segment_id for item in status.newest] == [bad.segment_id]
        assert "HTTP 413 too large" in status.newest[0].reason
        uploads.client.errors.clear()
        await uploads.until_home()
        assert uploads.replicator.status().quarantined == 0


async def test_an_agent_that_is_too_old_sets_nothing_aside(uploads: Uploads) -> None:
    manifest = uploads.spool.add(OLD)
    too_old = RequestRefused(problem(Code.PROTOCOL_TOO_OLD))
    uploads.client.errors = {("intent", manifest.segment_id): too_old}
    async with uploads.at_work():
        await uploads.pacer.advance(600)
        assert "too old" in uploads.replicator.status().problem
        assert not uploads.spool.refused
        uploads.client.errors.clear()
        await uploads.until_home()


async def test_a_gap_that_is_refused_holds_up_no_other(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    gaps = [uploads.spool.add_gap(OLD) for _ in range(BATCH_LIMIT + 20)]
    bad = {gap.gap_id for gap in gaps[:BATCH_LIMIT]}
    report = uploads.client.report_gaps

    async def picky(given: Sequence[GapRecord]) -> tuple[GapId, ...]:
        if any(gap.gap_id in bad for gap in given):
            raise RequestRefused(problem(Code.BAD_REQUEST))
        return await report(given)

    monkeypatch.setattr(uploads.client, "report_gaps", picky)
    async with uploads.at_work():
        await uploads.until(lambda: len(uploads.spool.settled) == 20)
        bad.clear()
        await uploads.until_home()
