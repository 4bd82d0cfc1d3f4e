"""A destination that fails is left alone for a while, asked once, and used again as soon as it answers."""

import asyncio
import random
from datetime import timedelta

import pytest

from edge_agent.errors import ServerUnavailable, ServerUnreachable, TlsFailed
from edge_agent.upload.endpoint import (
    LONGEST_ASKED_S,
    LONGEST_SLOW_S,
    LONGEST_WAIT_S,
    Breaker,
    BreakerState,
    Endpoint,
)
from edge_agent.upload.retry_schedule import MOST, RetrySchedule
from shared.protocol.ids import SegmentId, new_id
from tests.rigs.pacer import Pacer, settle

S = 1_000_000_000


def test_it_opens_after_so_many_failures_in_a_row_and_closes_with_the_first_answer() -> None:
    breaker = Breaker(open_after=3)
    for _ in range(2):
        breaker.failed(0)
        assert breaker.wait_s(0) == 0
    breaker.succeeded()
    for _ in range(3):
        breaker.failed(0)
    wait_s = breaker.wait_s(0)
    assert wait_s
    assert breaker.wait_s(round(wait_s * S) + 1) == 0
    breaker.begin()
    assert breaker.wait_s(10**15) is None
    breaker.succeeded()
    assert breaker.wait_s(0) == 0


def test_waits_are_jittered_below_a_ceiling_that_grows() -> None:
    seen: dict[int, list[float]] = {}
    for seed in range(200):
        breaker = Breaker(rng=random.Random(seed))
        for failure in range(10):
            breaker.failed(0)
            wait_s = breaker.wait_s(0)
            assert wait_s is not None
            assert wait_s <= min(LONGEST_WAIT_S, 2**failure)
            seen.setdefault(failure, []).append(wait_s)
    late = seen[9]
    assert min(late) < 3 < 27 < max(late)


def test_what_somebody_has_to_mend_is_asked_more_slowly() -> None:
    waits = []
    for seed in range(100):
        breaker = Breaker(rng=random.Random(seed))
        for _ in range(8):
            breaker.failed(0, slowly=True)
        waits.append(breaker.wait_s(0) or 0)
    assert LONGEST_WAIT_S < max(waits) <= LONGEST_SLOW_S


@pytest.mark.parametrize(("asked_s", "least_s"), [(120, 120), (10**6, LONGEST_ASKED_S)])
def test_the_other_side_may_ask_to_be_left_alone_within_reason(asked_s: float, least_s: float) -> None:
    breaker = Breaker(open_after=3)
    breaker.failed(0, asked_s=asked_s)
    assert breaker.wait_s(0) == least_s


def test_hope_lets_the_next_call_go_at_once() -> None:
    breaker = Breaker()
    breaker.failed(0, asked_s=600)
    breaker.retry_now(5 * S)
    assert breaker.wait_s(5 * S) == 0
    assert breaker.state is BreakerState.OPEN


async def test_while_one_call_probes_the_others_wait_for_what_becomes_of_it() -> None:
    pacer = Pacer()
    endpoint = Endpoint("it is down", pacer.clock, sleep=pacer.sleep, revoked=lambda _: None)
    up, asked = asyncio.Event(), 0

    async def once() -> str:
        nonlocal asked
        asked += 1
        if not up.is_set():
            await asyncio.sleep(0)
            raise ServerUnreachable("there")
        return "done"

    with pytest.raises(ServerUnreachable):
        await endpoint.call(once)
    assert str(endpoint.problem) == "cannot reach there"
    calls = [asyncio.create_task(endpoint.call(once)) for _ in range(10)]
    await settle()
    assert asked == 1
    await pacer.advance(1)  # one probe, which fails; the others still wait
    assert asked == 2
    up.set()
    await pacer.advance(5)
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(one == "done" for one in done) == 9
    assert endpoint.problem is None


async def test_a_probe_that_is_cancelled_lets_another_go() -> None:
    pacer = Pacer()
    endpoint = Endpoint("it is down", pacer.clock, sleep=pacer.sleep, revoked=lambda _: None)

    async def fail() -> None:
        raise TlsFailed("there", "expired")

    with pytest.raises(TlsFailed):
        await endpoint.call(fail)
    probe = asyncio.create_task(endpoint.call(asyncio.Event().wait))
    other = asyncio.create_task(endpoint.call(lambda: asyncio.sleep(0, "done")))
    await pacer.advance(20)
    assert not other.done()
    probe.cancel()
    await pacer.advance(1)
    assert await other == "done"


async def test_one_refused_line_does_not_send_us_away_longer_than_it_asks() -> None:
    pacer = Pacer()
    endpoint = Endpoint("it is down", pacer.clock, sleep=pacer.sleep, revoked=lambda _: None)
    answers = [ServerUnavailable("there", "HTTP 429", 90.0)]

    async def once() -> str:
        if answers:
            raise answers.pop()
        return "done"

    with pytest.raises(ServerUnavailable):
        await endpoint.call(once)
    began_at = pacer.clock.now()
    call = asyncio.create_task(endpoint.call(once))
    await pacer.advance(89)
    assert not call.done()
    await pacer.advance(2)
    assert await call == "done"
    assert pacer.clock.now() - began_at < timedelta(seconds=92)


def test_so_many_segments_that_fail_take_no_more_memory_than_a_few() -> None:
    deferrals, ids = RetrySchedule(), [SegmentId(new_id()) for _ in range(10 * MOST)]
    for _ in range(3):
        for segment_id in ids:
            deferrals.defer(segment_id, 0)
    assert len(deferrals) == MOST


def test_a_segment_that_fails_again_waits_longer_and_the_line_is_forgiven() -> None:
    deferrals, ours, endpoints = RetrySchedule(), SegmentId(new_id()), SegmentId(new_id())
    assert [deferrals.defer(ours, 0) for _ in range(12)] == [0, *(2**n for n in range(1, 10)), 600, 600]
    assert [deferrals.defer(endpoints, 0, is_network=True) for _ in range(8)][-1] == 60
    deferrals.retry_network_failures()
    assert (deferrals.is_due(ours, 0), deferrals.is_due(endpoints, 0)) == (False, True)
