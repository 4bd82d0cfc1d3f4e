"""A thread pool shared by studios. A studio with many or slow calls cannot occupy all threads."""

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
    """Runs calls in a few threads, those of one studio in order and at most `of_one` at a time.

    Thread-safe. Calls are queued per studio, and studios with queued calls take turns.

    Args:
        nice: how much lower the priority of its threads is, on systems with thread priorities.
    """

    def __init__(self, name: str, *, threads: int, of_one: int, nice: int = 0) -> None:
        self._threads = ThreadPoolExecutor(threads, name, initializer=partial(_yield_to_others, nice))
        self._free, self._of_one = threads, of_one
        self._queues: OrderedDict[UUID, deque[tuple[Callable[[], object], Future[object]]]] = OrderedDict()
        self._running: dict[UUID, int] = {}
        self._lock = threading.Lock()

    def submit(self, studio_id: UUID, calls: Sequence[Callable[[], T]]) -> "list[Future[T]]":
        """Queues calls and returns their futures."""
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
            # To the end: behind all other studios that wait.
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
    # Thread priorities exist on Linux only. A thread inherits the priority of its creator, which may be one of this pool.
    # So it is computed from the process's main thread, whose id is the process id.
    if nice and sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(
                os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, os.getpid()) + nice)
            )
