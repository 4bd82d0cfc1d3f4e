"""One process that should always run: started, watched, started again with growing pauses for ever, stopped."""

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Protocol

from launcher.errors import SupervisorError
from launcher.parent_death import dies_with_parent
from launcher.process_logs import log_output
from launcher.watchdog import PulseSocket, Silence, cpu_s, family_of
from shared.kernel.backoff import Backoff
from shared.kernel.logs import FailureLog
from shared.kernel.service import VARIABLES

log = logging.getLogger(__name__)

TICK_S = 0.5
"""How often `Keeper.tick` is called."""
STOP_TIMEOUT_S = 15.0
HUNG_STOP_TIMEOUT_S = 10.0
"""How long a process that hangs may take to end when it is asked to."""
STEADY_AFTER_S = 30.0
"""After so long a process counts as recovered, and its pauses begin small again."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0


class State(Enum):
    """Where a kept process stands.

    STOPPED -> RUNNING; RUNNING -> WAITING (it ended) -> RUNNING; RUNNING -> ENDING (it hung) -> WAITING; any -> STOPPED.
    """

    STOPPED = "stopped"
    RUNNING = "running"
    ENDING = "ending"
    WAITING = "waiting"


class Program(Protocol):
    """A process that can be started again, and can be heard to live."""

    name: str

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The running process; also one that has ended, until it is started again."""

    def spawn(self) -> None:
        """Starts it, without waiting.

        Raises:
            SupervisorError: it cannot be started as things are.
            OSError: likewise; the system says why.
        """

    def heard(self) -> bool:
        """Says whether it has shown a sign of life since this was asked last. Does not wait."""

    def ask_to_stop(self) -> None:
        """Asks the running process to end."""


class Keeper:
    """Keeps one program running. Used by one thread, which calls `tick` every `TICK_S` seconds.

    Never gives up: what a process ended of (a full disk, a mistake in a file) may be mended at any time, and a service
    that is away until somebody logs in helps nobody. The first start is different: see `House`.
    """

    def __init__(
        self,
        program: Program,
        *,
        hung_after_s: float,
        excused: Callable[[], bool] = lambda: False,
    ) -> None:
        """Args:
        program: what to keep.
        hung_after_s: how long it may show no sign of life; see `Silence`.
        excused: says whether its silence has a reason elsewhere now.
        """
        self.name = program.name
        self.state = State.STOPPED
        self._program = program
        self._silence = Silence(hung_after_s)
        self._excused = excused
        self._backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S)
        self._failures = FailureLog(log, f"{program.name} does not run")
        self._started_s = 0.0
        self._again_s = 0.0
        self._kill_s = 0.0

    @property
    def failures(self) -> int:
        """How often it has failed in a row; 0 once it has run for `STEADY_AFTER_S`."""
        return self._backoff.failures

    @property
    def pid(self) -> int | None:
        """The id of the process, where it has not been seen to end."""
        process = self._program.process
        return process.pid if process is not None and self.state is not State.WAITING else None

    @property
    def is_up(self) -> bool:
        """Whether it runs and has shown a sign of life since it was started."""
        return self.state is State.RUNNING and self._silence.was_heard

    def start(self) -> None:
        """Starts it for the first time. Raises as `Program.spawn`."""
        self._program.spawn()
        self.started()

    def started(self) -> None:
        """Takes note that the program has been started, here or by its own means."""
        self.state = State.RUNNING
        self._started_s = time.monotonic()
        self._silence.started()

    def hurry(self) -> None:
        """Ends the pause before the next start: there is reason to believe that it works now."""
        if self.state is State.WAITING:
            self._again_s = 0.0

    def tick(self) -> None:
        """Looks whether it still runs and lives, and starts it again when its pause is over."""
        now_s = time.monotonic()
        if self.state is State.WAITING and now_s >= self._again_s:
            self._start_again(now_s)
        process = self._program.process
        if self.state not in (State.RUNNING, State.ENDING) or process is None:
            return
        code = process.poll()
        if code is not None:
            self._failed(now_s, f"ended (exit {code})")
        elif self.state is State.ENDING:
            if now_s >= self._kill_s:
                kill(process.pid)
        elif self._program.heard():
            self._silence.heard()
        elif self._excused():
            self._silence.excused()
        elif self._silence.is_hung(TICK_S, cpu_s(process.pid)):
            log.error("a process hangs and is ended", extra={"program": self.name, "pid": process.pid})
            self.state = State.ENDING
            self._kill_s = now_s + HUNG_STOP_TIMEOUT_S
            self._program.ask_to_stop()
        if self.is_up and now_s - self._started_s > STEADY_AFTER_S:
            self._backoff.reset()
            self._failures.recovered()

    def ended(self) -> bool:
        """Says whether the process is not there now."""
        process = self._program.process
        return process is None or process.poll() is not None

    def ask_to_stop(self) -> None:
        """Asks it to end for good; `stop` waits for it."""
        self.state = State.STOPPED
        if not self.ended():
            self._program.ask_to_stop()

    def stop(self) -> None:
        """Ends it for good, gently and then not, with everything it started."""
        self.ask_to_stop()
        process = self._program.process
        if process is None:
            return
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            log.warning("process did not stop", extra={"program": self.name})
            kill(process.pid)
            process.wait(STOP_TIMEOUT_S)

    def _start_again(self, now_s: float) -> None:
        try:
            self._program.spawn()
        except (OSError, SupervisorError, subprocess.SubprocessError) as error:
            self._failed(now_s, str(error))
            return
        self.started()

    def _failed(self, now_s: float, why: str) -> None:
        wait_s = self._backoff.next_wait_s()
        self._failures.failed(why=why, again_in_s=round(wait_s, 1))
        self._again_s = now_s + wait_s
        self.state = State.WAITING


class Child:
    """A program of ours, in a session of its own, so that Ctrl-C at the terminal reaches only the supervisor."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log_path: Path,
        *,
        files: Sequence[int] = (),
        pulse: PulseSocket | None = None,
    ) -> None:
        """Args:
        name: what to call it.
        command: the program and its arguments.
        environment: all of its variables, without those that name its service manager.
        log_path: where its output goes.
        files: descriptors that it inherits under the same numbers.
        pulse: where it tells that it lives; None: it tells nothing, and lives as long as it runs.
        """
        self.name = name
        self.log_path = log_path
        self._command = list(command)
        self._environment = {key: value for key, value in environment.items() if key not in VARIABLES}
        self._files = tuple(files)
        self._pulse = pulse
        if pulse is not None:
            self._environment |= pulse.variables()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """See `Program`."""
        return self._process

    def spawn(self) -> None:
        """See `Program`."""
        self.heard()  # what is left of the process before it
        with log_output(self.log_path) as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,
                pass_fds=self._files,
                preexec_fn=dies_with_parent(signal.SIGTERM),
            )

    def heard(self) -> bool:
        """See `Program`."""
        return self._pulse.heard() if self._pulse is not None else True

    def ask_to_stop(self) -> None:
        """See `Program`."""
        if self._process is not None:
            self._process.terminate()


def kill(pid: int) -> None:
    """Kills a process and all that descend from it, also what has been stopped or has made a group of its own."""
    for one in family_of(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
