"""A server that is asked from outside whether it lives."""

import logging
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

log = logging.getLogger(__name__)

PROBE_S = 5.0
"""How often a server is asked that answered the last time."""
AGAIN_S = 0.5
"""How soon one is asked again that did not answer."""


class Server(Protocol):
    """A server that can be asked."""

    name: str

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The running process."""

    def spawn(self) -> None:
        """Starts it, without waiting."""

    def answers(self) -> bool:
        """Asks it, and says whether it answers. Waits some seconds at most; raises nothing."""

    def ask_to_stop(self) -> None:
        """Asks the running process to end."""


class ProbedServer:
    """A `Program` that shows its sign of life when it is asked.

    A thread of its own asks, since an answer may take seconds; it starts no process. The methods of `Program` are called
    by the supervisor's thread.
    """

    def __init__(self, server: Server) -> None:
        self.name = server.name
        self._server = server
        self._answered = threading.Event()
        self._closed = threading.Event()

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """See `Program`."""
        return self._server.process

    def spawn(self) -> None:
        """See `Program`."""
        self._server.spawn()
        self._answered.clear()

    def heard(self) -> bool:
        """See `Program`."""
        heard = self._answered.is_set()
        self._answered.clear()
        return heard

    def ask_to_stop(self) -> None:
        """See `Program`."""
        self._server.ask_to_stop()

    @contextmanager
    def probed(self) -> Iterator[None]:
        """Asks the server again and again until the block ends."""
        asker = threading.Thread(target=self._probe, name=f"probe {self.name}", daemon=True)
        asker.start()
        try:
            yield
        finally:
            self._closed.set()

    def _probe(self) -> None:
        wait_s = 0.0
        while not self._closed.wait(wait_s):
            asked = self._server.process
            # An answer of the process before this one says nothing of this one.
            answers = asked is not None and self._server.answers() and self._server.process is asked
            if answers:
                self._answered.set()
            wait_s = PROBE_S if answers else AGAIN_S
