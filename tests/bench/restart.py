"""Cost of an agent's start, now and as of another revision: killed and started in turn, on the same three cameras."""

import contextlib
import os
import random
import signal
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from edge_agent.settings import SETTINGS_FILE
from shared.protocol.config import RtspSource
from tests.bench.recording import ROOT
from tests.bench.upkeep import BEFORE, worktree
from tests.bench.usage import usage
from tests.faults.kill import CAMERAS, GOP_S, LATE_S, LOOP, PATIENCE_S, Site
from tests.media import make_video, split_frames
from tests.rigs import rtsp
from tests.rigs.agent_process import paired_agent
from tests.rigs.control_plane import ControlPlane

STARTS = int(os.environ.get("THREEDANCE_TEST_STARTS", "12"))


def measure(folder: Path, *, against: str = BEFORE) -> dict[str, Any]:
    """Returns CPU and wall seconds from the start of the process until a fragment of each camera is durable; medians."""
    folder.mkdir(parents=True, exist_ok=True)
    film = make_video(folder / "film.h264", seconds=LOOP / 30, gop=round(GOP_S * 30))
    frames = split_frames(film, folder / "frames")
    rows: dict[str, list[tuple[float, float]]] = {"before": [], "now": []}
    with contextlib.ExitStack() as stack:
        trees = {"before": stack.enter_context(worktree(against, folder / "tree")), "now": ROOT}
        mounts = {f"/{n}": {"frames": str(frames)} for n in range(CAMERAS)}
        server = stack.enter_context(rtsp.RtspServer(mounts))
        sites = {}
        for name, tree in trees.items():
            (folder / name).mkdir()
            plane = stack.enter_context(ControlPlane().running())
            agent = stack.enter_context(paired_agent(plane, folder / name / "state", frames))
            # Older agents refuse settings that they do not know.
            (agent.state / SETTINGS_FILE).unlink()
            # A path from outside would have one tree's agent run the other's modules.
            agent.within, agent.tree = ("env", "-u", "PYTHONPATH"), tree
            agent.cameras = tuple(
                msgspec.structs.replace(camera, source=RtspSource(url=server.url(f"/{number}")))
                for number, camera in enumerate(agent.cameras)
            )
            sites[name] = Site(agent, random.Random(0), LATE_S)
            sites[name].prepare()
        for number in range(STARTS):
            for name in sorted(sites, reverse=bool(number % 2)):
                rows[name].append(_start(sites[name]))
    return {
        "against": against[:12],
        "starts": STARTS,
        "load": os.getloadavg()[1],
        **{
            f"{name}_{what}": statistics.median(row[index] for row in rows[name])
            for name in rows
            for index, what in enumerate(("cpu_s", "wall_s"))
        },
    }


def _start(site: Site) -> tuple[float, float]:
    began_at, began_s = datetime.now(UTC), time.monotonic()
    site.agent.start()
    if not site.records_within(PATIENCE_S, began_at):
        raise TimeoutError(f"no recording within {PATIENCE_S} s")
    wall_s = time.monotonic() - began_s
    assert site.agent.process is not None
    used = usage([site.agent.process.pid])
    site.agent.stop(signal.SIGKILL)
    return used.cpu_s, wall_s


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    return "\n".join(
        [
            f"| a start until all three are durable, {result['starts']} each, load {result['load']:.0f} | CPU-s | seconds |",
            "|---|---|---|",
            f"| {result['against']} | {result['before_cpu_s']:.2f} | {result['before_wall_s']:.2f} |",
            f"| now | {result['now_cpu_s']:.2f} | {result['now_wall_s']:.2f} |",
        ]
    )
