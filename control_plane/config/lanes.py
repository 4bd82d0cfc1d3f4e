"""A few threads for many callers: each caller has a lane, and lanes take turns.

In one queue for all, whoever asks a thousand times would have everybody else wait for a thousand answers. Here a newcomer
waits for one thread at most, and one caller never has all of them.
"""

import asyncio
import contextvars
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class LanesFull(Exception):
    """The caller has too many calls waiting, or has most of those of all callers together."""


class _Job:
    __slots__ = ("call", "future", "lane")

    def __init__(self, lane: str, call: Callable[[], Any]) -> None:
        self.lane = lane
        self.call = call
        self.future: Future[Any] = Future()

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.call()
        except BaseException as error:  # it is the caller's, who gets it
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class Lanes:
    """Runs calls in threads. `run` is for one event loop; the queue is shared with the threads, under `_lock`.

    A thread takes its next job by itself, without a turn of the event loop in between: jobs are short. For each job the
    pool gets one `_work`. One that finds only jobs of lanes that have enough threads is owed, and done by whoever ends a
    job of such a lane.

    Args:
        threads: how many calls run at once.
        most_of_one: how many of them may be of one lane.
        waiting_of_one: how many more calls of one lane may wait.
        waiting_in_all: how many calls may wait; beyond that the longest lane loses its newest.
    """

    def __init__(
        self, threads: int, *, most_of_one: int, waiting_of_one: int = 256, waiting_in_all: int = 2048
    ) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="web")
        self._most_of_one = most_of_one
        self._waiting_of_one = waiting_of_one
        self._waiting_in_all = waiting_in_all
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[_Job]] = OrderedDict()
        self._owed = 0
        self.waiting = 0

    async def run(self, lane: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `call` in a thread once it is its turn, in a copy of the current context.

        Raises:
            LanesFull: too many calls wait.
        """
        # A context for each call: what a request sets there must not be found by the next one in the same thread.
        context = contextvars.copy_context()
        job = _Job(lane, lambda: context.run(call, *args, **kwargs))
        self._put(job)
        self._threads.submit(self._work)
        result: T = await asyncio.wrap_future(job.future)
        return result

    def _put(self, job: _Job) -> None:
        with self._lock:
            queue = self._waiting.get(job.lane)
            if queue is not None and len(queue) >= self._waiting_of_one:
                raise LanesFull
            self._waiting.setdefault(job.lane, deque()).append(job)
            self.waiting += 1
            if self.waiting <= self._waiting_in_all:
                return
            longest = max(self._waiting, key=lambda name: len(self._waiting[name]))
            dropped = self._waiting[longest].pop()
            self._left(longest)
        # One `_work` more than there are jobs finds nothing, and ends.
        if dropped.future.set_running_or_notify_cancel():
            dropped.future.set_exception(LanesFull())

    def _work(self) -> None:
        with self._lock:
            job = self._take()
            if job is None:
                self._owed += self.waiting > self._owed
                return
        while job is not None:
            job.run()
            with self._lock:
                self._running[job.lane] -= 1
                if not self._running[job.lane]:
                    del self._running[job.lane]
                job = self._take() if self._owed else None
                self._owed -= job is not None

    def _take(self) -> _Job | None:
        for lane, queue in self._waiting.items():
            if self._running[lane] < self._most_of_one:
                job = queue.popleft()
                self._waiting.move_to_end(lane)
                self._left(lane)
                self._running[lane] += 1
                return job
        return None

    def _left(self, lane: str) -> None:
        self.waiting -= 1
        if not self._waiting[lane]:
            del self._waiting[lane]
