"""Threads shared by callers: turns, bounds, and calls that are given up."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from control_plane.config.lanes import Lanes, LanesFull

PATIENCE_S = 20.0


class Work:
    """Calls that note when they begin, and last until they are let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._let_go = threading.Semaphore(0)
        self._changed = threading.Condition()

    def call(self, name: str) -> Callable[[], str]:
        """Returns a call of this name."""

        def run() -> str:
            with self._changed:
                self.begun.append(name)
                self._changed.notify_all()
            assert self._let_go.acquire(timeout=PATIENCE_S)
            return name

        return run

    async def wait_for(self, number: int) -> None:
        """Returns once so many have begun."""

        def wait() -> bool:
            with self._changed:
                return self._changed.wait_for(lambda: len(self.begun) >= number, PATIENCE_S)

        assert await asyncio.to_thread(wait)

    def let_go(self, number: int = 1) -> None:
        """Lets so many calls end."""
        self._let_go.release(number)


def start(lanes: Lanes, work: Work, lane: str, number: int = 1) -> "list[asyncio.Task[Any]]":
    return [asyncio.create_task(lanes.run(lane, work.call(lane))) for _ in range(number)]


async def test_a_newcomer_is_next_however_many_of_another_wait() -> None:
    lanes, work = Lanes(2, most_of_one=2), Work()
    tasks = start(lanes, work, "many", 20)
    await work.wait_for(2)
    tasks += start(lanes, work, "one")
    await asyncio.sleep(0)
    work.let_go(2)
    await work.wait_for(4)
    assert "one" in work.begun[:4]
    work.let_go(20)
    await asyncio.gather(*tasks)
    assert lanes.waiting == 0


async def test_one_lane_never_has_all_threads() -> None:
    lanes, work = Lanes(3, most_of_one=2), Work()
    tasks = start(lanes, work, "many", 10)
    await work.wait_for(2)
    tasks += start(lanes, work, "one")
    await work.wait_for(3)
    assert work.begun == ["many", "many", "one"]
    work.let_go(20)
    await asyncio.gather(*tasks)


async def test_a_lane_has_only_so_many_waiting() -> None:
    lanes, work = Lanes(1, most_of_one=1, waiting_of_one=3), Work()
    tasks = start(lanes, work, "many", 4)
    await work.wait_for(1)
    with pytest.raises(LanesFull):
        await lanes.run("many", work.call("many"))
    tasks += start(lanes, work, "one")
    work.let_go(5)
    await asyncio.gather(*tasks)


async def test_the_longest_lane_makes_room_in_the_queue() -> None:
    lanes, work = Lanes(1, most_of_one=1, waiting_in_all=4), Work()
    many = start(lanes, work, "many", 5)
    await work.wait_for(1)
    one = start(lanes, work, "one")
    await asyncio.wait({many[-1]}, timeout=PATIENCE_S)
    assert isinstance(many[-1].exception(), LanesFull)
    work.let_go(5)
    await asyncio.gather(*many[:-1], *one)


async def test_a_call_that_is_given_up_while_it_waits_leaves_its_place() -> None:
    lanes, work = Lanes(1, most_of_one=1), Work()
    first, second, third = start(lanes, work, "a", 3)
    await work.wait_for(1)
    second.cancel()
    await asyncio.wait({second})
    work.let_go(2)
    assert [await first, await third] == ["a", "a"]
    assert lanes.waiting == 0
    # All threads are free again.
    work.let_go()
    assert await lanes.run("b", work.call("b")) == "b"


async def test_a_call_that_is_given_up_at_its_turn_gives_the_turn_on() -> None:
    lanes, work = Lanes(1, most_of_one=1), Work()
    first, second, third = start(lanes, work, "a", 3)
    await work.wait_for(1)
    # The callback runs in the same step of the loop in which `first` hands its turn to `second`.
    first.add_done_callback(lambda _: second.cancel())
    work.let_go(3)  # of the second, where it was quicker than that
    assert [await first, await third] == ["a", "a"]
    await asyncio.wait({second})


async def test_what_a_call_raises_comes_back_and_frees_its_thread() -> None:
    lanes = Lanes(1, most_of_one=1)

    def fail() -> None:
        raise KeyError("x")

    for _ in range(3):
        with pytest.raises(KeyError):
            await lanes.run("a", fail)


async def test_all_calls_of_many_lanes_are_answered_and_the_bounds_hold() -> None:
    rng = random.Random(8)
    lanes, lock = Lanes(4, most_of_one=2), threading.Lock()
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()

    def call(name: str) -> str:
        with lock:
            running[name] += 1
            most[name] = max(most[name], running[name])
        with lock:
            running[name] -= 1
        return name

    async def ask(name: str) -> None:
        for _ in range(20):
            assert await lanes.run(name, call, name) == name

    names = [rng.choice("aaaaab cd") for _ in range(60)]
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*map(ask, names))
    assert max(most.values()) <= 2
    assert lanes.waiting == 0
