"""The programs of the demo: started, awaited, watched, and stopped in reverse order."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from deploy.demo.errors import DemoError, tail
from deploy.demo.options import Options
from deploy.demo.processes import DemoProcess
from deploy.demo.progress_console import ProgressConsole
from shared.kernel.folders import NoHome
from tools.demo_scene.render import default_cache

T = TypeVar("T")
Facts = dict[str, Any]

CONTROL_PLANE = (sys.executable, "-c", "from launcher.cli import main; main()")
AGENT = (sys.executable, "-m", "edge_agent")
CAMERA_NETWORKS = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""Networks of the cameras of a demo: this machine, and private ones."""
FIRST_PORT = 8000
FIRST_CAMERA_PORT = 8600
"""Below the ephemeral range. The agent dials the port of the last run before the cameras listen again, and must not get
it as its own local port."""
POLL_S = 0.25
ANSWER_TIMEOUT_S = 60.0
UP_TIMEOUT_S = 240.0
MEDIA_TIMEOUT_S = 900.0
PAIR_TIMEOUT_S = 60.0
ONLINE_TIMEOUT_S = 90.0
AGENT_STOP_S, UP_STOP_S, OTHER_STOP_S = 30.0, 60.0, 5.0


class Programs:
    """Owns the processes of the demo; a context manager that stops them.

    Each method that waits raises DemoError on a timeout, with the name of what is missing and its log.

    Attributes:
        facts: The content of the report so far.
        logs: The folder of the log files.
    """

    def __init__(self, options: Options, display: ProgressConsole) -> None:
        self.facts: Facts = {}
        self.logs = options.state / "logs"
        self._options = options
        self._display = display
        self._state = options.state
        self._stack = ExitStack()
        self._watched: list[DemoProcess] = []
        self._agent_since_at = ""

    def __enter__(self) -> "Programs":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def check(self) -> None:
        """Checks that all required programs run.

        Raises:
            DemoError: one has exited.
        """
        for child in self._watched:
            child.check()

    def prepare_state(self) -> None:
        """Creates the state folder.

        Raises:
            DemoError: it cannot be written.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            probe = self.logs / ".writable"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise DemoError(
                f"the state folder {self._state} cannot be written: {error.strerror}",
                "Give another one with --state DIR.",
            ) from error
        self.facts["state"] = str(self._state)

    def start_renderer(self) -> DemoProcess:
        """Starts the renderer of the demo cameras; it exits at once if an earlier run has rendered them."""
        cache = self._state / "cache"
        with contextlib.suppress(OSError, NoHome):
            shared = default_cache()
            shared.mkdir(parents=True, exist_ok=True)
            if os.access(shared, os.W_OK):
                cache = shared
        # At low priority: until the first page opens, the control plane needs the processor more.
        command = (sys.executable, "-m", "tools.demo_scene.render", "--cache", str(cache))
        return self._start(
            "the renderer of the demo cameras", command, "demo-render.log", OTHER_STOP_S, nice=10
        )

    def start_control_plane(self) -> str:
        """Starts the control plane and returns its address once its first page opens."""
        with self._display.step("starting the control plane"):
            port = (
                self._remembered().get("port", FIRST_PORT)
                if self._options.port is None
                else self._options.port
            )
            command = (*CONTROL_PLANE, "up", "--state", str(self._state), "--port", str(port))
            child = self._start("the control plane", command, "demo-control-plane.log", UP_STOP_S)
            ready = self._state / "run" / "control-plane.json"

            def facts() -> Facts | None:
                try:
                    read: Facts = json.loads(ready.read_text())
                except (OSError, ValueError):
                    return None
                return read if read.get("pid") == child.pid else None

            found = self.wait("the control plane", facts, UP_TIMEOUT_S, child, say=child.last_line)
        self._watched.append(child)
        url = str(found["url"]).rstrip("/")
        self.facts |= {"url": url, "control_plane_steps": found.get("steps", [])}
        self._check_first_page(url, child)
        for line in tail(child.log, 50):
            if "taken" in line:
                self._display.say(f"  {line.strip()}")
        self._display.say(f"  the portal is at {url}")
        self._remember(port=int(url.rpartition(":")[2]))
        return url

    def start_console(self) -> DemoProcess:
        """Starts the management command that acts inside the control plane, and creates the studio."""
        with self._display.step("making the studio Demo Dance"):
            command = (*CONTROL_PLANE, "manage", "--state", str(self._state), "demo_studio", "--json")
            console = self._start("the demo studio", command, "demo-studio.log", OTHER_STOP_S, has_pipes=True)
            self.facts |= console.ask({"do": "facts"}, ANSWER_TIMEOUT_S)
        return console

    def start_agent(self, console: DemoProcess, url: str) -> tuple[str, DemoProcess]:
        """Pairs the agent if necessary and starts it. Returns its id and its process after its first heartbeat."""
        state = self._state / "agent"
        with self._display.step("pairing an agent and starting it"):
            agent_id, known_as = _pairing(state)
            if agent_id and known_as != url:
                # The port was taken; an agent keeps the address that it was paired with.
                self._display.say(f"  the agent knows the portal as {known_as}: pairing it anew")
                agent_id = None
            answer = console.ask({"do": "enrol", "agent_id": agent_id}, ANSWER_TIMEOUT_S)
            if answer["pairing_code"]:
                self._display.update(f"pairing code {answer['pairing_code']}")
                self._pair(url, answer["pairing_code"], state, anew=known_as is not None)
                agent_id, _ = _pairing(state)
            if agent_id is None:
                raise DemoError(
                    f"the agent has no identity in {state} after pairing", "Remove that folder and try again."
                )
            _allow_own_cameras(state)
            self._agent_since_at = datetime.now(UTC).isoformat()
            agent = self._start(
                "the agent",
                (*AGENT, "run", "--state", str(state), "--text-logs"),
                "demo-agent.log",
                AGENT_STOP_S,
            )
            self.wait(
                "the agent's first heartbeat",
                lambda: self.ask_cameras(console, agent_id)["online"],
                ONLINE_TIMEOUT_S,
                agent,
            )
        self._watched.append(agent)
        self.facts["agent_id"] = agent_id
        return agent_id, agent

    def start_cameras(self, renderer: DemoProcess) -> dict[str, str]:
        """Waits for the renderer, starts the camera server and returns the addresses by position."""
        with self._display.step("rendering the demo cameras (once, then kept)"):

            def finished() -> bool:
                percent = renderer.last_line().partition("%")[0].strip()
                self._display.update("", int(percent) / 100 if percent.isdigit() else None)
                return renderer.exit_code() is not None

            self.wait("the media of the demo cameras", finished, MEDIA_TIMEOUT_S)
            if renderer.exit_code():
                raise DemoError("the demo cameras could not be rendered", log=renderer.log)
            media = renderer.last_line()
        with self._display.step("starting the demo cameras"):
            port = self._remembered().get("camera_port", FIRST_CAMERA_PORT)
            command = (
                sys.executable,
                "-m",
                "tools.demo_scene.camera_server",
                "--media",
                media,
                "--port",
                str(port),
            )
            server = self._start(
                "the demo cameras", command, "demo-cameras.log", OTHER_STOP_S, has_pipes=True
            )
            addresses: dict[str, str] = server.read_line(30, "their addresses")["cameras"]
        self._watched.append(server)
        self._remember(camera_port=int(next(iter(addresses.values())).split(":")[2].partition("/")[0]))
        return addresses

    def ask_cameras(self, console: DemoProcess, agent_id: str) -> Facts:
        """Returns the state of the cameras as the agent has reported it since its start."""
        request = {"do": "cameras", "agent_id": agent_id, "since_at": self._agent_since_at}
        return console.ask(request, ANSWER_TIMEOUT_S)

    def wait(
        self,
        what: str,
        probe: Callable[[], T | None],
        timeout_s: float,
        child: DemoProcess | None = None,
        say: Callable[[], str] | None = None,
    ) -> T:
        """Calls `probe` until it returns a true value, and returns that.

        Raises:
            DemoError: it did not in time, or a required program exited; names it and its log.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            for needed in [*self._watched, *([child] if child else [])]:
                needed.check()
            found = probe()
            if found:
                return found
            if time.monotonic() > deadline_s:
                raise DemoError(
                    f"waited {timeout_s:.0f} s in vain for {what}",
                    "Read the log; if the machine is merely slow, run the same command again.",
                    child.log if child else self.logs / "demo-agent.log",
                )
            if say:
                self._display.update(say())
            time.sleep(POLL_S)

    def _start(self, name: str, command: tuple[str, ...], log: str, stop_s: float, **how: Any) -> DemoProcess:
        child = DemoProcess(name, command, self.logs / log, **how)
        self._stack.callback(child.stop, stop_s)
        return child

    def _check_first_page(self, url: str, child: DemoProcess) -> None:
        try:
            with urllib.request.urlopen(f"{url}/", timeout=30) as answer:  # noqa: S310  # an address of ours
                answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise DemoError(f"the first page, {url}/, does not open: {error}", log=child.log) from error
        self.facts["first_page_s"] = round(self._display.elapsed_s(), 2)

    def _pair(self, url: str, code: str, state: Path, anew: bool) -> None:
        log = self.logs / "demo-pair.log"
        command = [*AGENT, "pair", url, code, "--state", str(state), *(["--replace"] if anew else [])]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=PAIR_TIMEOUT_S,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DemoError(
                f"pairing the agent with {url} took more than {PAIR_TIMEOUT_S:.0f} s", log=log
            ) from error
        log.write_text(done.stdout + done.stderr)
        if done.returncode:
            raise DemoError(f"the agent could not be paired with {url}", log=log)

    def _remember(self, **facts: int) -> None:
        (self._state / "demo.json").write_text(json.dumps(self._remembered() | facts) + "\n")

    def _remembered(self) -> Facts:
        try:
            read: Facts = json.loads((self._state / "demo.json").read_text())
        except (OSError, ValueError):
            return {}
        return read


def _allow_own_cameras(agent_state: Path) -> None:
    """Allows the agent to read cameras on this machine, as those of the demo are; its default forbids it."""
    settings = agent_state / "settings.toml"
    if not settings.exists():
        networks = ", ".join(f'"{network}"' for network in CAMERA_NETWORKS)
        settings.write_text(f"allowed_networks = [{networks}]\n")


def _pairing(agent_state: Path) -> tuple[str, str] | tuple[None, None]:
    """Returns the id of a paired agent and the address of its control plane; Nones if it is not paired."""
    try:
        paired = json.loads((agent_state / "identity" / "pairing.json").read_text())
        return str(paired["answer"]["agent_id"]), str(paired["address"]).rstrip("/")
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
