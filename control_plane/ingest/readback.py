"""Limits of reading uploaded objects back: concurrency per studio, and the time that a request waits."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from typing import TypeVar
from uuid import UUID

from control_plane.common.errors import Busy

T = TypeVar("T")

READERS = 8
"""Number of threads; most of their time is waiting for distant stores."""
READERS_PER_STUDIO = 2
"""Maximum of readers of one studio."""
COMMITS_PER_STUDIO = 2
"""Maximum of commit requests of one studio that wait for readers; each uses a thread of the web process."""
WAIT_S = 20.0
"""How long a request waits. Reads in progress then continue, and the next request uses their results."""
CACHE_S = 600.0
"""How long a result is reused. Shorter than the time after which an announced object may be deleted (`targets.LIFETIME`)."""
NICE = 10


class CommitSlots:
    """The commits in progress in this process: one per agent, `COMMITS_PER_STUDIO` per studio."""

    def __init__(self, *, of_one_studio: int = COMMITS_PER_STUDIO) -> None:
        self._of_one_studio = of_one_studio
        self._agents: dict[UUID, UUID] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def hold(self, studio_id: UUID, agent_id: UUID) -> Iterator[None]:
        """Holds the slot of an agent until the block ends.

        Raises:
            Busy: the agent has a commit in progress, or its studio the maximum number.
        """
        with self._lock:
            of_studio = sum(other == studio_id for other in self._agents.values())
            if agent_id in self._agents or of_studio >= self._of_one_studio:
                raise Busy("A commit of this agent or its studio is in progress.", retry_after_s=2)
            self._agents[agent_id] = studio_id
        try:
            yield
        finally:
            with self._lock:
                del self._agents[agent_id]


def results_within(futures: "Sequence[Future[T]]", *, within_s: float = WAIT_S) -> list[T | None]:
    """Returns the results that are ready within `within_s`, None for the others. Calls that have not started are cancelled.

    Raises:
        BaseException: the exception of a call.
    """
    wait(futures, within_s)
    for future in futures:
        future.cancel()
    return [future.result() if future.done() and not future.cancelled() else None for future in futures]
