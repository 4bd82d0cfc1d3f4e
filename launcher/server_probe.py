"""Probes a server periodically to find out whether it responds."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

PROBE_INTERVAL_S = 5.0
"""Interval of the probes of a server that responded last time."""
RETRY_INTERVAL_S = 0.5
"""Interval of the probes of a server that did not."""


class Server(Protocol):
    """A server that can be probed."""

    name: str

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The running process."""

    def spawn(self) -> None:
        """Starts it, without waiting."""

    def is_responding(self) -> bool:
        """Connects to it and returns whether it responds. Takes some seconds at most; raises nothing."""

    def request_stop(self) -> None:
        """Asks the running process to exit."""


class ProbedServer:
    """A `Program` whose sign of life is its response to a probe.

    The supervisor's thread calls the methods of `Program`. A thread of its own probes, since a response may take seconds;
    that thread starts no process, because a child would be bound to its life (see `parent_death`).
    """

    def __init__(self, server: Server) -> None:
        self.name = server.name
        self._server = server
        self._responded = threading.Event()
        self._closed = threading.Event()

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """See `Program`."""
        return self._server.process

    def spawn(self) -> None:
        """See `Program`."""
        self._server.spawn()
        self._responded.clear()

    def poll_alive(self) -> bool:
        """See `Program`."""
        responded = self._responded.is_set()
        self._responded.clear()
        return responded

    def request_stop(self) -> None:
        """See `Program`."""
        self._server.request_stop()

    @contextmanager
    def probing(self) -> Iterator[None]:
        """Probes the server periodically while the block runs."""
        prober = threading.Thread(target=self._probe, name=f"probe {self.name}", daemon=True)
        prober.start()
        try:
            yield
        finally:
            self._closed.set()

    def _probe(self) -> None:
        wait_s = 0.0
        while not self._closed.wait(wait_s):
            probed = self._server.process
            # A response of the process before this one proves nothing about this one.
            responds = probed is not None and self._server.is_responding() and self._server.process is probed
            if responds:
                self._responded.set()
            wait_s = PROBE_INTERVAL_S if responds else RETRY_INTERVAL_S
