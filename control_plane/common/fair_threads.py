"""A thread pool shared by studios: a studio with many or slow calls leaves threads to the others."""

import contextlib
import os
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")


class FairThreads:
    """Runs calls in a few threads, those of one studio in order and never more than `of_one` at a time.

    Used by all threads of the process. A call is queued under its studio; studios with something queued take turns.

    Args:
        nice: by how much its threads have a lower priority than others, where the system has priorities of threads.
    """

    def __init__(self, name: str, *, threads: int, of_one: int, nice: int = 0) -> None:
        self._threads = ThreadPoolExecutor(threads, name, initializer=partial(_yield_to_others, nice))
        self._free, self._of_one = threads, of_one
        self._queues: OrderedDict[UUID, deque[tuple[Callable[[], object], Future[object]]]] = OrderedDict()
        self._running: dict[UUID, int] = {}
        self._lock = threading.Lock()

    def submit(self, studio_id: UUID, calls: Sequence[Callable[[], T]]) -> "list[Future[T]]":
        """Queues calls; their futures settle as their turns come."""
        futures: list[Future[T]] = [Future() for _ in calls]
        if not futures:
            return []
        with self._lock:
            queue = self._queues.setdefault(studio_id, deque())
            queue.extend(zip(calls, futures, strict=True))  # type: ignore[arg-type]  # erased inside
            self._dispatch()
        return futures

    def _dispatch(self) -> None:
        while self._free and (studio_id := self._next()) is not None:
            call, future = self._queues[studio_id].popleft()
            # Behind all others that wait.
            self._queues.move_to_end(studio_id)
            if not self._queues[studio_id]:
                del self._queues[studio_id]
            self._free -= 1
            self._running[studio_id] = self._running.get(studio_id, 0) + 1
            self._threads.submit(self._run, studio_id, call, future)

    def _next(self) -> UUID | None:
        return next((id_ for id_ in self._queues if self._running.get(id_, 0) < self._of_one), None)

    def _run(self, studio_id: UUID, call: Callable[[], object], future: "Future[object]") -> None:
        try:
            if future.set_running_or_notify_cancel():
                _settle(call, future)
        finally:
            with self._lock:
                self._free += 1
                self._running[studio_id] -= 1
                if not self._running[studio_id]:
                    del self._running[studio_id]
                self._dispatch()


def _settle(call: Callable[[], object], future: "Future[object]") -> None:
    try:
        future.set_result(call())
    except BaseException as error:
        future.set_exception(error)


def _yield_to_others(nice: int) -> None:
    # Priorities of single threads are Linux's own. A thread begins with the priority of the one that it is started by, which
    # may be one of these already: theirs is told from the process's first thread, whose id is the process's.
    if nice and sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(
                os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, os.getpid()) + nice)
            )
