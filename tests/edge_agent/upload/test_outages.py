"""Destinations that are away, slow or unwilling: asked now and then, in bounds, and everything arrives after."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from edge_agent.errors import (
    ServerError,
    ServerInternalError,
    ServerTimeout,
    ServerUnavailable,
    ServerUnreachable,
)
from edge_agent.upload import replicator
from edge_agent.upload.replicator import CONNECTIONS
from shared.protocol.upload import TARGET_LIFETIME_S
from tests.edge_agent.upload.uploads import OLD, RUNNING, Uploads


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
        uploads.replicator.network_restored()
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


async def test_a_store_that_never_comes_back_is_asked_for_no_longer_than_a_target_lasts(
    uploads: Uploads,
) -> None:
    for _ in range(5):
        uploads.spool.add(OLD)
    uploads.client.dead_stores = {"old.store"}
    async with uploads.at_work():
        await uploads.pacer.advance(60)
        # The studio has moved; nobody tells the agent but the next intent.
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


BREAKS, TOO_LONG = ServerInternalError("direct", "HTTP 500"), ServerTimeout("direct")


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
