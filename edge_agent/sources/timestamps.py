"""Filters pts and generates dts: tells outliers from clock steps. Integers in any one unit; pure.

Some cameras stamp single pictures with past times, repeat a time, or swap two; others really set their clock. An outlier
affects at most its own picture; a step is passed on unchanged, and starts a new run in the reader.
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
"""This many pictures that agree with each other but not with the timeline before are a step, not outliers."""
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
    """It is the first picture of a new timeline."""


@dataclass(frozen=True)
class _Seen(Generic[T]):
    item: T
    at: int
    arrival: int


class PtsFilter(Generic[T]):
    """Compares each picture's time with the timeline of the last ones, and with its arrival.

    A picture off the timeline is held for the next ones. If they continue the old timeline, it was an outlier; if
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
        frame: duration of a picture, as the stream declares.
        second: units per second.
        reorders: whether decoding order differs from display order.
        wrap: modulus of the camera's times; None: they do not wrap.
        may_reorder: returns whether a picture that steps back a little may be shown before an earlier one. Called while
            `reorders` is False; the first True sets it.
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
        """Adds the next picture in decoding order; yields those whose times are settled by it.

        Args:
            item: returned unchanged.
            at: the camera's time.
            arrival: arrival in the same unit, with any origin.
        """
        last = self._last
        if last is not None and self._wrap is not None:
            # Unwrapped to the value nearest to the timeline, whatever an outlier or FFmpeg's own unwrapping made of it.
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
            # Late or slow but still one timeline, such as a camera that lowers its frame rate at night.
            yield from self._accept_all([*self._held, seen])
        elif self._may_follow(last, seen):
            yield from self._outliers(until=at)
            yield self._accept(seen)
        else:
            self._held.append(seen)
            if len(self._held) >= CONFIRMED_BY:
                yield from self._decide()

    def finish(self) -> Iterator[PlacedPicture[T]]:
        """Yields the held pictures at the end of the stream."""
        if self._last is not None and self._follow([self._last, *self._held]):
            yield from self._accept_all(self._held)
        yield from self._outliers(until=self._last_at + (len(self._held) + 1) * self._interval)

    @property
    def _interval(self) -> int:
        return self._frame if self._reorders else max(1, median_low(self._steps))

    def _is_on_line(self, a: _Seen[T], b: _Seen[T]) -> bool:
        """Returns whether `b` needs no confirmation: it follows `a` at the usual interval, or as late as it arrived."""
        step, waited = b.at - a.at, b.arrival - a.arrival
        if self._reorders:
            return self._may_follow(a, b)
        return 0 < 2 * step <= 3 * self._interval or (step > 0 and 2 * abs(step - waited) <= self._interval)

    def _may_follow(self, a: _Seen[T], b: _Seen[T]) -> bool:
        """Returns whether `b` can be the next picture after `a`, or a few pictures later."""
        step, waited = b.at - a.at, b.arrival - a.arrival
        reach = max(self._second, 8 * self._interval)
        if self._reorders:
            return abs(step) <= reach or abs(step - waited) <= reach
        return 0 < step <= reach or (step > 0 and abs(step - waited) <= reach)

    def _follow(self, chain: list[_Seen[T]]) -> bool:
        return all(self._may_follow(a, b) for a, b in pairwise(chain))

    def _decide(self) -> Iterator[PlacedPicture[T]]:
        """Decides on the held pictures: a step if they follow each other, otherwise the first one is an outlier."""
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
            # The timeline advances under the outliers: later pictures are compared with where it would be by now.
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
        """Yields the held pictures, evenly spaced between the last picture and the next one at `until`."""
        held, self._held = self._held, []
        begin = self._last_at
        for number, seen in enumerate(held, 1):
            yield PlacedPicture(
                seen.item, begin + (until - begin) * number // (len(held) + 1), is_outlier=True
            )


class DtsGenerator:
    """Generates dts: rising in decoding order, never later than pts.

    With a reorder depth of `depth` the dts are the sorted pts, `depth` pictures later. FFmpeg generates them the same way,
    but has none before the third picture, and unusable ones after an outlier.
    """

    def __init__(self, *, depth: int, frame: int, first: list[int]) -> None:
        """Args:
        depth: reorder depth, 0 to `MOST_REORDERED`; it grows if it proves too small.
        frame: duration of a picture.
        first: pts of the first pictures in decoding order; at least one.
        """
        self._depth = max(0, min(depth, MOST_REORDERED))
        self._frame = max(1, frame)
        lowest = min(first[: self._depth + 1])
        self._begin(max(lowest, first[0] - MOST_REORDERED * self._frame))

    def _begin(self, lowest: int) -> None:
        # Placeholders for the pictures before the first shown one, one frame apart.
        self._waiting = [lowest - self._frame * number for number in range(self._depth, 0, -1)]
        self._last: int | None = None

    def next_dts(self, shown: int, *, is_step: bool = False) -> int:
        """Returns the dts of the picture with pts `shown`; a step restarts the sequence."""
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
    """Returns the pts of the first picture of a stream, which FFmpeg omits, from those decoded after it.

    Args:
        others: their pts, in decoding order.
        frame: duration of a picture.
        begin: time of the first packet of the stream, if known.
    """
    if not others:
        return begin or 0
    before_all = min(others) - frame
    # The first packet's time, if a first picture can be there: before the others, or in a free slot among them.
    if begin is not None and begin not in others and before_all - frame <= begin <= max(others):
        return begin
    return before_all
