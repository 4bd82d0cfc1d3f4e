"""Recording: the whole agent against `ffmpeg -c copy -f segment`, the same three cameras at the same time.

The agent captures, dates, encrypts, syncs to disk, indexes and uploads to a control plane on loopback; ffmpeg, one
process per camera, writes plain files. Both run throughout, and their CPU time is read over the same windows.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_agent.settings import Settings, save_settings
from shared.protocol.config import CameraConfig, Position, RecordingOrder, RtspSource
from shared.protocol.ids import CameraId, ClassSessionId, RoomId, new_id
from tests.bench.cameras import rtsp_cameras
from tests.bench.usage import usage
from tests.rigs.control_plane import ControlPlane

ROOT = Path(__file__).resolve().parents[2]
WINDOWS = 5
WARM_UP_S = 15.0


def measure(folder: Path, *, window_s: float = 20.0, windows: int = WINDOWS) -> dict[str, Any]:
    """Returns CPU seconds per camera-minute and peak memory of both, medians over the windows, and their ratio."""
    with (
        rtsp_cameras(folder / "cameras") as urls,
        _ffmpeg(urls, folder / "ffmpeg") as peers,
        agent_recording(urls, folder / "agent") as (agent, plane),
    ):
        time.sleep(WARM_UP_S)
        rows = []
        for _ in range(windows):
            before = usage([agent]), usage(peers)
            began_s = time.monotonic()
            time.sleep(window_s)
            minutes = (time.monotonic() - began_s) / 60 * len(urls)
            after = usage([agent]), usage(peers)
            rows.append([(after[i].cpu_s - before[i].cpu_s) / minutes for i in (0, 1)])
        ours, theirs = usage([agent]), usage(peers)
        committed = sum(manifest.size_bytes for manifest in plane.committed.values())
    return {
        "cameras": len(urls),
        "windows": windows,
        "window_s": window_s,
        "agent_cpu_s_per_camera_minute": statistics.median(row[0] for row in rows),
        "ffmpeg_cpu_s_per_camera_minute": statistics.median(row[1] for row in rows),
        "cpu_ratio": statistics.median(row[0] / row[1] for row in rows),
        "agent_peak_mb": ours.peak_bytes / 1e6,
        "ffmpeg_peak_mb": theirs.peak_bytes / 1e6,
        "uploaded_mb": committed / 1e6,
    }


@contextlib.contextmanager
def _ffmpeg(urls: dict[str, str], folder: Path) -> Iterator[list[int]]:
    folder.mkdir(parents=True, exist_ok=True)
    processes = [
        subprocess.Popen(
            [
                "ffmpeg", "-nostdin", "-loglevel", "error", "-rtsp_transport", "tcp", "-i", url, "-c", "copy",
                "-f", "segment", "-segment_time", "6", "-reset_timestamps", "1", "-y", str(folder / f"{name}-%05d.mp4"),
            ]
        )
        for name, url in urls.items()
    ]  # fmt: skip
    try:
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.terminate()
            process.wait(10)


@contextlib.contextmanager
def agent_recording(
    urls: dict[str, str], state: Path, *, tree: Path = ROOT
) -> Iterator[tuple[int, ControlPlane]]:
    """Runs a real agent that records the cameras to a control plane on loopback; yields its process id and the latter.

    Args:
        urls: the camera at each position.
        state: the agent's state folder; its log lies beside it.
        tree: the checkout whose agent runs.
    """
    room = RoomId(new_id())
    cameras = tuple(
        CameraConfig(
            id=CameraId(new_id()),
            room_id=room,
            name=name,
            position=Position(name),
            source=RtspSource(url=url),
        )
        for name, url in urls.items()
    )
    program = [sys.executable, "-m", "edge_agent"]
    state.parent.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with ControlPlane().running() as plane:
        subprocess.run(
            [*program, "pair", plane.url, "BCDFGHJK", "--state", str(state)],
            check=True,
            capture_output=True,
            cwd=tree,
            env=environment,
        )
        save_settings(state, Settings(allowed_networks=("127.0.0.0/8",)))
        agent = subprocess.Popen(
            [*program, "run", "--state", str(state)],
            stderr=(state.parent / "agent.log").open("wb"),
            cwd=tree,
            env=environment,
        )
        try:
            order = RecordingOrder(
                class_session_id=ClassSessionId(new_id()), room_id=room, start_at=datetime.now(UTC)
            )
            plane.wait(lambda: plane.hellos, 30)
            plane.desire(cameras=cameras, recordings=(order,))
            plane.wait(lambda: len(plane.committed) >= len(urls), 60)
            yield agent.pid, plane
        finally:
            agent.terminate()
            agent.wait(30)


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    return "\n".join(
        [
            "| recording three 1080p30 cameras, 5 Mb/s, AAC | CPU-s per camera-minute | peak memory |",
            "|---|---|---|",
            f"| agent (encrypts, syncs, indexes, uploads) | {result['agent_cpu_s_per_camera_minute']:.2f}"
            f" | {result['agent_peak_mb']:.0f} MB |",
            f"| ffmpeg `-c copy -f segment`, {result['cameras']} processes | {result['ffmpeg_cpu_s_per_camera_minute']:.2f}"
            f" | {result['ffmpeg_peak_mb']:.0f} MB |",
            f"| ratio | {result['cpu_ratio']:.2f} | {result['agent_peak_mb'] / result['ffmpeg_peak_mb']:.2f} |",
        ]
    )
