"""A small system with a dpkg of its own, packages for it, and a folder of signed releases."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from deploy.agent.releases import Keys, ReleaseFolder, make_keys
from edge_agent.files import FILES, Files
from edge_agent.update.handover import (
    FOLDER,
    HEARD,
    METADATA,
    PACKAGE,
    REQUEST,
    HandoverFolder,
    Outcome,
    read_outcome,
)
from edge_agent.update.install import Installer
from edge_agent.update.journal import Record
from edge_agent.update.packages import Packages
from edge_agent.update.release import Releases
from edge_agent.update.trust import Trust
from edge_agent.update.verify import UpdateStarter
from tests.edge_agent.update.release_folder import ShelfFetcher

ROOT = Path(__file__).resolve().parents[3]
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
HEARD_S, MUTE_S = 100.0, 2.0
"""By the clock of the installer: ten seconds of ours for an agent that has to start first, and a fifth of one for one that
says nothing whenever it starts."""
OPTIONS = ("--force-script-chrootless", "--force-not-root", "--force-depends", "--force-unsafe-io")

# The agent of these packages: it says that it runs and, unless it is mute, that it was heard; then it stays.
AGENT = """#!/bin/sh
echo {version} > "$1/running"
if {heard}; then echo {version} > "$1/{folder}/.heard" && mv "$1/{folder}/.heard" "$1/{folder}/{name}"; fi
exec sleep 600
"""
# Every script of the package can be told to take dpkg down with it, once, at that very moment.
SCRIPT = """#!/bin/sh
state="$DPKG_ROOT/var/lib/threedance-agent"
if [ -f "$state/cut-{script}-{version}" ]; then rm "$state/cut-{script}-{version}"; kill -9 $PPID; exit 1; fi
"""
RESTART = """if [ "$1" = configure ]; then
    if [ -f "$state/pid" ]; then kill "$(cat "$state/pid")" 2>/dev/null; fi
    "$DPKG_ROOT/usr/bin/threedance-agent" "$state" > /dev/null 2>&1 < /dev/null &
    echo $! > "$state/pid"
fi
"""


def architecture() -> str:
    """Returns the kind of this machine."""
    asked = ["dpkg", "--print-architecture"]
    return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def make_package(
    into: Path,
    version: str,
    *,
    mute: bool = False,
    name: str = "threedance-agent",
    of: str = "",
    padding: bytes = b"",
) -> Path:
    """Returns a package of a small agent; a `mute` one is never heard of."""
    tree = into / f"tree-{version}"
    share, control = tree / "usr/share/threedance-agent", tree / "DEBIAN"
    for folder in (tree / "usr/bin", share, control):
        folder.mkdir(parents=True)
    program = AGENT.format(version=version, heard="false" if mute else "true", folder=FOLDER, name=HEARD)
    (tree / "usr/bin/threedance-agent").write_text(program)
    (tree / "usr/bin/threedance-agent").chmod(0o755)
    (share / "root.json").write_text("{}")
    (share / "version").write_text(version)
    (share / f"only-in-{version}").write_bytes(padding)
    (control / "control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: {of or architecture()}\n"
        f"Maintainer: nobody <nobody@invalid>\nDepends: {PYTHON}\nDescription: a test\n"
    )
    for script in ("preinst", "postinst", "prerm", "postrm"):
        text = SCRIPT.format(script=script, version=version) + (RESTART if script == "postinst" else "")
        (control / script).write_text(text + "exit 0\n")
        (control / script).chmod(0o755)
    package = into / f"{name}_{version}.deb"
    subprocess.run(
        ["dpkg-deb", "-Znone", "--build", str(tree), str(package)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    shutil.rmtree(tree)
    return package


class System:
    """A computer with an agent: dpkg beneath a folder, the agent's state, root's record, and a shelf of releases."""

    def __init__(self, folder: Path, *, made: bool = False) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.state = self.root / "var/lib/threedance-agent"
        self.record = self.root / "var/lib/threedance-agent-update"
        self.shelf = folder / "releases"
        self.keys = folder / "keys"
        self.packages = Packages(root=self.root, options=OPTIONS)
        self.handed = HandoverFolder(self.state)
        self.later_s = 0.0
        """How much later it is for root's half than it is."""
        self._child: subprocess.Popen[bytes] | None = None
        if made:
            return
        (self.root / "var/lib/dpkg/info").mkdir(parents=True)
        (self.root / "var/lib/dpkg/updates").mkdir()
        (self.root / "var/lib/dpkg/status").touch()
        (self.state / FOLDER).mkdir(parents=True)
        self.record.mkdir()
        make_keys(self.keys)

    def copy(self, folder: Path) -> "System":
        """Returns a copy of this computer that nothing runs on."""
        shutil.copytree(self.root, folder / "root", symlinks=True)
        (folder / "keys").symlink_to(self.keys)
        copied = System(folder, made=True)
        (copied.state / "pid").unlink(missing_ok=True)
        return copied

    @property
    def trust(self) -> Trust:
        """The key that the installed package trusts."""
        return Trust((self.keys / "root.json").read_bytes(), f"{architecture()}/{PYTHON}")

    def install(self, version: str) -> None:
        """Installs a version by hand."""
        self.packages.install(make_package(self.folder, version))

    def publish(self, package: Path) -> None:
        """Signs a package as the newest."""
        ReleaseFolder(self.shelf, Keys(self.keys)).publish(package)

    def download(self) -> None:
        """Does what the agent does before it asks."""
        folder = self.state / FOLDER
        (folder / METADATA).mkdir(exist_ok=True)
        releases = Releases(self.trust, folder / METADATA, ShelfFetcher(self.shelf))
        release = releases.newest()
        assert release is not None
        releases.fetch(release, folder / PACKAGE)

    def ask(self) -> None:
        """Asks as the agent does."""
        (self.state / FOLDER / REQUEST).write_text("1\n")

    def handed_has(self, name: str) -> bool:
        """Returns whether anything of that name lies in the agent's folder."""
        return os.path.lexists(self.state / FOLDER / name)

    def take(self, files: Files = FILES, packages: Packages | None = None) -> bool:
        """Runs root's first step."""
        record = Record(self.record, files=files, now_s=self.now_s)
        return UpdateStarter(record, packages or self.packages, self.handed, self.trust).start()

    def go_on(
        self, files: Files = FILES, packages: Packages | None = None, *, heard_within_s: float = HEARD_S
    ) -> None:
        """Runs root's second step to its end."""
        record = Record(self.record, files=files, now_s=self.now_s)
        self.installer(record, packages, heard_within_s=heard_within_s).run()

    def installer(
        self, record: Record, packages: Packages | None = None, *, heard_within_s: float
    ) -> Installer:
        """Returns root's second step."""
        clock = iter(range(10**6))
        # Each look is a tenth of a second of the clock, and a hundredth of ours.
        return Installer(
            record,
            packages or self.packages,
            self.handed,
            heard_within_s=heard_within_s,
            sleep=lambda _: _pause(),
            monotonic_s=lambda: next(clock) / 10,
        )

    def now_s(self) -> float:
        """Returns the time by the machine's clock, in seconds since 1970."""
        return time.time() + self.later_s

    def boot(self) -> None:
        """Starts what a boot would start: the agent that lies there, where it is whole enough to start."""
        self.stop()
        program = self.root / "usr/bin/threedance-agent"
        if program.is_file():
            started = subprocess.Popen(
                [str(program), str(self.state)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            (self.state / "pid").write_text(str(started.pid))
            self._child = started

    def stop(self) -> None:
        """Ends the agent."""
        pid = self.state / "pid"
        if pid.is_file():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGKILL)
            pid.unlink()
        if self._child is not None:
            self._child.wait(10)
            self._child = None

    def version(self) -> str:
        """Returns the version that is installed, whole: its files are its own, and nothing of another is left."""
        installed = self.packages.installed()
        assert installed is not None
        assert installed.is_complete
        share = self.root / "usr/share/threedance-agent"
        assert (share / "version").read_text() == installed.version
        assert [path.name for path in share.glob("only-in-*")] == [f"only-in-{installed.version}"]
        return installed.version

    def running(self) -> str:
        """Returns the version that said last that it runs, once its process is known to live."""
        os.kill(int((self.state / "pid").read_text()), 0)
        for _ in range(500):
            if (self.state / "running").is_file() and (text := (self.state / "running").read_text().strip()):
                return text
            _pause()
        raise AssertionError("no agent has come up")

    def outcome(self) -> Outcome:
        """Returns how the last update ended."""
        outcome = read_outcome(self.record)
        assert outcome is not None
        return outcome


def _pause() -> None:
    threading.Event().wait(0.01)
