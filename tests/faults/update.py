"""A computer from version to version: the real package, dpkg and its scripts, the real control plane, kills in between.

The computer is a throw-away copy of this system (an overlay in a mount namespace of its own). Only systemd
is played: its three units by the loop below, and `systemctl` in the package's scripts by a program that notes what is asked.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from deploy.agent.package import build
from deploy.agent.releases import Keys, ReleaseFolder, make_keys
from deploy.demo.processes import DemoProcess
from edge_agent.update.handover import Outcome, read_outcome

ROOT = Path(__file__).resolve().parents[2]
CONTROL_PLANE = (sys.executable, "-c", "from launcher.cli import main; main()")
STATE, RECORD = "var/lib/threedance-agent", "var/lib/threedance-agent-update"
SYSTEMCTL = """#!/bin/sh
echo "$@" >> /run/systemctl.log
case "$*" in restart*threedance-agent.service) touch /run/restart-agent;; esac
"""
CLEAN = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
KILLS = 2
RIGHTS = ("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all,+chown,+dac_override,+fowner")
"""Capabilities that the unit leaves to root, so that the test shows they suffice."""


def run() -> int:
    """Takes an agent to a newer version and back from one that does not start; returns how many of both went wrong."""
    if os.geteuid() != 0 or shutil.which("dpkg") is None:
        print("update: not run: it needs root and dpkg, for a copy of this system that is thrown away")
        return 0
    # Removed out here, where the mounts of the copied system, and what lies beneath them, do not exist.
    with tempfile.TemporaryDirectory(prefix="update-") as folder:
        space = ["unshare", "--mount", "--propagation", "private"]
        command = [*space, sys.executable, "-m", "tests.faults.update", folder]
        return subprocess.run(command, cwd=ROOT, check=False, timeout=3600).returncode


class Units:
    """The three units of the package, and the power."""

    def __init__(self, system: Path, log: Path) -> None:
        self._system = system
        self._log = log
        self._agent: subprocess.Popen[bytes] | None = None
        self._updater: subprocess.Popen[bytes] | None = None
        self._start_at_s = 0.0
        self.starts = 0

    def turn(self) -> None:
        """Does what systemd would do by now."""
        restart = self._system / "run/restart-agent"
        if restart.exists():
            restart.unlink()
            self._end(self._agent, signal.SIGTERM)
        if self._agent is not None and self._agent.poll() is not None:
            self._agent, self._start_at_s = None, time.monotonic() + 1
        if self._agent is None and time.monotonic() >= self._start_at_s:
            self._agent = self._start(
                "--userspec=threedance-agent:threedance-agent", "threedance-agent", "run"
            )
            self.starts += 1
        if self._updater is not None and (status := self._updater.poll()) is not None:
            self._updater = None
            if status:
                self._update()
        if self._updater is None and os.path.lexists(self._system / STATE / "update/request"):
            self._update()

    def cut(self) -> None:
        """Takes the power away from everything and boots."""
        for process in (self._agent, self._updater):
            self._end(process, signal.SIGKILL)
        self._agent = self._updater = None
        self._start_at_s = 0.0
        self._update()

    def stop(self) -> None:
        """Ends both."""
        for process in (self._agent, self._updater):
            self._end(process, signal.SIGKILL)

    def _update(self) -> None:
        self._updater = self._start(*RIGHTS, "/usr/libexec/threedance-agent-update")

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                ["chroot", *in_system(self._system, *command)],
                env=CLEAN,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @staticmethod
    def _end(process: subprocess.Popen[bytes] | None, number: int) -> None:
        if process is None or process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(45)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def in_system(system: Path, *command: str) -> list[str]:
    """Returns the arguments of chroot for a command in the copied system."""
    options = [one for one in command if one.startswith("--userspec")]
    return [*options, str(system), *(one for one in command if one not in options)]


def copy_of_system(folder: Path) -> Path:
    """Returns a copy of this system's files; what is written to it goes with the mount namespace."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], check=True, timeout=30)
    for name in ("upper", "work", "system"):
        (folder / name).mkdir()
    layers = f"lowerdir=/,upperdir={folder / 'upper'},workdir={folder / 'work'}"
    system = folder / "system"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(system)], check=True, timeout=30)
    for name in ("proc", "dev"):
        subprocess.run(["mount", "--rbind", f"/{name}", str(system / name)], check=True, timeout=30)
    (system / "run/systemd/system").mkdir(parents=True, exist_ok=True)
    (system / "usr/local/bin/systemctl").write_text(SYSTEMCTL)
    (system / "usr/local/bin/systemctl").chmod(0o755)
    return system


def enter(system: Path, *command: str) -> str:
    """Runs a command in the copied system and returns what it printed."""
    done = subprocess.run(
        ["chroot", *in_system(system, *command)],
        env=CLEAN,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def variant(package: Path, version: str, *, broken: bool = False) -> Path:
    """Returns the package as another version; a `broken` one ends as soon as it starts."""
    tree, made = package.parent / f"tree-{version}", package.parent / f"threedance-agent_{version}.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", str(package), str(tree)], check=True, timeout=300)
    library, control = tree / "usr/lib/threedance-agent", tree / "DEBIAN/control"
    lines = [
        f"Version: {version}" if line.startswith("Version:") else line
        for line in control.read_text().splitlines()
    ]
    control.write_text("\n".join(lines) + "\n")
    change(library / "shared/__init__.py", lambda text: text.replace('"0.1.0"', f'"{version}"'))
    if broken:
        change(library / "edge_agent/__main__.py", lambda text: text + '\nraise SystemExit("broken")\n')
        change(library / "edge_agent/cli/run.py", lambda text: text + '\nraise SystemExit("broken")\n')
    pack = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(tree), str(made)]
    subprocess.run(pack, check=True, stdout=subprocess.DEVNULL, timeout=300)
    shutil.rmtree(tree)
    return made


def change(module: Path, how: Callable[[str], str]) -> None:
    """Changes a module of a package, whose compiled form would be believed instead."""
    before = module.read_text()
    assert how(before) != before
    module.write_text(how(before))
    for compiled in (module.parent / "__pycache__").glob(f"{module.stem}.*"):
        compiled.unlink()


def until(units: Units, done: Callable[[], bool], what: str, timeout_s: float) -> float:
    """Plays systemd until `done`, and returns how many seconds that took."""
    began_s = time.monotonic()
    while not done():
        if time.monotonic() - began_s > timeout_s:
            raise TimeoutError(f"{what}: not within {timeout_s:.0f} s")
        units.turn()
        time.sleep(0.1)
    return time.monotonic() - began_s


def measure(folder: Path) -> int:
    """Does it all in `folder`, prints, and returns what went wrong."""
    keys, shelf = folder / "keys", folder / "releases"
    began_s = time.monotonic()
    package = build(folder / "dist", root=make_keys(keys))
    print(f"built {package.stat().st_size / 1e6:.0f} MB in {time.monotonic() - began_s:.0f} s", flush=True)
    (shelf / "metadata").mkdir(parents=True)
    for name in [name for name in os.environ if name.startswith(("THREEDANCE_", "DJANGO_"))]:
        del os.environ[name]
    with contextlib.ExitStack() as stack:
        arguments = ["up", "--state", str(folder / "state"), "--port", "0"]
        up = DemoProcess(
            "control plane", [*CONTROL_PLANE, *arguments], folder / "up.log",
            environment={"THREEDANCE_RELEASES": str(shelf)},
        )  # fmt: skip
        stack.callback(up.stop, 60)
        facts, deadline_s = folder / "state/run/control-plane.json", time.monotonic() + 120
        while not facts.is_file():
            up.check()
            if time.monotonic() > deadline_s:
                raise TimeoutError("the control plane does not come up")
            time.sleep(0.2)
        console = DemoProcess(
            "console", [*CONTROL_PLANE, "manage", "--state", str(folder / "state"), "demo_studio", "--json"],
            folder / "console.log", has_pipes=True,
        )  # fmt: skip
        stack.callback(console.stop, 10)
        code = console.ask({"do": "enrol", "agent_id": None}, 60)["pairing_code"]
        (folder / "computer").mkdir()
        system = copy_of_system(folder / "computer")
        shutil.copy(package, system / "first.deb")
        enter(system, "dpkg", "--install", "/first.deb")
        for name, mode, owner in ((STATE, 0o700, "threedance-agent"), (RECORD, 0o755, "root")):
            (system / name).mkdir(mode=mode)
            enter(system, "chown", f"{owner}:{owner}", f"/{name}")
        user = "--userspec=threedance-agent:threedance-agent"
        enter(system, user, "threedance-agent", "pair", json.loads(facts.read_text())["url"], code)
        units = Units(system, folder / "computer.log")
        stack.callback(units.stop)
        return forwards(system, units, package, shelf, keys) + back(system, units, package, shelf, keys)


def forwards(system: Path, units: Units, package: Path, shelf: Path, keys: Path) -> int:
    """To 0.2.0, with the power going while dpkg works and while the new version is on trial."""
    (system / "run/restart-agent").unlink(missing_ok=True)
    until(units, lambda: (system / STATE / "update/heard").is_file(), "the first heartbeat", 120)
    ReleaseFolder(shelf, Keys(keys)).publish(variant(package, "0.2.0"))
    units.cut()
    journal = system / RECORD / "journal.json"
    found_s = until(units, journal.is_file, "the update", 400)
    print(f"0.2.0 found, downloaded, verified twice and the way back packed in {found_s:.0f} s", flush=True)
    began_s = time.monotonic()
    for number in range(KILLS):
        time.sleep(1.5 * number + 0.5)
        if journal.is_file():
            units.cut()
    until(units, lambda: not journal.exists(), "the end of the update", 400)
    return told(system, units, "installed", "0.2.0", time.monotonic() - began_s)


def back(system: Path, units: Units, package: Path, shelf: Path, keys: Path) -> int:
    """To 0.3.0, which does not start, and back."""
    ReleaseFolder(shelf, Keys(keys)).publish(variant(package, "0.3.0", broken=True))
    journal = system / RECORD / "journal.json"
    until(units, journal.is_file, "the update", 400)
    began_s = time.monotonic()
    until(units, lambda: not journal.exists(), "the way back", 900)
    return told(system, units, "rolled back", "0.2.0", time.monotonic() - began_s)


def told(system: Path, units: Units, outcome: str, version: str, took_s: float) -> int:
    """Prints how an update ended and returns whether it was wrong."""
    last: Outcome | None = read_outcome(system / RECORD)
    package = enter(
        system, "dpkg-query", "--showformat", "${Version} ${db:Status-Status}", "--show", "threedance-agent"
    )
    status: list[str] = []

    def runs() -> bool:
        with contextlib.suppress(RuntimeError):
            status[:] = [json.loads(enter(system, "threedance-agent", "status", "--json"))["agent_version"]]
        return status == [version] and (system / STATE / "update/heard").read_text().strip() == version

    again_s = until(units, runs, f"{version} running and heard", 120)
    said = last.summary if last else "nothing is known of it"
    print(f"{said}: {took_s:.0f} s, {package}, runs {again_s:.0f} s later, {units.starts} starts", flush=True)
    return int(last is None or last.outcome != outcome or package != f"{version} installed")


def main() -> None:
    """The part that runs in the mount namespace."""
    os.umask(0o022)
    folder = Path(sys.argv[1])
    folder.chmod(0o711)
    try:
        sys.exit(measure(folder))
    except Exception:
        for log in folder.glob("*.log"):
            print(f"--- {log.name}\n{log.read_text()[-3000:]}")
        raise


if __name__ == "__main__":
    main()
