"""How much of reading uploaded objects back a studio may have under way, and for how long a request waits for it."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from typing import TypeVar
from uuid import UUID

from control_plane.common.errors import Busy

T = TypeVar("T")

READERS = 8
"""Threads; a store far away is waited for more than it is read."""
READERS_PER_STUDIO = 2
"""Readers that one studio may have at a time."""
COMMITS_PER_STUDIO = 2
"""Requests of one studio that may wait for readers at a time; each is a thread of the web process."""
WAIT_S = 20.0
"""How long a request waits. What is being read by then is read to its end, and found by the next one that asks."""
REMEMBER_S = 600.0
"""Shorter than any time after which an object that was announced may be deleted (`targets.LIFETIME`)."""
NICE = 10


class Turns:
    """Which agents have a commit under way in this process: one each, and `COMMITS_PER_STUDIO` of a studio."""

    def __init__(self, *, of_one_studio: int = COMMITS_PER_STUDIO) -> None:
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


def settled(futures: "Sequence[Future[T]]", *, within_s: float = WAIT_S) -> list[T | None]:
    """Returns the results that come within a time, None for each that does not; those not begun by then never begin.

    Raises:
        BaseException: what a call raised.
    """
    wait(futures, within_s)
    for future in futures:
        future.cancel()
    return [future.result() if future.done() and not future.cancelled() else None for future in futures]
