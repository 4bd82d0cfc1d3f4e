"""The demo from start to stop: starts all programs, records a class, prints the address of its replay."""

import json
import select
import sys
import time
from dataclasses import asdict

from deploy.demo.errors import DemoError
from deploy.demo.options import Options
from deploy.demo.processes import DemoProcess
from deploy.demo.programs import ANSWER_TIMEOUT_S, Facts, Programs
from deploy.demo.progress_console import ProgressConsole
from tools.demo_scene.loop import CAMERAS

RECORDING_TIMEOUT_S = 60.0
COMPLETE_TIMEOUT_S = 180.0
EXPORT_TIMEOUT_S = 180.0


class Demonstration:
    """Runs once, and stops everything that it started."""

    def __init__(self, options: Options, display: ProgressConsole) -> None:
        self._options = options
        self._display = display
        self._programs = Programs(options, display)
        self._facts = self._programs.facts

    @property
    def is_replayable(self) -> bool:
        """Whether the class has been recorded and can be replayed."""
        return "replayable_s" in self._facts

    def run(self) -> None:
        """Records a class and stays until interrupted.

        Raises:
            DemoError: a step failed; everything that was started has been stopped.
            KeyboardInterrupt: the run was interrupted before the class could be replayed.
        """
        try:
            with self._programs:
                self._record_a_class()
                self._show()
                if not self._options.exit_after:
                    self._stay()
        except DemoError as error:
            self._write_report({"error": str(error), "log": str(error.log) if error.log else None})
            raise

    def _record_a_class(self) -> None:
        self._programs.prepare_state()
        renderer = None if self._options.cameras else self._programs.start_renderer()
        url = self._programs.start_control_plane()
        console = self._programs.start_console()
        addresses = self._options.cameras
        if renderer and renderer.exit_code() is not None:
            # An agent that knows the cameras from an earlier run then finds them running and does not back off.
            addresses = self._programs.start_cameras(renderer)
        agent_id, agent = self._programs.start_agent(console, url)
        if renderer and not addresses:
            addresses = self._programs.start_cameras(renderer)
        self._connect(console, agent, agent_id, addresses)
        self._record(console)
        self._console = console

    def _connect(
        self, console: DemoProcess, agent: DemoProcess, agent_id: str, addresses: dict[str, str]
    ) -> None:
        with self._display.step("connecting the cameras"):
            console.ask({"do": "set_cameras", "agent_id": agent_id, "addresses": addresses}, ANSWER_TIMEOUT_S)
            last_reports: dict[str, Facts] = {}

            def connected() -> bool:
                answer = self._programs.ask_cameras(console, agent_id)
                cameras = answer["cameras"]
                self._display.update(
                    ", ".join(f"{camera['position']} {camera['state']}" for camera in cameras)
                )
                for camera in cameras:
                    # Between two attempts a camera is "connecting" without a reason: keep the last reason.
                    known = last_reports.setdefault(camera["position"], camera)
                    if camera["state"] == "connected" or camera.get("error"):
                        known.update(camera)
                return answer["acknowledged"] and all(camera["state"] == "connected" for camera in cameras)

            try:
                self._programs.wait("the cameras", connected, self._options.patience_s, agent)
            except DemoError as error:
                raise _camera_error(list(last_reports.values()), error) from error

    def _record(self, console: DemoProcess) -> None:
        with self._display.step("starting a class: Ivan presses Record"):
            asked_s = time.monotonic()
            started = console.ask({"do": "record", "title": ""}, ANSWER_TIMEOUT_S)
            self._facts |= {"class_id": started["class_id"], "address": started["address"]}

            def recording() -> Facts | None:
                progress = self._progress(console)
                all_of_them = progress["cameras_recording"] >= len(self._options.cameras or CAMERAS)
                return progress if progress["state"] == "recording" and all_of_them else None

            self._programs.wait("the class to be recorded", recording, RECORDING_TIMEOUT_S)
            self._facts["record_to_recording_s"] = round(time.monotonic() - asked_s, 2)
        with self._display.step(f"recording for {self._options.seconds:g} s"):
            began_s = time.monotonic()

            def enough() -> bool:
                recorded_s = time.monotonic() - began_s
                progress = self._progress(console)
                self._display.update(
                    f"{min(recorded_s, self._options.seconds):.0f} s, {progress['cameras_recording']} cameras, "
                    f"{progress['segments_arrived']} segments stored",
                    min(recorded_s / self._options.seconds, 1.0),
                )
                return recorded_s >= self._options.seconds

            self._programs.wait("the class", enough, self._options.seconds + 60)
        with self._display.step("uploading the rest"):
            stopped_s = time.monotonic()
            console.ask({"do": "stop", "class_id": started["class_id"]}, ANSWER_TIMEOUT_S)

            def ended() -> Facts | None:
                progress = self._progress(console)
                self._display.update(
                    f"{progress['state_label']}: {progress['segments_arrived']} segments arrived"
                )
                return progress if progress["has_ended"] else None

            final = self._programs.wait("the class to be complete", ended, COMPLETE_TIMEOUT_S)
            self._facts["stop_to_replayable_s"] = round(time.monotonic() - stopped_s, 2)
            self._facts["replayable_s"] = round(self._display.elapsed_s(), 2)
        if final["state"] == "empty":
            raise DemoError(
                "the class is empty: no segment arrived", log=self._programs.logs / "demo-agent.log"
            )
        self._facts |= console.ask({"do": "report", "class_id": started["class_id"]}, ANSWER_TIMEOUT_S)
        with self._display.step("sharing the class: Alice confirms the roster and makes a link"):
            self._facts |= console.ask({"do": "share", "class_id": started["class_id"]}, ANSWER_TIMEOUT_S)
            self._facts |= console.ask({"do": "keep", "class_id": started["class_id"]}, ANSWER_TIMEOUT_S)
        with self._display.step("exporting the class: one film per camera"):
            self._export(console, started["class_id"])
        self._write_report({})

    def _export(self, console: DemoProcess, class_id: str) -> None:
        asked = console.ask({"do": "export", "class_id": class_id}, ANSWER_TIMEOUT_S)
        request = {"do": "export_progress", "export_id": asked["export_id"]}

        def written() -> bool:
            progress = console.ask(request, ANSWER_TIMEOUT_S)
            self._display.update(f"{progress['percent']} %", progress["percent"] / 100)
            if progress["failure"]:
                raise DemoError(f"the export was not written: {progress['failure']}")
            return not progress["is_open"]

        self._programs.wait("the export", written, EXPORT_TIMEOUT_S)
        folder = str(self._options.state / "exports")
        save = {"do": "save_export", "export_id": asked["export_id"], "folder": folder}
        self._facts |= console.ask(save, EXPORT_TIMEOUT_S)

    def _progress(self, console: DemoProcess) -> Facts:
        return console.ask({"do": "progress", "class_id": self._facts["class_id"]}, ANSWER_TIMEOUT_S)

    def _show(self) -> None:
        say = self._display.say
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
        share, consent = self._facts["share"], self._facts["consent"]
        say(f"shared:  {share['address']}  PIN {share['pin']}", style="bold")
        say(f"consent to sharing: {consent['given']} dancers, {consent['missing']} missing")
        export, retention = self._facts["export"], self._facts["retention"]
        say(f"export:  {export['path']}  {len(export['files'])} files, {export['bytes'] / 1e6:.1f} MB")
        say(
            f"kept for {retention['rule']['days']} days; the next deletion looks at {retention['next_run_at']}"
        )
        self._show_links()
        if not self._options.exit_after:
            enter = "Enter prints fresh links, " if sys.stdin.isatty() else ""
            say(f"{enter}Ctrl-C stops everything; the next run finds {self._options.state} again.")

    def _show_links(self) -> None:
        links = self._console.ask({"do": "links"}, ANSWER_TIMEOUT_S)
        self._display.say("sign in (each link works once, within 12 hours):")
        self._display.say(f"  as Alice, who owns the studio:  {links['admin']}")
        self._display.say(f"  as Ivan, who teaches:           {links['instructor']}")
        self._display.say(f"  as Gita, mother of a dancer:    {links['guardian']}")

    def _stay(self) -> None:
        """Checks the programs until Ctrl-C."""
        listening = sys.stdin.isatty()
        while True:
            self._programs.check()
            if not listening:
                time.sleep(1)
            elif select.select([sys.stdin], [], [], 1)[0]:
                listening = bool(sys.stdin.readline())
                if listening:
                    self._show_links()

    def _write_report(self, more: Facts) -> None:
        if self._options.report is None:
            return
        report = {
            "ok": "error" not in more,
            **more,
            **self._facts,
            "steps": [asdict(step) for step in self._display.steps],
        }
        try:
            self._options.report.parent.mkdir(parents=True, exist_ok=True)
            self._options.report.write_text(json.dumps(report, indent=2) + "\n")
        except OSError as error:
            self._display.say(
                f"the report {self._options.report} cannot be written: {error.strerror}", style="red"
            )


def _camera_error(cameras: list[Facts], error: DemoError) -> DemoError:
    """Returns the error with the state of each camera that is not connected."""
    failing = [camera for camera in cameras if camera["state"] != "connected"]
    if not failing:
        return error
    states = "; ".join(
        f"camera {camera['position']} is {camera['state']}"
        + (f" ({camera['error']}: {camera['detail']})" if camera.get("error") else "")
        for camera in failing
    )
    hints = list(dict.fromkeys(camera["hint"] for camera in failing if camera.get("hint")))
    return DemoError(f"{error}: {states}", " ".join(hints) or error.hint, error.log)
