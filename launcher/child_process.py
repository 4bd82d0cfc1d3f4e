"""Child processes: started in a session of their own, stopped with all their descendants, never outliving the parent."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from launcher.parent_death import signal_on_parent_death
from launcher.process_logs import log_or_devnull
from launcher.watchdog import WatchdogSocket
from shared.kernel.service import VARIABLES


class ChildProcess:
    """One program of ours. It has a session of its own, so that Ctrl-C at the terminal reaches the parent alone.

    Implements `supervisor.Program`. Used by one thread, which must live as long as the child; see `parent_death`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log_path: Path,
        *,
        files: Sequence[int] = (),
        watchdog: WatchdogSocket | None = None,
        has_pipes: bool = False,
        nice: int = 0,
    ) -> None:
        """Args:
        name: the name in logs and messages.
        command: the program and its arguments.
        environment: all of its variables; those that name the parent's service manager are left out.
        log_path: the file for its output.
        files: descriptors that it inherits under the same numbers.
        watchdog: where it reports that it is alive. None: it reports nothing and is alive while it runs.
        has_pipes: whether its input and output are pipes to the parent; only its errors then go to the log.
        nice: how much its scheduling priority is lowered.
        """
        self.name = name
        self.log_path = log_path
        self._command = list(command)
        self._environment = {key: value for key, value in environment.items() if key not in VARIABLES}
        self._files = tuple(files)
        self._watchdog = watchdog
        if watchdog is not None:
            self._environment |= watchdog.environment()
        self._has_pipes = has_pipes
        self._nice = nice
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """See `supervisor.Program`."""
        return self._process

    def spawn(self) -> None:
        """See `supervisor.Program`."""
        self.poll_alive()  # discards messages of the process before it
        with log_or_devnull(self.log_path) as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE if self._has_pipes else subprocess.DEVNULL,
                stdout=subprocess.PIPE if self._has_pipes else output,
                stderr=output,
                env=self._environment,
                start_new_session=True,
                pass_fds=self._files,
                preexec_fn=self._prepare_child(),
            )

    def poll_alive(self) -> bool:
        """See `supervisor.Program`."""
        return self._watchdog.poll_alive() if self._watchdog is not None else True

    def request_stop(self) -> None:
        """See `supervisor.Program`."""
        if self._process is not None:
            self._process.terminate()

    def stop(self, timeout_s: float) -> None:
        """Asks it to exit, and kills it with its descendants after `timeout_s`. Idempotent."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self.request_stop()
        wait_or_kill(self._process, timeout_s)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _prepare_child(self) -> Callable[[], None]:
        bind_to_parent = signal_on_parent_death(signal.SIGTERM)

        def prepare() -> None:
            # Runs between fork and exec: system calls only, since another thread may have held a lock at the fork.
            os.nice(self._nice)
            bind_to_parent()

        return prepare


def wait_or_kill(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Waits until a process exits; kills it with its descendants after `timeout_s`.

    Returns:
        Whether it exited by itself.
    """
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        kill_tree(process.pid)
        process.wait(timeout_s)
        return False
    return True


def kill_tree(pid: int) -> None:
    """Kills a process and its descendants, including stopped ones and those in process groups of their own."""
    for one in process_tree(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def process_tree(pid: int) -> list[int]:
    """Returns the ids of a process and its descendants, the process first; only the process without /proc."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may itself contain spaces and parentheses: fields count from the last one.
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found
