"""Supervises one process: starts it, restarts it with growing delays for as long as it takes, replaces it when it hangs."""

import logging
import subprocess
import time
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from launcher.child_process import kill_tree, wait_or_kill
from launcher.errors import LauncherError
from launcher.watchdog import HangDetector, process_cpu_s
from shared.kernel.backoff import Backoff
from shared.kernel.logs import FailureLog

log = logging.getLogger(__name__)

TICK_S = 0.5
"""Interval of the calls of `Supervisor.tick`."""
STOP_TIMEOUT_S = 15.0
HUNG_STOP_TIMEOUT_S = 10.0
"""How long a hung process may take to exit when it is asked to."""
STABLE_AFTER_S = 30.0
"""After this run time a process counts as recovered, and its restart delays begin at the minimum again."""
MIN_RESTART_DELAY_S, MAX_RESTART_DELAY_S = 0.5, 30.0


class ProcessState(Enum):
    """State of a supervised process.

    STOPPED -> RUNNING; RUNNING -> BACKING_OFF (it exited) -> RUNNING; RUNNING -> TERMINATING (it hung) -> BACKING_OFF;
    any -> STOPPED.
    """

    STOPPED = "stopped"
    RUNNING = "running"
    TERMINATING = "terminating"
    BACKING_OFF = "backing off"


class Program(Protocol):
    """A process that can be restarted and that shows whether it is alive."""

    name: str

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The current process; an exited one stays until the next `spawn`."""

    def spawn(self) -> None:
        """Starts the process, without waiting.

        Raises:
            LauncherError: it cannot be started at present.
            OSError: likewise; the system gives the reason.
        """

    def poll_alive(self) -> bool:
        """Returns whether the process has shown a sign of life since the last call. Does not wait."""

    def request_stop(self) -> None:
        """Asks the current process to exit."""


class Supervisor:
    """Keeps one program running. Used by one thread, which calls `tick` every `TICK_S` seconds.

    It never gives up: the cause of an exit (a full disk, an error in a file) may be removed at any time, and a service
    that stays down until somebody logs in helps nobody. The first start is different; see `Stack.run`.
    """

    def __init__(
        self,
        program: Program,
        *,
        hung_after_s: float,
        is_excused: Callable[[], bool] = lambda: False,
    ) -> None:
        """Args:
        program: the program to keep running.
        hung_after_s: how long it may show no sign of life; see `HangDetector`.
        is_excused: returns whether something else explains its silence at present.
        """
        self.name = program.name
        self.state = ProcessState.STOPPED
        self._program = program
        self._hang_detector = HangDetector(hung_after_s)
        self._is_excused = is_excused
        self._backoff = Backoff(MIN_RESTART_DELAY_S, MAX_RESTART_DELAY_S)
        self._failures = FailureLog(log, f"{program.name} does not run")
        self._started_s = 0.0
        self._restart_at_s = 0.0
        self._kill_at_s = 0.0

    @property
    def failures(self) -> int:
        """The number of consecutive failures; 0 after `STABLE_AFTER_S` of running."""
        return self._backoff.failures

    @property
    def pid(self) -> int | None:
        """The id of the process; None when it is known to have exited."""
        process = self._program.process
        return process.pid if process is not None and self.state is not ProcessState.BACKING_OFF else None

    @property
    def is_up(self) -> bool:
        """Whether it runs and has shown a sign of life since it was started."""
        return self.state is ProcessState.RUNNING and self._hang_detector.has_reported

    def start(self) -> None:
        """Starts it for the first time. Raises as `Program.spawn`."""
        self._program.spawn()
        self.mark_started()

    def mark_started(self) -> None:
        """Records that the program has been started, here or by its own method."""
        self.state = ProcessState.RUNNING
        self._started_s = time.monotonic()
        self._hang_detector.mark_started()

    def retry_now(self) -> None:
        """Ends the delay before the next start, because the cause of the failure seems to be gone."""
        if self.state is ProcessState.BACKING_OFF:
            self._restart_at_s = 0.0

    def tick(self) -> None:
        """Checks that it runs and is alive; restarts it when its delay is over."""
        now_s = time.monotonic()
        if self.state is ProcessState.BACKING_OFF and now_s >= self._restart_at_s:
            self._restart(now_s)
        process = self._program.process
        if self.state not in (ProcessState.RUNNING, ProcessState.TERMINATING) or process is None:
            return
        code = process.poll()
        if code is not None:
            self._back_off(now_s, f"ended (exit {code})")
        elif self.state is ProcessState.TERMINATING:
            if now_s >= self._kill_at_s:
                kill_tree(process.pid)
        else:
            self._check_alive(process.pid, now_s)
        if self.is_up and now_s - self._started_s > STABLE_AFTER_S:
            self._backoff.reset()
            self._failures.recovered()

    def has_exited(self) -> bool:
        """Returns whether there is no running process at present."""
        process = self._program.process
        return process is None or process.poll() is not None

    def request_stop(self) -> None:
        """Asks it to exit for good; `stop` waits for it."""
        self.state = ProcessState.STOPPED
        if not self.has_exited():
            self._program.request_stop()

    def stop(self) -> None:
        """Stops it for good; kills it with its descendants if it does not exit in time."""
        self.request_stop()
        process = self._program.process
        if process is not None and not wait_or_kill(process, STOP_TIMEOUT_S):
            log.warning("process did not stop", extra={"program": self.name})

    def _check_alive(self, pid: int, now_s: float) -> None:
        if self._program.poll_alive():
            self._hang_detector.mark_alive()
        elif self._is_excused():
            self._hang_detector.reset()
        elif self._hang_detector.is_hung(TICK_S, process_cpu_s(pid)):
            log.error("a process hangs and is stopped", extra={"program": self.name, "pid": pid})
            self.state = ProcessState.TERMINATING
            self._kill_at_s = now_s + HUNG_STOP_TIMEOUT_S
            self._program.request_stop()

    def _restart(self, now_s: float) -> None:
        try:
            self._program.spawn()
        except (OSError, LauncherError, subprocess.SubprocessError) as error:
            self._back_off(now_s, str(error))
            return
        self.mark_started()

    def _back_off(self, now_s: float, why: str) -> None:
        delay_s = self._backoff.next_wait_s()
        self._failures.failed(why=why, again_in_s=round(delay_s, 1))
        self._restart_at_s = now_s + delay_s
        self.state = ProcessState.BACKING_OFF
