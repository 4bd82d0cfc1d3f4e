"""The ceiling of the line, with time in the test's hands."""

import asyncio

from edge_agent.upload.throttle import Throttle
from shared.kernel.clock import FakeClock
from tests.rigs.pacer import Pacer


async def _send(throttle: Throttle, pacer: Pacer, pieces: int, size_bytes: int) -> float:
    """Sends pieces one after the other and returns the seconds it took."""
    started_ns = pacer.clock.monotonic_ns()
    for _ in range(pieces):
        task = asyncio.ensure_future(throttle.take(size_bytes))
        await pacer.advance_until(task.done, step_s=0.05)
        await task
    return (pacer.clock.monotonic_ns() - started_ns) / 1e9


async def test_without_a_ceiling_nothing_waits() -> None:
    pacer = Pacer()
    assert await _send(Throttle(pacer.clock, sleep=pacer.sleep), pacer, 5, 10**9) == 0
    assert pacer.asked == []


async def test_the_ceiling_holds_over_many_pieces() -> None:
    pacer = Pacer()
    throttle = Throttle(pacer.clock, max_bytes_per_s=1000, sleep=pacer.sleep)
    assert 9.5 <= await _send(throttle, pacer, 20, 500) <= 11


async def test_senders_side_by_side_share_one_ceiling() -> None:
    pacer = Pacer()
    throttle = Throttle(pacer.clock, max_bytes_per_s=1000, sleep=pacer.sleep)
    tasks = [asyncio.ensure_future(throttle.take(1000)) for _ in range(4)]
    await asyncio.sleep(0)
    assert [round(wait_s) for wait_s in pacer.asked] == [1, 2, 3, 4]
    await pacer.advance(5)
    await asyncio.gather(*tasks)


async def test_a_new_ceiling_holds_from_the_next_piece_on() -> None:
    pacer = Pacer(FakeClock())
    throttle = Throttle(pacer.clock, max_bytes_per_s=10, sleep=pacer.sleep)
    throttle.set_ceiling(None)
    assert await _send(throttle, pacer, 3, 1000) == 0
    throttle.set_ceiling(1000)
    assert 1 <= await _send(throttle, pacer, 4, 500) <= 3
