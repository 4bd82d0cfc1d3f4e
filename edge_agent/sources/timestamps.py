"""The times of pictures: a stray one told from a step, and when each is decoded. Pure integers, in any one unit.

Cameras stamp single pictures with times of the past, repeat a time, or swap two; others really set their clock. A stray
costs at most its own picture; a step is passed on as it is, and begins a new run in the reader.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low
from typing import Generic, TypeVar

T = TypeVar("T")

CONFIRMED_BY = 3
"""So many pictures that agree with each other, and not with the line before, are a step and not strays."""
STEPS_KEPT = 9
MOST_REORDERED = 16
"""Pictures that may be decoded before one that is shown earlier. Source: ITU-T H.264, A.3.1; H.265, A.4.1."""


@dataclass(frozen=True)
class PlacedPicture(Generic[T]):
    """A picture and its time. `is_outlier`: the camera's own time is not believed, `at` lies between its neighbours'."""

    item: T
    at: int
    is_outlier: bool = False
    is_step: bool = False
    """It is the first on another timeline than the one before."""


@dataclass(frozen=True)
class _Seen(Generic[T]):
    item: T
    at: int
    arrival: int


class PtsFilter(Generic[T]):
    """Compares each picture's time with the line that the last ones followed, and with when it arrived.

    A picture that is off the line waits for the next ones: where they go on along the old line, it was a stray; where
    `CONFIRMED_BY` of them follow each other elsewhere, the camera's clock was set. All others pass at once.
    """

    def __init__(
        self,
        *,
        frame: int,
        second: int,
        reorders: bool,
        wrap: int | None = None,
        may_reorder: Callable[[T], bool] = lambda _: False,
    ) -> None:
        """Args:
        frame: how long a picture lasts, as the stream says.
        second: how many units are a second.
        reorders: whether pictures come in another order than they are shown in.
        wrap: where the camera's times begin at zero again, so that only this much of them counts; None: nowhere.
        may_reorder: asked of a picture that goes back a little, where `reorders` is False: whether it is one that is
            shown before another that came earlier. The first one for which it is settles the matter.
        """
        self._frame = max(1, frame)
        self._second = second
        self._reorders = reorders
        self._wrap = wrap
        self._may_reorder = may_reorder
        self._last: _Seen[T] | None = None
        self._last_at = 0
        self._steps: deque[int] = deque([self._frame], STEPS_KEPT)
        self._held: list[_Seen[T]] = []

    def push(self, item: T, at: int, arrival: int) -> Iterator[PlacedPicture[T]]:
        """Takes the next picture in the order of decoding; yields those whose times are known by it.

        Args:
            item: handed back as it is.
            at: its time, as the camera says.
            arrival: when it came, in the same unit; any zero.
        """
        last = self._last
        if last is not None and self._wrap is not None:
            # Nearest to the line: which way round a stray lies, and what others made of it, does not matter.
            at = last.at + (at - last.at + self._wrap // 2) % self._wrap - self._wrap // 2
        seen = _Seen(item, at, arrival)
        if last is None:
            self._last, self._last_at = seen, at
            yield PlacedPicture(item, at)
            return
        before = self._held[-1] if self._held else last
        if not self._reorders and -self._second <= at - before.at <= 0 and self._may_reorder(item):
            self._reorders = True
        if not self._held:
            if self._is_on_line(last, seen):
                yield self._accept(seen)
            else:
                self._held.append(seen)
            return
        chain = [last, *self._held, seen]
        if self._follow(chain):
            # Late or slow, and still one line: a camera that sends fewer pictures at night.
            yield from self._accept_all([*self._held, seen])
        elif self._may_follow(last, seen):
            yield from self._outliers(until=at)
            yield self._accept(seen)
        else:
            self._held.append(seen)
            if len(self._held) >= CONFIRMED_BY:
                yield from self._decide()

    def finish(self) -> Iterator[PlacedPicture[T]]:
        """Yields what still waits when the stream ends."""
        if self._last is not None and self._follow([self._last, *self._held]):
            yield from self._accept_all(self._held)
        yield from self._outliers(until=self._last_at + (len(self._held) + 1) * self._interval)

    @property
    def _interval(self) -> int:
        return self._frame if self._reorders else max(1, median_low(self._steps))

    def _is_on_line(self, a: _Seen[T], b: _Seen[T]) -> bool:
        """Returns whether `b` needs no witness: it follows `a` at the usual pace, or as late as it came."""
        step, waited = b.at - a.at, b.arrival - a.arrival
        if self._reorders:
            return self._may_follow(a, b)
        return 0 < 2 * step <= 3 * self._interval or (step > 0 and 2 * abs(step - waited) <= self._interval)

    def _may_follow(self, a: _Seen[T], b: _Seen[T]) -> bool:
        """Returns whether `b` can be the picture after `a`, or a few after it."""
        step, waited = b.at - a.at, b.arrival - a.arrival
        reach = max(self._second, 8 * self._interval)
        if self._reorders:
            return abs(step) <= reach or abs(step - waited) <= reach
        return 0 < step <= reach or (step > 0 and abs(step - waited) <= reach)

    def _follow(self, chain: list[_Seen[T]]) -> bool:
        return all(self._may_follow(a, b) for a, b in pairwise(chain))

    def _decide(self) -> Iterator[PlacedPicture[T]]:
        """Decides on those held: a step where they follow each other, else the first of them is a stray."""
        if self._follow(self._held):
            first, *rest = self._held
            self._held = []
            self._last, self._last_at = first, first.at
            yield PlacedPicture(first.item, first.at, is_step=True)
            yield from self._accept_all(rest)
            return
        stray = self._held.pop(0)
        self._last_at += self._interval
        if self._last is not None:
            # The line goes on under the strays: what comes next is compared with where it would be by now.
            self._last = _Seen(self._last.item, self._last.at + self._interval, stray.arrival)
        yield PlacedPicture(stray.item, self._last_at, is_outlier=True)

    def _accept(self, seen: _Seen[T]) -> PlacedPicture[T]:
        if self._last is not None and not self._reorders and seen.at > self._last.at:
            self._steps.append(seen.at - self._last.at)
        self._last, self._last_at = seen, seen.at
        return PlacedPicture(seen.item, seen.at)

    def _accept_all(self, found: list[_Seen[T]]) -> Iterator[PlacedPicture[T]]:
        self._held = []
        for seen in found:
            yield self._accept(seen)

    def _outliers(self, *, until: int) -> Iterator[PlacedPicture[T]]:
        """Yields those held, evenly between the last picture and the next one at `until`."""
        held, self._held = self._held, []
        begin = self._last_at
        for number, seen in enumerate(held, 1):
            yield PlacedPicture(
                seen.item, begin + (until - begin) * number // (len(held) + 1), is_outlier=True
            )


class DtsGenerator:
    """When each picture is decoded: rising by the order in which pictures come, never behind when they are shown.

    `depth` pictures are decoded before the one that is shown first; the times are those of showing in their own order,
    so many pictures later. That is how FFmpeg makes them, which knows none before the third picture, and none that can be
    used after a stray.
    """

    def __init__(self, *, depth: int, frame: int, first: list[int]) -> None:
        """Args:
        depth: by how many pictures the order of decoding runs ahead, 0 to `MOST_REORDERED`; it grows where it is not enough.
        frame: how long a picture lasts.
        first: the times of the first pictures in the order of decoding; at least one.
        """
        self._depth = max(0, min(depth, MOST_REORDERED))
        self._frame = max(1, frame)
        lowest = min(first[: self._depth + 1])
        self._begin(max(lowest, first[0] - MOST_REORDERED * self._frame))

    def _begin(self, lowest: int) -> None:
        # Stand-ins for the pictures that would have come before: one frame apart, up to the first that is shown.
        self._waiting = [lowest - self._frame * number for number in range(self._depth, 0, -1)]
        self._last: int | None = None

    def next_dts(self, shown: int, *, is_step: bool = False) -> int:
        """Returns when the picture that is shown at `shown` is decoded; after a step the times begin anew."""
        if is_step:
            self._begin(shown)
        if self._last is not None and shown <= self._last and self._depth < MOST_REORDERED:
            self._depth += 1
            heapq.heappush(self._waiting, shown)
            self._last += 1
            return self._last
        decoded = heapq.heappushpop(self._waiting, shown)
        if self._last is not None:
            decoded = max(decoded, self._last + 1)
        self._last = decoded
        return decoded


def infer_first_pts(others: list[int], *, frame: int, begin: int | None) -> int:
    """Returns when the first picture of a stream is shown, which FFmpeg does not say, from those decoded after it.

    Args:
        others: their times, in the order of decoding.
        frame: how long a picture lasts.
        begin: the time of the first packet of the stream, where that is known.
    """
    if not others:
        return begin or 0
    before_all = min(others) - frame
    # It is the first packet's, if that lies where a first picture can: before the others, or in a hole among them.
    if begin is not None and begin not in others and before_all - frame <= begin <= max(others):
        return begin
    return before_all
