"""Detects hung processes from outside: their watchdog messages, and the time since the last one."""

import os
import socket
from pathlib import Path

from shared.kernel.service import ADDRESS_VARIABLE, ALIVE, READY, WATCHDOG_VARIABLE

WATCHDOG_INTERVAL_S = 2.0
"""How often a process is asked to report that it is alive."""
START_LIMIT_S = 300.0
"""How long a process may take until its first report: imports and checks on a busy machine."""
BUSY_FACTOR = 4
"""How many times longer a process may be silent while it uses the processor."""
DATAGRAM_BYTES = 4096


class HangDetector:
    """Decides from outside whether a process hangs. Pure.

    Silence is counted in ticks of the supervisor, not by a clock: on a machine that was suspended, or is too busy to run
    the supervisor, the count stops as well. A process that is stopped or blocked for good uses no processor time
    meanwhile. One that does is busy, and gets `BUSY_FACTOR` times as long.
    """

    def __init__(self, limit_s: float, start_limit_s: float = START_LIMIT_S) -> None:
        """Args:
        limit_s: how long the process may be silent.
        start_limit_s: the same until its first report.
        """
        self.limit_s = limit_s
        self._start_limit_s = start_limit_s
        self._silent_s = 0.0
        self._idle_s = 0.0
        self._cpu_s: float | None = None
        self.has_reported = False
        """Whether it has reported since it was started."""

    def mark_started(self) -> None:
        """Records the start of a new process."""
        self.has_reported = False
        self.reset()

    def mark_alive(self) -> None:
        """Records a sign of life."""
        self.has_reported = True
        self.reset()

    def reset(self) -> None:
        """Starts the count of silence again."""
        self._silent_s = self._idle_s = 0.0
        self._cpu_s = None

    def is_hung(self, tick_s: float, cpu_s: float | None) -> bool:
        """Counts one silent tick and returns whether the process counts as hung.

        Args:
            tick_s: nominal length of one tick.
            cpu_s: processor time that the process has used so far; None where it is unknown.
        """
        self._silent_s += tick_s
        is_idle = cpu_s is not None and cpu_s == self._cpu_s
        self._idle_s = self._idle_s + tick_s if is_idle else 0.0
        self._cpu_s = cpu_s
        limit_s = self.limit_s if self.has_reported else self._start_limit_s
        return self._idle_s > limit_s or self._silent_s > BUSY_FACTOR * limit_s


class WatchdogSocket:
    """Receives the watchdog messages of one process, as systemd does (sd_notify(3)). Used by one thread."""

    def __init__(self, path: Path) -> None:
        """Raises:
        OSError: no socket can be bound to `path`.
        """
        self._path = path
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind(str(path))
        except BaseException:
            self._socket.close()
            raise

    def environment(self) -> dict[str, str]:
        """Returns the variables by which the process finds this socket and its reporting interval."""
        return {
            ADDRESS_VARIABLE: str(self._path),
            WATCHDOG_VARIABLE: str(round(3 * WATCHDOG_INTERVAL_S * 1e6)),
        }

    def poll_alive(self) -> bool:
        """Reads all pending messages and returns whether one of them is a sign of life."""
        is_alive = False
        while True:
            try:
                lines = self._socket.recv(DATAGRAM_BYTES).decode("utf-8", "replace").splitlines()
            except OSError:
                return is_alive
            is_alive = is_alive or ALIVE in lines or READY in lines

    def close(self) -> None:
        """Closes and removes the socket."""
        self._socket.close()
        self._path.unlink(missing_ok=True)


def process_cpu_s(pid: int) -> float | None:
    """Returns the processor time of a process in seconds; None where it is unknown. Source: proc(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None
