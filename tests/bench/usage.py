"""Usage of processes: CPU seconds and peak memory, read from the kernel."""

from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Usage:
    """CPU seconds used so far, and the sum of peak resident memory."""

    cpu_s: float
    peak_bytes: int


def usage(pids: list[int]) -> Usage:
    """Returns what the processes and their children used until now."""
    cpu_s, peak = 0.0, 0
    for pid in pids:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            times = one.cpu_times()
            cpu_s += times.user + times.system
            peak += _peak_bytes(one.pid)
    return Usage(cpu_s, peak)


def _peak_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
