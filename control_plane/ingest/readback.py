"""Shares the threads that read uploaded objects back between studios, so that nobody's commits take all of them.

Knows nothing of Django: a call reads and hashes one object, with no database connection and no scope. The threads run at
a lower priority than those that answer pages, since hashing keeps a processor busy.
"""

import contextlib
import os
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar
from uuid import UUID

from control_plane.common.errors import Busy

T = TypeVar("T")

READERS = 8
"""Threads; a store far away is waited for more than it is read."""
OF_ONE_STUDIO = 2
"""Readers that one studio may have at a time."""
COMMITS_OF_ONE_STUDIO = 2
"""Requests of one studio that may wait for readers at a time; each is a thread of the web process."""
WAIT_S = 20.0
"""How long a request waits. What is being read by then is read to its end, and found by the next one that asks."""
REMEMBER_S = 600.0
"""Shorter than any time after which an object that was announced may be deleted (`targets.LIFETIME`)."""
MOST_REMEMBERED = 4096
NICE = 10


class FairReaders:
    """Runs calls in a few threads, those of one studio in order and never more than `OF_ONE_STUDIO` at a time.

    Used by all threads of the process. A call is queued under its studio; studios with something queued take turns.
    """

    def __init__(self, *, threads: int = READERS, of_one: int = OF_ONE_STUDIO) -> None:
        self._threads = ThreadPoolExecutor(threads, "ingest-read-back", initializer=_yield_to_others)
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


class Turns:
    """Which agents have a commit under way in this process: one each, and `COMMITS_OF_ONE_STUDIO` of a studio."""

    def __init__(self, *, of_one_studio: int = COMMITS_OF_ONE_STUDIO) -> None:
        self._of_one_studio = of_one_studio
        self._agents: dict[UUID, UUID] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def taken(self, studio_id: UUID, agent_id: UUID) -> Iterator[None]:
        """Holds an agent's turn until the block ends.

        Raises:
            Busy: the agent has a commit under way, or its studio as many as it may.
        """
        with self._lock:
            of_studio = sum(other == studio_id for other in self._agents.values())
            if agent_id in self._agents or of_studio >= self._of_one_studio:
                raise Busy("A commit of this agent or its studio is under way.", retry_after_s=2)
            self._agents[agent_id] = studio_id
        try:
            yield
        finally:
            with self._lock:
                del self._agents[agent_id]


class Remembered(Generic[T]):
    """Results of the last `REMEMBER_S` seconds by key, the oldest forgotten first where they are too many."""

    def __init__(self, *, most: int = MOST_REMEMBERED, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self._now = most, now
        self._kept: OrderedDict[object, tuple[float, T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object) -> T | None:
        """Returns what is remembered under `key`."""
        with self._lock:
            at_s, value = self._kept.get(key, (float("-inf"), None))
            return value if self._now() - at_s <= REMEMBER_S else None

    def put(self, key: object, value: T) -> None:
        """Remembers a value from now on."""
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = self._now(), value
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def forget(self, key: object) -> None:
        """Forgets what is under `key`."""
        with self._lock:
            self._kept.pop(key, None)


def settled(futures: "Sequence[Future[T]]", *, within_s: float = WAIT_S) -> list[T | None]:
    """Returns the results that come within a time, None for each that does not; those not begun by then never begin.

    Raises:
        BaseException: what a call raised.
    """
    wait(futures, within_s)
    for future in futures:
        future.cancel()
    return [future.result() if future.done() and not future.cancelled() else None for future in futures]


def _settle(call: Callable[[], object], future: "Future[object]") -> None:
    try:
        future.set_result(call())
    except BaseException as error:
        future.set_exception(error)


def _yield_to_others() -> None:
    # Priorities of single threads are Linux's own.
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + NICE))
