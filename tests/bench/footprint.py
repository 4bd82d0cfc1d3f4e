"""Cost of an installation and each of its processes: cold install, start-up and memory, held against budgets.

Start-up is measured apart, as often as `RUNS`, and the least counts: the CPU seconds until the web application, the Celery
worker or the agent is loaded. Memory is that of the processes of a demo that has recorded a class; pages that processes
share count once (PSS).
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from launcher.stack import read_runtime_info, service_urls
from launcher.state_folder import control_plane_environment
from tests.bench.installation import demo

ROOT = Path(__file__).resolve().parents[2]
RUNS = 5
MIB = 1 << 20
ROLES = ("agent", "control")
PROGRAMS = {
    "web": ("-c", "import control_plane.config.asgi"),
    "worker": (
        "-c",
        "from control_plane.config.celery import app; app.loader.import_default_modules(); app.tasks",
    ),
    # An agent that was never paired loads everything that `run` needs, and exits.
    "agent": ("-m", "edge_agent", "run", "--state"),
}
PROCESSES = {"web": "uvicorn", "worker": " worker ", "beat": " beat ", "agent": "edge_agent"}
"""Text that the command line of each process contains."""
BUDGETS = {
    "install agent, MB": 200, "install control, MB": 450,
    "start web, CPU s": 2.5, "start worker, CPU s": 2.5, "start agent, CPU s": 0.5,
    "memory web, MiB": 200, "memory worker, MiB": 300, "memory beat, MiB": 150, "memory agent, MiB": 150,
}  # fmt: skip
"""The most that each may cost on the machine of the measurements. The seconds of an install depend on the mirror."""


def measure(folder: Path) -> dict[str, Any]:
    """Returns the figures by name."""
    figures: dict[str, float] = {}
    for role in ROLES:
        figures |= _install(role, folder / f"install-{role}")
    with demo(folder / "state", "--seconds", "10"):
        figures |= _memory()
        figures |= _starts(folder / "state")
    return {"figures": figures, "load_before": round(os.getloadavg()[0], 2)}


def _install(role: str, folder: Path) -> dict[str, float]:
    """Installs a role from its lock with an empty cache."""
    folder.mkdir(parents=True)
    uv = shutil.which("uv") or str(ROOT / ".nox/bootstrap/bin/uv")
    environment = {**os.environ, "UV_CACHE_DIR": str(folder / "cache")} | _index()
    began_s = time.monotonic()
    for command in (
        ["venv", "--quiet", "--python", sys.executable, str(folder / "venv")],
        ["pip", "install", "--quiet", "--python", str(folder / "venv/bin/python"), "--require-hashes",
         "-r", str(ROOT / "deploy/locks" / f"{role}.txt")],
    ):  # fmt: skip
        subprocess.run([uv, *command], env=environment, check=True, timeout=900)
    seconds = time.monotonic() - began_s
    size_bytes = sum(path.lstat().st_size for path in (folder / "venv").rglob("*") if path.is_file())
    shutil.rmtree(folder)
    return {f"install {role}, s": round(seconds, 1), f"install {role}, MB": round(size_bytes / 1e6)}


def _index() -> dict[str, str]:
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    index = (
        os.environ.get("PIP_INDEX_URL")
        or subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    )
    return {"UV_DEFAULT_INDEX": index} if index else {}


def _memory() -> dict[str, float]:
    pss = dict.fromkeys(PROCESSES, 0)
    for process in psutil.Process().children(recursive=True):
        line = f"{' '.join(process.cmdline())} "
        for name, mark in PROCESSES.items():
            if mark in line:
                pss[name] += process.memory_full_info().pss
    return {f"memory {name}, MiB": round(size_bytes / MIB) for name, size_bytes in pss.items()}


def _starts(state: Path) -> dict[str, float]:
    if read_runtime_info(state) is None:
        raise RuntimeError("the control plane of the demo does not run")
    environment = control_plane_environment(state, service_urls(state))
    figures: dict[str, float] = {}
    for name, arguments in PROGRAMS.items():
        with tempfile.TemporaryDirectory() as empty:
            command = [sys.executable, *arguments, *([empty] if name == "agent" else [])]
            costs = [
                _cost(command, environment if name != "agent" else dict(os.environ)) for _ in range(RUNS)
            ]
        figures[f"start {name}, CPU s"] = round(min(cpu_s for cpu_s, _ in costs), 2)
        figures[f"start {name}, s"] = round(min(wall_s for _, wall_s in costs), 2)
    return figures


def _cost(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Returns the CPU and wall seconds of a command."""
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    wall_s, after = time.monotonic() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    if "Traceback" in done.stderr:
        raise RuntimeError(f"{command} failed:\n{done.stderr[-2000:]}")
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime), wall_s


def table(result: dict[str, Any]) -> str:
    """Returns the result as the Markdown of `docs/ref/measurements.md`."""
    rows = [
        f"| {name} | {value:g} | {BUDGETS.get(name, '')} |{' **over**' if value > BUDGETS.get(name, value) else ''}"
        for name, value in sorted(result["figures"].items())
    ]
    return "\n".join(["| cost | measured | budget |", "|---|---|---|", *rows])
