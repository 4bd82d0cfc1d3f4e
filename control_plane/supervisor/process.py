"""One child process: started, watched, started again with growing pauses, stopped."""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import IO, Protocol

from control_plane.supervisor.bond import dies_with_parent
from control_plane.supervisor.errors import ServerFailed
from shared.kernel.backoff import Backoff

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 15.0
STEADY_AFTER_S = 60.0
MOST_FAILURES_IN_ROW = 8
LONGEST_LOG_BYTES = 20_000_000


class Server(Protocol):
    """A server that starts and waits until it is ready."""

    log: Path

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The running server."""

    def start(self) -> object:
        """Starts it, and returns when it answers."""


class State(Enum):
    """Where a child stands. STOPPED -> RUNNING <-> WAITING; RUNNING or WAITING -> STOPPED or GIVEN_UP."""

    STOPPED = "stopped"
    RUNNING = "running"
    WAITING = "waiting"
    GIVEN_UP = "given up"


class Child:
    """A program of ours that should always run. Used by one thread; `tick` is called about once a second."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log_path: Path,
        *,
        files: Sequence[int] = (),
    ) -> None:
        """Args:
        files: descriptors that the process inherits under the same numbers.
        """
        self._files = tuple(files)
        self.name = name
        self.log_path = log_path
        self.state = State.STOPPED
        self._command = list(command)
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_file: IO[bytes] | None = None
        self._backoff = Backoff(0.5, 30.0)
        self._started_s = 0.0
        self._again_s = 0.0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Starts the process in a session of its own, so that Ctrl-C at the terminal reaches only the supervisor."""
        self._log_file = self._log_file or open_log(self.log_path)
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=self._log_file,
            stderr=self._log_file,
            env=self._environment,
            start_new_session=True,
            pass_fds=self._files,
            preexec_fn=dies_with_parent(signal.SIGTERM),
        )
        self._started_s = time.monotonic()
        self.state = State.RUNNING

    def tick(self) -> None:
        """Looks whether it still runs, and starts it again when its pause is over.

        Raises:
            ServerFailed: it failed `MOST_FAILURES_IN_ROW` times without once running for a minute.
        """
        now_s = time.monotonic()
        if self.state is State.WAITING and now_s >= self._again_s:
            log.info("starting again", extra={"child": self.name})
            self.start()
        if self.state is not State.RUNNING or self._process is None:
            return
        code = self._process.poll()
        if code is None:
            if now_s - self._started_s > STEADY_AFTER_S:
                self._backoff.reset()
            return
        self._process = None
        if self._backoff.failures >= MOST_FAILURES_IN_ROW:
            self.state = State.GIVEN_UP
            raise ServerFailed(
                self.name, f"ended {MOST_FAILURES_IN_ROW} times in a row (exit {code})", self.log_path
            )
        wait_s = self._backoff.next_wait_s()
        log.warning("process ended", extra={"child": self.name, "exit": code, "again_in_s": round(wait_s, 1)})
        self._again_s = now_s + wait_s
        self.state = State.WAITING

    def ended(self) -> bool:
        """Says whether the process is not there now."""
        return self._process is None or self._process.poll() is not None

    def ask_to_stop(self) -> None:
        """Sends SIGTERM; `stop` waits for it."""
        self.state = State.STOPPED
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """Ends the process, gently and then not, with everything it started."""
        self.ask_to_stop()
        if self._process is not None:
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                log.warning("process did not stop", extra={"child": self.name})
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(STOP_TIMEOUT_S)
            self._process = None
        if self._log_file is not None:
            self._log_file.close()
            self._log_file = None


class ServerWatch:
    """Starts a server again that has ended, a few times at most: data is under it, and guessing helps nobody."""

    MOST_RESTARTS = 5

    def __init__(self, name: str, server: Server) -> None:
        self._name = name
        self._server = server
        self._restarts_s: list[float] = []

    def tick(self) -> None:
        """Looks whether it still runs, and starts it again.

        Raises:
            ServerFailed: it ended more than `MOST_RESTARTS` times within ten minutes, or does not start.
        """
        process = self._server.process
        if process is None or process.poll() is None:
            return
        now_s = time.monotonic()
        self._restarts_s = [*(at_s for at_s in self._restarts_s if now_s - at_s < 600), now_s]
        if len(self._restarts_s) > self.MOST_RESTARTS:
            raise ServerFailed(
                self._name, f"ended {len(self._restarts_s)} times in ten minutes", self._server.log
            )
        log.warning("process ended", extra={"child": self._name, "exit": process.returncode})
        self._server.start()
        log.info("started again", extra={"child": self._name})


def open_log(path: Path) -> IO[bytes]:
    """Opens a log for more; one that has grown long is set aside as `NAME.1` first, in place of the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and path.stat().st_size > LONGEST_LOG_BYTES:
        path.rename(path.with_name(path.name + ".1"))
    return path.open("ab")
