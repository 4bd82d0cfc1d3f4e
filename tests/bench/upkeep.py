"""Cost of recording, now and as of another revision: both agents record the same three cameras at the same time.

Each in the code of its own tree, with a control plane of its own on loopback; their CPU time is read over the same windows,
so that whatever else the machine does is the same for both.
"""

import contextlib
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.cameras import rtsp_cameras
from tests.bench.recording import ROOT, agent_recording
from tests.bench.usage import usage

BEFORE = "b3ca9ff1c6bcf9982d3407b5d1d56011b1d2d947"
"""The last revision before the work on lossless agents."""
WINDOWS, WINDOW_S = 6, 30.0
WARM_UP_S = 20.0


def measure(folder: Path, *, against: str = BEFORE) -> dict[str, Any]:
    """Returns CPU seconds per recorded minute of three cameras of both, medians over the windows, and their ratio."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        worktree(against, folder / "before") as before,
        rtsp_cameras(folder / "cameras") as urls,
        agent_recording(urls, folder / "old" / "state", tree=before) as (old, _),
        agent_recording(urls, folder / "new" / "state", tree=ROOT) as (new, plane),
    ):
        time.sleep(WARM_UP_S)
        rows = []
        for _ in range(WINDOWS):
            began_s, used = time.monotonic(), [usage([pid]).cpu_s for pid in (old, new)]
            time.sleep(WINDOW_S)
            minutes = (time.monotonic() - began_s) / 60
            rows.append([(usage([pid]).cpu_s - u) / minutes for pid, u in zip((old, new), used, strict=True)])
        dropped = sum(camera.packets_dropped for camera in plane.statuses[-1].cameras)
        peaks = [usage([pid]).peak_bytes for pid in (old, new)]
    return {
        "against": against[:12],
        "windows": WINDOWS,
        "window_s": WINDOW_S,
        "before_cpu_s_per_minute": statistics.median(row[0] for row in rows),
        "after_cpu_s_per_minute": statistics.median(row[1] for row in rows),
        "ratios": sorted(round(row[1] / row[0], 3) for row in rows),
        "ratio": statistics.median(row[1] / row[0] for row in rows),
        "before_peak_mb": peaks[0] / 1e6,
        "after_peak_mb": peaks[1] / 1e6,
        "packets_dropped": dropped,
        "load": os.getloadavg()[1],
    }


@contextlib.contextmanager
def worktree(revision: str, folder: Path) -> Iterator[Path]:
    """Checks a revision of this repository out for the length of the block."""
    git = ("git", "-C", str(ROOT), "worktree")
    subprocess.run([*git, "add", "--quiet", "--detach", str(folder), revision], check=True, timeout=120)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True, timeout=120)


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    lowest, highest = result["ratios"][0], result["ratios"][-1]
    return "\n".join(
        [
            f"| recording three 1080p30 cameras, load {result['load']:.0f} | CPU-s per minute | peak memory |",
            "|---|---|---|",
            f"| {result['against']} | {result['before_cpu_s_per_minute']:.2f} | {result['before_peak_mb']:.0f} MB |",
            f"| now | {result['after_cpu_s_per_minute']:.2f} | {result['after_peak_mb']:.0f} MB |",
            f"| ratio, and of the {result['windows']} windows | **{result['ratio']:.3f}**, {lowest} to {highest} | |",
        ]
    )
