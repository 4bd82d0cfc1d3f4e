"""A rate is kept by waiting: a burst at once, then an amount per second, for each name separately."""

import pytest

from control_plane.common import throttle as module
from control_plane.common.throttle import Throttle


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now_s, self.slept_s = 0.0, 0.0

    def now(self) -> float:
        return self.now_s

    async def sleep(self, length_s: float) -> None:
        self.now_s += length_s
        self.slept_s += length_s

    def throttle(self, *, per_s: float, burst: float) -> Throttle:
        return Throttle(per_s=per_s, burst=burst, now=self.now, sleep=self.sleep)


async def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    time = Time()
    throttle = time.throttle(per_s=10, burst=20)
    for _ in range(20):
        await throttle.take("one", 1)
    assert time.slept_s == 0
    for _ in range(100):
        await throttle.take("one", 1)
    assert time.slept_s == pytest.approx(10)


async def test_names_do_not_wait_for_each_other() -> None:
    time = Time()
    throttle = time.throttle(per_s=1, burst=1)
    await throttle.take("one", 50)
    slept_s = time.slept_s
    await throttle.take("other", 1)
    assert time.slept_s == slept_s


async def test_what_was_not_used_comes_back_up_to_the_burst() -> None:
    time = Time()
    throttle = time.throttle(per_s=10, burst=20)
    await throttle.take("one", 20)
    time.now_s += 1000
    await throttle.take("one", 20)
    assert time.slept_s == 0
    await throttle.take("one", 10)
    assert time.slept_s == pytest.approx(1)


async def test_names_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NAMES", 2)
    throttle = Time().throttle(per_s=1, burst=1)
    for name in "abc":
        await throttle.take(name, 1)
    assert list(throttle._levels) == ["b", "c"]
