"""The demo as a process: started, its report read, stopped."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

READY_TIMEOUT_S = 600.0
LINK = re.compile(r"as Ivan.*?(http\S+)")


@contextlib.contextmanager
def demo(state: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """Runs the demo until its class can be replayed; yields its report, and stops it after the block.

    Raises:
        RuntimeError: it ended before; the end of what it printed is in the message.
    """
    state.mkdir(parents=True, exist_ok=True)
    report, output = state.parent / "report.json", state.parent / "demo.log"
    report.unlink(missing_ok=True)
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.demo", "--state", str(state), "--report", str(report), *arguments],
            stdout=log,
            stderr=log,
        )
        try:
            yield _report(process, report, output)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _report(process: "subprocess.Popen[bytes]", report: Path, output: Path) -> dict[str, Any]:
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if report.is_file() and report.stat().st_size:
            with contextlib.suppress(ValueError):
                found: dict[str, Any] = json.loads(report.read_text())
                # The links are printed, never written to a file of their own; they come right after the report.
                if links := LINK.findall(output.read_text()):
                    return found | {"instructor_link": links[-1]}
        if process.poll() is not None:
            break
        time.sleep(0.2)
    raise RuntimeError(f"the demo gave no report:\n{output.read_text()[-3000:]}")
