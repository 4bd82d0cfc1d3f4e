"""A whole installation on one machine, with a switch for every fault: cameras, control plane, object store, agent."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy.demo.processes import DemoProcess
from edge_agent.settings import Settings, save_settings
from tests.rigs.fault_proxy import FaultProxy
from tools.demo_scene.loop import CAMERAS

PYTHON = sys.executable
CONTROL_PLANE = (PYTHON, "-c", "from launcher.cli import main; main()")
START_TIMEOUT_S = 120.0
ANSWER_TIMEOUT_S = 30.0


class Installation:
    """Everything, started; `line` stands between agent and control plane, `camera_lines` before each camera."""

    def __init__(self, folder: Path, media: Path, stack: contextlib.ExitStack, store_url: str = "") -> None:
        self.folder = folder
        self.state = folder / "state"
        self.agent_state = folder / "agent"
        self._stack = stack
        self._agent: DemoProcess | None = None
        # The tests' own database and addresses are none of its business.
        for name in [name for name in os.environ if name.startswith(("THREEDANCE_", "DJANGO_"))]:
            stack.enter_context(_without(name))
        if store_url:
            os.environ["THREEDANCE_OBJECT_STORE"] = store_url
            stack.callback(os.environ.pop, "THREEDANCE_OBJECT_STORE", None)
        report = folder / "up.json"
        up = DemoProcess(
            "control plane",
            [*CONTROL_PLANE, "up", "--state", str(self.state), "--port", "0", "--report", str(report)],
            folder / "up.log",
        )
        stack.callback(up.stop, 60)
        cameras = DemoProcess(
            "cameras",
            [PYTHON, "-m", "tools.demo_scene.camera_server", "--media", str(media)],
            folder / "cameras.log",
            has_pipes=True,
        )
        stack.callback(cameras.stop, 10)
        facts = self.state / "run" / "control-plane.json"
        wait_for(facts.is_file, "the control plane", START_TIMEOUT_S, up.check)
        self.url: str = json.loads(facts.read_text())["url"]
        self.line = stack.enter_context(FaultProxy("127.0.0.1", int(self.url.rsplit(":", 1)[1])))
        ready = cameras.read_line(30, "the address of the cameras")
        port = urlsplit(ready["cameras"]["left"]).port or 0
        self.camera_lines = {name: stack.enter_context(FaultProxy("127.0.0.1", port)) for name in CAMERAS}
        self.console = self._start_console()
        self._pair()

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Has the people of the demo studio do something in the control plane."""
        return self.console.ask({"do": do, **request}, ANSWER_TIMEOUT_S)

    def renew_console(self) -> None:
        """Starts the people of the demo studio again, whose connections may have broken."""
        self.console.stop(10)
        self.console = self._start_console()

    def start_agent(self) -> None:
        """Starts the agent, or starts it again."""
        agent = DemoProcess(
            "agent",
            [PYTHON, "-m", "edge_agent", "run", "--state", str(self.agent_state)],
            self.folder / "agent.log",
        )
        self._stack.callback(agent.stop, 20)
        self._agent = agent

    def kill_agent(self) -> None:
        """Takes the agent's power away."""
        assert self._agent is not None
        os.kill(self._agent.pid, signal.SIGKILL)
        wait_for(
            lambda: self._agent is not None and self._agent.exit_code() is not None,
            "the end of the agent",
            10,
        )

    def start_class(self) -> tuple[str, str]:
        """Has Ivan press Record; returns the class's id and the address of its page."""
        started = self.ask("record", title="Faults")
        return started["class_id"], started["address"]

    def until_segments(self, class_id: str, count: int, timeout_s: float = 60) -> None:
        """Waits until so many segments have arrived."""
        wait_for(
            lambda: self.ask("progress", class_id=class_id)["segments_arrived"] >= count,
            f"{count} segments",
            timeout_s,
        )

    def _start_console(self) -> DemoProcess:
        console = DemoProcess(
            "console", [*CONTROL_PLANE, "manage", "--state", str(self.state), "demo_studio", "--json"],
            self.folder / "console.log", has_pipes=True,
        )  # fmt: skip
        self._stack.callback(console.stop, 10)
        return console

    def _pair(self) -> None:
        code = self.ask("enrol", agent_id=None)["pairing_code"]
        subprocess.run(
            [PYTHON, "-m", "edge_agent", "pair", self.line.url, code, "--state", str(self.agent_state)],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        pairing = json.loads((self.agent_state / "identity" / "pairing.json").read_text())
        self.agent_id: str = pairing["answer"]["agent_id"]
        save_settings(self.agent_state, Settings(allowed_networks=("127.0.0.1/32",)))
        self.start_agent()
        addresses = {name: f"{line.url}/{name}.ts" for name, line in self.camera_lines.items()}
        self.ask("set_cameras", agent_id=self.agent_id, addresses=addresses)
        since = "2020-01-01T00:00:00+00:00"

        def connected() -> bool:
            cameras = self.ask("cameras", agent_id=self.agent_id, since_at=since)["cameras"]
            return bool(cameras) and all(camera["state"] == "connected" for camera in cameras)

        wait_for(connected, "three connected cameras", 60)


@contextlib.contextmanager
def installation(folder: Path, media: Path, store_url: str = "") -> Iterator[Installation]:
    """Runs an installation for the length of the block."""
    with contextlib.ExitStack() as stack:
        yield Installation(folder, media, stack, store_url)


def wait_for(
    ready: Callable[[], bool], what: str, timeout_s: float, check: Callable[[], None] | None = None
) -> None:
    """Returns when `ready` says so.

    Raises:
        TimeoutError: it did not within `timeout_s`.
    """
    deadline_s = time.monotonic() + timeout_s
    while not ready():
        if check is not None:
            check()
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(0.2)


@contextlib.contextmanager
def _without(name: str) -> Iterator[None]:
    value = os.environ.pop(name)
    try:
        yield
    finally:
        os.environ[name] = value
