"""Every segment and gap arrives, once, through every outage; and in the right order."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.errors import (
    ObjectRefused,
    RequestRefused,
    ServerBroke,
    ServerError,
    ServerTimeout,
    ServerUnavailable,
    ServerUnreachable,
)
from edge_agent.upload import replicator
from edge_agent.upload.replicator import CONNECTIONS, Replicator
from shared.kernel.clock import FakeClock
from shared.protocol.errors import Code, problem
from shared.protocol.ids import ClassSessionId, GapId, SegmentId, new_id
from shared.protocol.manifest import GapRecord, SegmentManifest
from shared.protocol.upload import BATCH_LIMIT, TARGET_LIFETIME_S
from tests.edge_agent.upload.rig import DirectClient, MemorySpool
from tests.rigs.control_plane import ControlPlane
from tests.rigs.pacer import Pacer

RUNNING, OLD = ClassSessionId(new_id()), ClassSessionId(new_id())


class Uploads:
    """A replicator between a spool and a control plane, all in memory."""

    def __init__(self, folder: Path, *, connections: int = CONNECTIONS) -> None:
        self.pacer = Pacer(FakeClock())
        self.plane = ControlPlane(clock=self.pacer.clock)
        self.spool = MemorySpool(folder)
        self.running: Collection[ClassSessionId] = ()
        self.revoked: list[str] = []
        self.client = DirectClient(self.plane)
        self.replicator = Replicator(
            self.client,
            self.spool,
            self.pacer.clock,
            running=lambda: self.running,
            revoked=self.revoked.append,
            connections=connections,
            sleep=self.pacer.sleep,
        )

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator["Uploads"]:
        task = asyncio.create_task(self.replicator.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, condition: Callable[[], Any]) -> None:
        await self.pacer.advance_until(condition, step_s=1)

    async def until_home(self) -> None:
        """Returns once nothing is pending, and checks that everything lies there as it is on the disk."""
        await self.until(lambda: self.spool.is_empty() and self.spool.settled >= self.spool.gaps.keys())
        for segment_id in self.spool.committed:
            manifest = self.spool.segments[segment_id]
            assert self.plane.objects[str(segment_id)].body == self.spool.path(manifest).read_bytes()
            assert segment_id in self.plane.committed


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path)


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


@pytest.mark.parametrize("fault", ["unavailable", "store_unavailable", "plain_401"])
async def test_an_outage_is_waited_out_and_nothing_is_lost(uploads: Uploads, fault: str) -> None:
    segments = [uploads.spool.add(OLD) for _ in range(20)]
    uploads.spool.add_gap(OLD)
    setattr(uploads.plane.faults, fault, True)
    async with uploads.at_work():
        await uploads.pacer.advance(300)
        assert not uploads.spool.committed
        setattr(uploads.plane.faults, fault, False)
        await uploads.until_home()
    assert len(uploads.spool.committed) == len(segments)
    assert max(uploads.pacer.asked) <= 60


async def test_the_end_of_an_outage_is_acted_on_at_once_when_the_link_says_so(uploads: Uploads) -> None:
    manifest = uploads.spool.add(OLD)
    uploads.plane.faults.unavailable = True
    async with uploads.at_work():
        await uploads.pacer.advance(120)
        uploads.plane.faults.unavailable = False
        uploads.replicator.line_up()
        for _ in range(200):
            await asyncio.sleep(0.01)
            if manifest.segment_id in uploads.spool.committed:
                break
        assert manifest.segment_id in uploads.spool.committed


async def test_an_outage_of_the_store_does_not_hold_up_gaps(uploads: Uploads) -> None:
    uploads.spool.add(OLD)
    gap = uploads.spool.add_gap(OLD)
    uploads.plane.faults.store_unavailable = True
    async with uploads.at_work():
        await uploads.until(lambda: gap.gap_id in uploads.spool.settled)
        assert not uploads.spool.committed


async def test_lines_cut_in_the_middle_of_a_put_cost_a_repetition(uploads: Uploads) -> None:
    for _ in range(5):
        uploads.spool.add(OLD)
    uploads.plane.faults.cut_puts = 4
    async with uploads.at_work():
        await uploads.until_home()
    assert len(uploads.spool.committed) == 5


async def test_an_expired_target_is_replaced_by_a_new_one(uploads: Uploads) -> None:
    for _ in range(5):
        uploads.spool.add(OLD)
    uploads.plane.faults.expired_targets = 3
    async with uploads.at_work():
        await uploads.until_home()
    assert len(uploads.spool.committed) == 5


async def test_a_target_that_grew_old_while_waiting_is_not_used(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, connections=1)
    for _ in range(3):
        uploads.spool.add(OLD)
    uploads.plane.faults.store_unavailable = True
    async with uploads.at_work():
        await uploads.pacer.advance(1200)
        uploads.plane.faults.store_unavailable = False
        await uploads.until_home()
    assert uploads.plane.calls["POST /agent/v1/intent"] >= 2


async def test_a_server_whose_clock_is_behind_is_not_asked_without_end(uploads: Uploads) -> None:
    uploads.plane.ahead = timedelta(hours=-1)
    manifest = uploads.spool.add(OLD)
    async with uploads.at_work():
        await uploads.until(lambda: uploads.plane.puts[manifest.segment_id])
    assert uploads.plane.calls["POST /agent/v1/intent"] < 10


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
            await uploads.until(partial(_arrived, uploads, stop_after))
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


async def test_a_store_that_never_comes_back_is_asked_for_no_longer_than_a_target_lasts(
    uploads: Uploads,
) -> None:
    for _ in range(5):
        uploads.spool.add(OLD)
    uploads.client.dead_stores = {"old.store"}
    async with uploads.at_work():
        await uploads.pacer.advance(60)
        # The studio has moved; nobody tells the box but the next intent.
        uploads.plane.url = "https://new.store"
        await uploads.pacer.advance(TARGET_LIFETIME_S)
        assert "cannot reach old.store" not in uploads.replicator.status().problem
        await uploads.until_home()
    assert uploads.client.tries["new.store"] == 5


async def test_what_has_a_target_goes_while_nobody_answers_intents(uploads: Uploads) -> None:
    first = [uploads.spool.add(OLD) for _ in range(20)]
    uploads.client.dead_stores = {"old.store"}
    async with uploads.at_work():
        await uploads.pacer.advance(5)
        uploads.spool.add(OLD)
        uploads.plane.faults.unavailable = True
        uploads.client.dead_stores.clear()
        await uploads.until(lambda: len(uploads.plane.objects) == len(first))
        assert not uploads.spool.committed
        uploads.plane.faults.unavailable = False
        await uploads.until_home()


BREAKS, TOO_LONG = ServerBroke("direct", "HTTP 500"), ServerTimeout("direct")


@pytest.mark.parametrize(
    ("step", "error"),
    [
        *((step, error) for step in ("intent", "PUT", "commit") for error in (BREAKS, TOO_LONG)),
        ("PUT", ServerUnreachable("direct", "reset")),
    ],
)
async def test_a_segment_that_one_step_always_fails_over_holds_up_none_of_the_others(
    uploads: Uploads, step: str, error: ServerError
) -> None:
    segments = [uploads.spool.add(OLD) for _ in range(80)]
    bad = {segments[0].segment_id, segments[1].segment_id, segments[40].segment_id}
    uploads.client.errors = {(step, segment_id): error for segment_id in bad}
    async with uploads.at_work():
        await uploads.until(lambda: len(uploads.spool.committed) == 77)
        began_at = uploads.pacer.clock.now()
        later = uploads.spool.add(RUNNING)
        uploads.running = {RUNNING}
        await uploads.until(lambda: later.segment_id in uploads.spool.committed)
        assert uploads.pacer.clock.now() - began_at < timedelta(minutes=3)
        uploads.client.errors.clear()
        await uploads.until_home()
    assert not uploads.spool.refused


async def test_a_dead_store_costs_a_probe_now_and_then(uploads: Uploads) -> None:
    for _ in range(20):
        uploads.spool.add(OLD)
    uploads.client.dead_stores = {"old.store"}
    async with uploads.at_work():
        await uploads.pacer.advance(900)
        assert 20 < uploads.client.tries["old.store"] < 150
        assert "cannot reach old.store" in uploads.replicator.status().problem


async def test_a_store_that_refuses_everything_is_not_sent_everything(uploads: Uploads) -> None:
    for _ in range(100):
        uploads.spool.add(OLD)
    uploads.plane.faults.expired_targets = 10**6
    async with uploads.at_work():
        await uploads.pacer.advance(900)
        assert sum(uploads.plane.puts.values()) < 150
        uploads.plane.faults.expired_targets = 0
        await uploads.until_home()


async def test_a_control_plane_that_asks_to_be_left_alone_is(uploads: Uploads) -> None:
    manifest = uploads.spool.add(OLD)
    asks = ServerUnavailable("direct", "HTTP 429", 300.0)
    uploads.client.errors = {("intent", manifest.segment_id): asks}
    async with uploads.at_work():
        await uploads.pacer.advance(290)
        assert uploads.plane.calls["POST /agent/v1/intent"] == 1
        uploads.client.errors.clear()
        await uploads.pacer.advance(20)
        await uploads.until_home()


async def test_without_receipts_no_more_is_sent_than_memory_is_kept_for(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicator, "STORED_MOST", 20)
    for _ in range(60):
        uploads.spool.add(OLD, size_bytes=16)
    uploads.client.errors = {("commit", i): ServerUnavailable("direct") for i in uploads.spool.segments}
    async with uploads.at_work():
        await uploads.until(lambda: len(uploads.plane.order) >= 20)
        await uploads.pacer.advance(60)
        assert len(uploads.plane.order) < 20 + CONNECTIONS
        uploads.client.errors.clear()
        await uploads.until_home()


async def test_what_is_set_aside_is_told_and_judged_once_more_by_the_next_start(uploads: Uploads) -> None:
    bad = uploads.spool.add(OLD)
    uploads.plane.faults.refuse[bad.segment_id] = (Code.SEGMENT_SEQUENCE_CONFLICT, False)
    async with uploads.at_work():
        await uploads.until(lambda: uploads.spool.refused)
        status = uploads.replicator.status()
    assert (status.set_aside, status.newest[0].segment_id) == (1, bad.segment_id)
    assert "segment_sequence_conflict" in status.newest[0].reason
    uploads.plane.faults.refuse.clear()
    async with uploads.at_work():
        await uploads.until_home()
        assert uploads.replicator.status().set_aside == 0
    assert set(uploads.spool.committed) == {bad.segment_id}


async def test_a_segment_that_the_store_never_takes_is_told_and_tried_on(uploads: Uploads) -> None:
    bad, good = uploads.spool.add(OLD), uploads.spool.add(OLD)
    uploads.client.errors = {("PUT", bad.segment_id): ObjectRefused(413, "too large")}
    async with uploads.at_work():
        await uploads.until(lambda: good.segment_id in uploads.spool.committed)
        await uploads.pacer.advance(600)
        status = uploads.replicator.status()
        assert [item.segment_id for item in status.newest] == [bad.segment_id]
        assert "HTTP 413 too large" in status.newest[0].reason
        uploads.client.errors.clear()
        await uploads.until_home()
        assert uploads.replicator.status().set_aside == 0


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


def _arrived(uploads: Uploads, count: int) -> bool:
    return len(uploads.plane.order) >= count


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
