"""The demonstration from start to stop: every program started, a class recorded, the way to its replay printed."""

import json
import os
import select
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from deploy.demo.children import Child
from deploy.demo.errors import DemoError, tail
from deploy.demo.loop import CAMERAS
from deploy.demo.render import default_cache
from deploy.demo.screen import Screen

T = TypeVar("T")
Facts = dict[str, Any]

CONTROL_PLANE = (sys.executable, "-c", "from control_plane.cli import main; main()")
AGENT = (sys.executable, "-m", "edge_agent")
FIRST_PORT = 8000
POLL_S = 0.25
ANSWER_TIMEOUT_S = 60.0
UP_TIMEOUT_S = 240.0
MEDIA_TIMEOUT_S = 900.0
PAIR_TIMEOUT_S = 60.0
ONLINE_TIMEOUT_S = 90.0
RECORDING_TIMEOUT_S = 60.0
COMPLETE_TIMEOUT_S = 180.0
AGENT_STOP_S, UP_STOP_S, OTHER_STOP_S = 30.0, 60.0, 5.0


@dataclass(frozen=True)
class Options:
    """What the demonstration was asked for.

    Attributes:
        state: The folder that holds everything it keeps.
        cameras: Addresses of real cameras by position; empty: the rendered ones.
        seconds: How long to record.
        exit_after: Stop everything when the class can be replayed.
        report: Where to write what happened, as JSON.
        port: The port of the control plane, the next free one where it is taken; None: that of the last run.
        patience_s: How long the cameras may take to connect.
    """

    state: Path
    cameras: dict[str, str] = field(default_factory=dict)
    seconds: float = 30.0
    exit_after: bool = False
    report: Path | None = None
    port: int | None = None
    patience_s: float = 120.0


class Demonstration:
    """Runs once. Everything it starts, it stops."""

    def __init__(self, options: Options, screen: Screen) -> None:
        self._options = options
        self._screen = screen
        self._state = options.state
        self._logs = options.state / "logs"
        self._stack = ExitStack()
        self._watched: list[Child] = []
        self._facts: Facts = {}
        self._agent_since_at = ""

    @property
    def is_replayable(self) -> bool:
        """Whether the class has been recorded and can be replayed."""
        return "replayable_s" in self._facts

    def run(self) -> None:
        """Records a class and stays until interrupted.

        Raises:
            DemoError: a step failed; everything that was started has been stopped.
            KeyboardInterrupt: somebody asked to stop before the class could be replayed.
        """
        try:
            with self._stack:
                self._record_a_class()
                self._show()
                if not self._options.exit_after:
                    self._stay()
        except DemoError as error:
            self._write_report({"error": str(error), "log": str(error.log) if error.log else None})
            raise

    def _record_a_class(self) -> None:
        self._prepare_state()
        renderer = None if self._options.cameras else self._start_renderer()
        url = self._start_control_plane()
        console = self._start_console()
        addresses = self._options.cameras
        if renderer and renderer.ended() is not None:
            # An agent that knows the cameras from an earlier run finds them running and does not begin to back off.
            addresses = self._start_cameras(renderer)
        agent_id, agent = self._start_agent(console, url)
        if renderer and not addresses:
            addresses = self._start_cameras(renderer)
        self._connect(console, agent, agent_id, addresses)
        self._record(console)
        self._console = console

    def _prepare_state(self) -> None:
        try:
            self._logs.mkdir(parents=True, exist_ok=True)
            probe = self._logs / ".writable"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise DemoError(
                f"the state folder {self._state} cannot be written: {error.strerror}",
                "Give another one with --state DIR.",
            ) from error
        self._facts["state"] = str(self._state)

    def _start(self, name: str, command: tuple[str, ...], log: str, stop_s: float, **how: Any) -> Child:
        child = Child(name, command, self._logs / log, **how)
        self._stack.callback(child.stop, stop_s)
        return child

    def _start_renderer(self) -> Child:
        cache = default_cache()
        try:
            cache.mkdir(parents=True, exist_ok=True)
            usable = os.access(cache, os.W_OK)
        except OSError:
            usable = False
        if not usable:
            cache = self._state / "cache"
        # It stands back: until there is a first page, the control plane needs the processor more.
        command = (sys.executable, "-m", "deploy.demo.render", "--cache", str(cache))
        return self._start(
            "the renderer of the demo cameras", command, "demo-render.log", OTHER_STOP_S, nice=10
        )

    def _start_control_plane(self) -> str:
        with self._screen.step("starting the control plane"):
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

            found = self._wait("the control plane", facts, UP_TIMEOUT_S, child, say=child.last_line)
        self._watched.append(child)
        url = str(found["url"]).rstrip("/")
        self._facts |= {"url": url, "control_plane_steps": found.get("steps", [])}
        self._check_first_page(url, child)
        for line in tail(child.log, 50):
            if "taken" in line:
                self._screen.say(f"  {line.strip()}")
        self._screen.say(f"  the portal is at {url}")
        self._remember(port=int(url.rpartition(":")[2]))
        return url

    def _check_first_page(self, url: str, child: Child) -> None:
        try:
            with urllib.request.urlopen(f"{url}/", timeout=30) as answer:  # noqa: S310  # an address of ours
                answer.read()
        except (urllib.error.URLError, OSError) as error:
            raise DemoError(f"the first page, {url}/, does not open: {error}", log=child.log) from error
        self._facts["first_page_s"] = round(self._screen.elapsed_s(), 2)

    def _start_console(self) -> Child:
        with self._screen.step("making the studio Demo Dance"):
            command = (*CONTROL_PLANE, "manage", "--state", str(self._state), "demo_studio", "--json")
            console = self._start("the demo studio", command, "demo-studio.log", OTHER_STOP_S, talks=True)
            self._facts |= console.ask({"do": "facts"}, ANSWER_TIMEOUT_S)
        return console

    def _start_agent(self, console: Child, url: str) -> tuple[str, Child]:
        state = self._state / "agent"
        with self._screen.step("pairing an agent and starting it"):
            agent_id, known_as = _pairing(state)
            if agent_id and known_as != url:
                # The port was another's: an agent keeps to the address it was paired with.
                self._screen.say(f"  the agent knows the portal as {known_as}: pairing it anew")
                agent_id = None
            answer = console.ask({"do": "enrol", "agent_id": agent_id}, ANSWER_TIMEOUT_S)
            if answer["pairing_code"]:
                self._screen.update(f"pairing code {answer['pairing_code']}")
                self._pair(url, answer["pairing_code"], state, anew=known_as is not None)
                agent_id, _ = _pairing(state)
            if agent_id is None:
                raise DemoError(
                    f"the agent has no identity in {state} after pairing", "Remove that folder and try again."
                )
            self._agent_since_at = datetime.now(UTC).isoformat()
            agent = self._start(
                "the agent",
                (*AGENT, "run", "--state", str(state), "--text-logs"),
                "demo-agent.log",
                AGENT_STOP_S,
            )
            self._wait(
                "the agent's first word to the control plane",
                lambda: self._ask_cameras(console, agent_id)["online"],
                ONLINE_TIMEOUT_S,
                agent,
            )
        self._watched.append(agent)
        self._facts["agent_id"] = agent_id
        return agent_id, agent

    def _pair(self, url: str, code: str, state: Path, anew: bool) -> None:
        log = self._logs / "demo-pair.log"
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

    def _start_cameras(self, renderer: Child) -> dict[str, str]:
        with self._screen.step("rendering the demo cameras (once, then kept)"):

            def finished() -> bool:
                percent = renderer.last_line().partition("%")[0].strip()
                self._screen.update("", int(percent) / 100 if percent.isdigit() else None)
                return renderer.ended() is not None

            self._wait("the media of the demo cameras", finished, MEDIA_TIMEOUT_S)
            if renderer.ended():
                raise DemoError("the demo cameras could not be rendered", log=renderer.log)
            media = renderer.last_line()
        with self._screen.step("starting the demo cameras"):
            port = _free_port(self._remembered().get("camera_port", 0))
            command = (sys.executable, "-m", "deploy.demo.cameras", "--media", media, "--port", str(port))
            server = self._start("the demo cameras", command, "demo-cameras.log", OTHER_STOP_S, talks=True)
            addresses: dict[str, str] = server.read_line(30, "their addresses")["cameras"]
        self._watched.append(server)
        self._remember(camera_port=int(next(iter(addresses.values())).split(":")[2].partition("/")[0]))
        return addresses

    def _remember(self, **facts: int) -> None:
        (self._state / "demo.json").write_text(json.dumps(self._remembered() | facts) + "\n")

    def _remembered(self) -> Facts:
        try:
            read: Facts = json.loads((self._state / "demo.json").read_text())
        except (OSError, ValueError):
            return {}
        return read

    def _connect(self, console: Child, agent: Child, agent_id: str, addresses: dict[str, str]) -> None:
        with self._screen.step("connecting the cameras"):
            console.ask({"do": "set_cameras", "agent_id": agent_id, "addresses": addresses}, ANSWER_TIMEOUT_S)
            said: list[Facts] = []

            def connected() -> bool:
                answer = self._ask_cameras(console, agent_id)
                said[:] = answer["cameras"]
                self._screen.update(", ".join(f"{camera['position']} {camera['state']}" for camera in said))
                return answer["acknowledged"] and all(camera["state"] == "connected" for camera in said)

            try:
                self._wait("the cameras", connected, self._options.patience_s, agent)
            except DemoError as error:
                raise _camera_trouble(said, error) from error

    def _record(self, console: Child) -> None:
        with self._screen.step("starting a class: Ivan presses Record"):
            asked_s = time.monotonic()
            started = console.ask({"do": "record", "title": ""}, ANSWER_TIMEOUT_S)
            self._facts |= {"class_id": started["class_id"], "address": started["address"]}

            def recording() -> Facts | None:
                progress = self._progress(console)
                all_of_them = progress["cameras_recording"] >= len(self._options.cameras or CAMERAS)
                return progress if progress["state"] == "recording" and all_of_them else None

            self._wait("the class to be recorded", recording, RECORDING_TIMEOUT_S)
            self._facts["record_to_recording_s"] = round(time.monotonic() - asked_s, 2)
        with self._screen.step(f"recording for {self._options.seconds:g} s"):
            began_s = time.monotonic()

            def enough() -> bool:
                recorded_s = time.monotonic() - began_s
                progress = self._progress(console)
                self._screen.update(
                    f"{min(recorded_s, self._options.seconds):.0f} s, {progress['cameras_recording']} cameras, "
                    f"{progress['segments_arrived']} segments safe",
                    min(recorded_s / self._options.seconds, 1.0),
                )
                return recorded_s >= self._options.seconds

            self._wait("the class", enough, self._options.seconds + 60)
        with self._screen.step("uploading the rest"):
            stopped_s = time.monotonic()
            console.ask({"do": "stop", "class_id": started["class_id"]}, ANSWER_TIMEOUT_S)

            def ended() -> Facts | None:
                progress = self._progress(console)
                self._screen.update(
                    f"{progress['state_label']}: {progress['segments_arrived']} segments arrived"
                )
                return progress if progress["has_ended"] else None

            final = self._wait("the class to be complete", ended, COMPLETE_TIMEOUT_S)
            self._facts["stop_to_replayable_s"] = round(time.monotonic() - stopped_s, 2)
            self._facts["replayable_s"] = round(self._screen.elapsed_s(), 2)
        if final["state"] == "empty":
            raise DemoError("the class is empty: no segment arrived", log=self._logs / "demo-agent.log")
        self._facts |= console.ask({"do": "report", "class_id": started["class_id"]}, ANSWER_TIMEOUT_S)
        self._write_report({})

    def _ask_cameras(self, console: Child, agent_id: str) -> Facts:
        request = {"do": "cameras", "agent_id": agent_id, "since_at": self._agent_since_at}
        return console.ask(request, ANSWER_TIMEOUT_S)

    def _progress(self, console: Child) -> Facts:
        return console.ask({"do": "progress", "class_id": self._facts["class_id"]}, ANSWER_TIMEOUT_S)

    def _show(self) -> None:
        say = self._screen.say
        say()
        for camera in self._facts["cameras"]:
            gaps = len(camera["gaps"])
            clock = camera.get("clock", {})
            say(
                f"  {camera['position']:7} {camera['seconds']:6.1f} s  {camera['segments']:3d} segments  "
                f"{camera['fragments']:4d} fragments  {camera['bytes'] / 1e6:6.1f} MB  "
                f"{gaps or 'no'} {'gap' if gaps == 1 else 'gaps'}  clock ±{clock.get('error_bound_ms', 0):.0f} ms"
            )
        say()
        say(f"replay:  {self._facts['address']}", style="bold")
        self._show_links()
        if not self._options.exit_after:
            enter = "Enter prints fresh links, " if sys.stdin.isatty() else ""
            say(f"{enter}Ctrl-C stops everything; the next run finds {self._state} again.")

    def _show_links(self) -> None:
        links = self._console.ask({"do": "links"}, ANSWER_TIMEOUT_S)
        self._screen.say("sign in (each link works once, within 12 hours):")
        self._screen.say(f"  as Alice, who owns the studio:  {links['admin']}")
        self._screen.say(f"  as Ivan, who teaches:           {links['instructor']}")

    def _stay(self) -> None:
        """Watches what runs until Ctrl-C."""
        listening = sys.stdin.isatty()
        while True:
            for child in self._watched:
                child.check()
            if not listening:
                time.sleep(1)
            elif select.select([sys.stdin], [], [], 1)[0]:
                listening = bool(sys.stdin.readline())
                if listening:
                    self._show_links()

    def _wait(
        self,
        what: str,
        probe: Callable[[], T | None],
        timeout_s: float,
        child: Child | None = None,
        say: Callable[[], str] | None = None,
    ) -> T:
        """Asks `probe` until it gives something.

        Raises:
            DemoError: it did not in time, or a program that is needed ended; names it and its log.
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
                    "Read the log; where the machine is merely slow, run the same command again.",
                    child.log if child else self._logs / "demo-agent.log",
                )
            if say:
                self._screen.update(say())
            time.sleep(POLL_S)

    def _write_report(self, more: Facts) -> None:
        if self._options.report is None:
            return
        report = {
            "ok": "error" not in more,
            **more,
            **self._facts,
            "steps": [asdict(step) for step in self._screen.steps],
        }
        try:
            self._options.report.parent.mkdir(parents=True, exist_ok=True)
            self._options.report.write_text(json.dumps(report, indent=2) + "\n")
        except OSError as error:
            self._screen.say(
                f"the report {self._options.report} cannot be written: {error.strerror}", style="red"
            )


def _pairing(agent_state: Path) -> tuple[str, str] | tuple[None, None]:
    """Returns the id that a box was given at pairing and the address it knows; Nones where it is not paired."""
    try:
        paired = json.loads((agent_state / "identity" / "pairing.json").read_text())
        return str(paired["answer"]["agent_id"]), str(paired["address"]).rstrip("/")
    except (OSError, ValueError, KeyError, TypeError):
        return None, None


def _free_port(wanted: int) -> int:
    """Returns `wanted` where nobody listens there, else 0: any."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except (OSError, OverflowError):
            return 0
    return wanted


def _camera_trouble(cameras: list[Facts], error: DemoError) -> DemoError:
    """Returns the error with what is known of the cameras that are not connected."""
    troubled = [camera for camera in cameras if camera["state"] != "connected"]
    if not troubled:
        return error
    told = "; ".join(
        f"camera {camera['position']} is {camera['state']}"
        + (f" ({camera['error']}: {camera['detail']})" if camera.get("error") else "")
        for camera in troubled
    )
    hints = list(dict.fromkeys(camera["hint"] for camera in troubled if camera.get("hint")))
    return DemoError(f"{error}: {told}", " ".join(hints) or error.hint, error.log)
