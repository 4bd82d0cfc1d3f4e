"""A control plane of its own for one benchmark: all of its real processes, and a program inside it that measures.

What measures is a process too (`python -m tests.bench.<name>`): Django's settings are made once in each, and the load
must not share Python's one running thread with what carries it.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from launcher.stack import read_runtime_info, service_urls
from launcher.state_folder import control_plane_environment
from tests.bench.usage import usage

ROOT = Path(__file__).resolve().parents[2]
READY_TIMEOUT_S = 240.0
MEASURE_TIMEOUT_S = 900.0


@contextlib.contextmanager
def control_plane(state: Path) -> Iterator[str]:
    """Runs a control plane on an empty state folder; yields its address.

    Raises:
        RuntimeError: it was not ready in time; the end of what it printed is in the message.
    """
    state.parent.mkdir(parents=True, exist_ok=True)
    log_path = state.parent / "control-plane.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from launcher.cli import main; main()",
                "up",
                "--state",
                str(state),
                "--port",
                "0",
            ],
            stdout=log,
            stderr=log,
            cwd=ROOT,
        )
    try:
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while (facts := read_runtime_info(state)) is None:
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"the control plane is not ready:\n{log_path.read_text()[-3000:]}")
            time.sleep(0.2)
        yield str(facts["url"])
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        if process.poll() is None:
            process.kill()


def measured(module: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """Runs `python -m module ADDRESS ...` inside a new control plane and returns the JSON it prints.

    Raises:
        RuntimeError: it failed; the end of what it said is in the message.
    """
    state = folder / "state"
    with control_plane(state) as address:
        told = control_plane_environment(state, service_urls(state)) | {"THREEDANCE_LOG_LEVEL": "ERROR"}
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.inside", str(state), module, address, *arguments],
            env=told,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=MEASURE_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            log = (state / "logs" / "web.log").read_text()[-2000:]
            raise RuntimeError(f"{module} failed:\n{done.stderr[-4000:]}\n{log}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result | {"load_before": round(os.getloadavg()[0], 2)}


def web_process() -> int:
    """Returns the process id of the web process of the control plane whose environment this process has."""
    state = Path(os.environ["THREEDANCE_STATE"])
    facts = read_runtime_info(state)
    if facts is None:
        raise RuntimeError("no control plane runs here")
    children = subprocess.run(
        ["ps", "--ppid", str(facts["pid"]), "-o", "pid=,args="], capture_output=True, text=True, check=True
    ).stdout
    return next(int(line.split()[0]) for line in children.splitlines() if "uvicorn" in line)


def cpu_s(pid: int) -> float:
    """Returns the CPU seconds that a process has used."""
    return usage([pid]).cpu_s


def part(values: list[float], share: float) -> float:
    """Returns the value that `share` of the values are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
