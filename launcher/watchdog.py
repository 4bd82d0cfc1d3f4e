"""Whether a process that runs also lives: what it tells of itself, and how long it has told nothing."""

import os
import socket
from pathlib import Path

from shared.kernel.service import ADDRESS_VARIABLE, ALIVE, READY, WATCHDOG_VARIABLE

PULSE_S = 2.0
"""How often a process is asked to tell that it lives."""
START_LIMIT_S = 300.0
"""How long a process may take until it tells so for the first time: imports and checks on a busy machine."""
BUSY_FACTOR = 4
"""So many times as long may a process be silent that uses the processor."""
DATAGRAM_BYTES = 4096


class Silence:
    """Judges from outside whether a process hangs. Pure.

    Silence is counted in ticks of the supervisor, not by a clock: on a machine that is too busy to run the supervisor, or
    that was suspended, the count stands still as well. A process that is stopped or waits for ever uses no processor time
    meanwhile; one that does is rather busy, and gets `BUSY_FACTOR` times as long.
    """

    def __init__(self, limit_s: float, start_limit_s: float = START_LIMIT_S) -> None:
        """Args:
        limit_s: how long the process may be silent.
        start_limit_s: the same until it is heard for the first time.
        """
        self.limit_s = limit_s
        self._start_limit_s = start_limit_s
        self._silent_s = 0.0
        self._idle_s = 0.0
        self._cpu_s: float | None = None
        self.was_heard = False
        """Since it was started."""

    def started(self) -> None:
        """A new process has been started."""
        self.was_heard = False
        self.excused()

    def heard(self) -> None:
        """The process lives."""
        self.was_heard = True
        self.excused()

    def excused(self) -> None:
        """There is a reason for its silence: the count begins again."""
        self._silent_s = self._idle_s = 0.0
        self._cpu_s = None

    def is_hung(self, tick_s: float, cpu_s: float | None) -> bool:
        """Counts one tick of silence, and says whether that is too much.

        Args:
            tick_s: how long one tick is meant to be.
            cpu_s: how much processor time the process has used; None where that cannot be told.
        """
        self._silent_s += tick_s
        is_idle = cpu_s is not None and cpu_s == self._cpu_s
        self._idle_s = self._idle_s + tick_s if is_idle else 0.0
        self._cpu_s = cpu_s
        limit_s = self.limit_s if self.was_heard else self._start_limit_s
        return self._idle_s > limit_s or self._silent_s > BUSY_FACTOR * limit_s


class PulseSocket:
    """Where one process tells that it lives, as to a service manager (sd_notify). Used by one thread."""

    def __init__(self, path: Path) -> None:
        """Raises:
        OSError: no socket can be made at `path`.
        """
        self._path = path
        path.unlink(missing_ok=True)
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._line.setblocking(False)
            self._line.bind(str(path))
        except BaseException:
            self._line.close()
            raise

    def variables(self) -> dict[str, str]:
        """Returns what the process has to have in its environment to find this socket, and to use it in time."""
        return {ADDRESS_VARIABLE: str(self._path), WATCHDOG_VARIABLE: str(round(3 * PULSE_S * 1e6))}

    def heard(self) -> bool:
        """Takes what has come, and says whether any of it is a sign of life."""
        is_alive = False
        while True:
            try:
                lines = self._line.recv(DATAGRAM_BYTES).decode("utf-8", "replace").splitlines()
            except OSError:
                return is_alive
            is_alive = is_alive or ALIVE in lines or READY in lines

    def close(self) -> None:
        """Removes it."""
        self._line.close()
        self._path.unlink(missing_ok=True)


def cpu_s(pid: int) -> float | None:
    """Returns the processor time that a process has used, in seconds; None where that cannot be told. Source: proc(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None


def family_of(pid: int) -> list[int]:
    """Returns the ids of a process and of all that descend from it, itself first; only itself where there is no /proc."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found
