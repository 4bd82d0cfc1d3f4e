"""Recording for a long time: does the agent's memory, its descriptors or its clocks' error grow, and is anything lost?

`python -m tests.bench soak` runs for twenty minutes; it is not among the benchmarks that run without being named.
"""

import statistics
import time
from pathlib import Path
from typing import Any

import psutil

from tests.bench.cameras import rtsp_cameras
from tests.bench.recording import agent_recording

MINUTES = 20.0
SAMPLE_S = 15.0
SETTLED_S = 120.0
"""Memory that an allocator and caches take in the first minutes is not growth."""


def measure(folder: Path, *, minutes: float = MINUTES) -> dict[str, Any]:
    """Returns first and last medians of memory (MB), descriptors, threads and clock error (ms), and what was recorded."""
    rows: list[dict[str, float]] = []
    with rtsp_cameras(folder / "cameras") as urls, agent_recording(urls, folder / "agent") as (pid, plane):
        process = psutil.Process(pid)
        began_s = time.monotonic()
        while (passed_s := time.monotonic() - began_s) < minutes * 60:
            time.sleep(SAMPLE_S)
            clocks = [camera.clock for camera in plane.statuses[-1].cameras if camera.clock]
            rows.append(
                {
                    "at_s": passed_s,
                    "memory_mb": process.memory_info().rss / 1e6,
                    "descriptors": process.num_fds(),
                    "threads": process.num_threads(),
                    "clock_error_ms": max((clock.error_bound_us / 1000 for clock in clocks), default=0.0),
                }
            )
        manifests = list(plane.committed.values())
        recorded_s = sum(f.duration_90k for m in manifests for f in m.fragments) / 90_000
        gaps = len(plane.gaps)
    settled = [row for row in rows if row["at_s"] >= min(SETTLED_S, minutes * 20)]
    third = max(1, len(settled) // 3)
    names = ("memory_mb", "descriptors", "threads", "clock_error_ms")
    return {
        "minutes": minutes,
        "first": {name: statistics.median(row[name] for row in settled[:third]) for name in names},
        "last": {name: statistics.median(row[name] for row in settled[-third:]) for name in names},
        "camera_minutes_recorded": recorded_s / 60,
        "segments": len(manifests),
        "gaps": gaps,
    }


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    first, last = result["first"], result["last"]
    names = {
        "memory_mb": "memory, MB",
        "descriptors": "file descriptors",
        "threads": "threads",
        "clock_error_ms": "clock error bound, worst camera, ms",
    }
    return "\n".join(
        [
            f"| {result['minutes']:.0f} minutes of three 1080p30 RTSP cameras | first third | last third |",
            "|---|---|---|",
            *(f"| {label} | {first[name]:.1f} | {last[name]:.1f} |" for name, label in names.items()),
            f"| recorded: {result['camera_minutes_recorded']:.1f} camera-minutes, {result['segments']} segments,"
            f" {result['gaps']} gaps | | |",
        ]
    )
