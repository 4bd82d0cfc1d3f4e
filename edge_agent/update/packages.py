"""dpkg as updates use it."""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAME = "threedance-agent"
TIMEOUT_S = 900.0
SCRATCH = "repack-"
LOCAL = ("Status", "Conffiles", "Config-Version")
"""Fields that dpkg adds to a package's own."""


class PackageFailed(Exception):
    """dpkg failed; the message is the end of its output."""


class PackagesBusy(PackageFailed):
    """Another program holds dpkg's lock."""


@dataclass(frozen=True)
class Installed:
    """The installed version of our package. `is_complete` is False after an interrupted installation."""

    version: str
    is_complete: bool


@dataclass(frozen=True)
class Described:
    """The metadata of a package file."""

    name: str
    version: str
    architecture: str


class Packages:
    """dpkg, for one package.

    Args:
        name: the package; a file that holds another one is never installed.
        root: where the system is; a test has its own beneath a folder.
        options: for every change, such as those that let a test do without root.
    """

    def __init__(self, name: str = NAME, *, root: Path = Path("/"), options: Sequence[str] = ()) -> None:
        self.name = name
        self._root = root
        self._options = [*([] if root == Path("/") else [f"--root={root}"]), *options]

    def installed(self) -> Installed | None:
        """Returns what is installed, None where nothing is."""
        asked = self._run(
            "dpkg-query", "--showformat", "${Version}\n${db:Status-Status}", "--show", self.name, fine=(0, 1)
        )
        version, _, state = asked.partition("\n")
        return Installed(version, state == "installed") if version else None

    def architecture(self) -> str:
        """Returns the kind of machine whose packages are installed."""
        return self._run("dpkg", "--print-architecture").strip()

    def describe(self, package: Path) -> Described:
        """Returns the metadata of a package file.

        Raises:
            PackageFailed: it is not a package.
        """
        fields = [
            self._run("dpkg-deb", "--field", str(package), field, rooted=False).strip()
            for field in ("Package", "Version", "Architecture")
        ]
        return Described(*fields)

    def install(self, package: Path) -> None:
        """Installs a package file, newer or older; repeatable after an interrupted installation.

        Raises:
            PackagesBusy: another program changes packages.
            PackageFailed: it failed. Installed is the old package, the new one, or parts of both.
        """
        self._run("dpkg", *self._options, "--install", str(package))

    def repack(self, into: Path) -> None:
        """Builds a package file from the installed files, because the original file is not kept.

        Raises:
            PackageFailed: it cannot be built.
        """
        for left in into.parent.glob(f"{SCRATCH}*"):
            # Left by a power cut: its hard links would keep all files of that version.
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=into.parent, prefix=SCRATCH) as scratch:
            tree = Path(scratch) / self.name
            tree.mkdir(mode=0o755)
            for line in self._run("dpkg-query", "--listfiles", self.name).splitlines():
                _copy(self._root / line.lstrip("/"), tree / line.lstrip("/"))
            control = tree / "DEBIAN"
            control.mkdir(mode=0o755)
            (control / "control").write_text(_own(self._run("dpkg-query", "--status", self.name)))
            for script in self._run("dpkg-query", "--control-list", self.name).split():
                if script.endswith(("inst", "rm")):
                    (control / script).write_text(
                        self._run("dpkg-query", "--control-show", self.name, script)
                    )
                    (control / script).chmod(0o755)
            # Kept for minutes only, so compressed fast rather than well.
            packing = ("-Zgzip", "-z1", "--build", str(tree), str(into))
            self._run("dpkg-deb", "--root-owner-group", *packing, rooted=False)

    def _run(self, program: str, *arguments: str, fine: tuple[int, ...] = (0,), rooted: bool = True) -> str:
        if rooted and program == "dpkg-query" and self._root != Path("/"):
            arguments = (f"--admindir={self._root}/var/lib/dpkg", *arguments)
        try:
            done = subprocess.run(
                [program, *arguments],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_S,
                check=False,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PackageFailed(f"{program}: {error}") from error
        if done.returncode in fine:
            return done.stdout
        said = " ".join(done.stderr.split())[-300:] or f"status {done.returncode}"
        if "lock was locked by another process" in done.stderr:
            raise PackagesBusy(said)
        raise PackageFailed(f"{program}: {said}")


def is_newer(version: str, than: str) -> bool:
    """Returns whether one version comes after another, as dpkg counts."""
    asked = ["dpkg", "--compare-versions", version, "gt", than]
    return subprocess.run(asked, check=False, timeout=30, capture_output=True).returncode == 0


def _own(status: str) -> str:
    """Returns the fields of a package out of those that dpkg keeps of it."""
    kept, keep = [], True
    for line in status.splitlines():
        if not line.startswith((" ", "\t")):
            keep = line.partition(":")[0] not in LOCAL
        if keep and line:
            kept.append(line)
    return "\n".join(kept) + "\n"


def _copy(source: Path, target: Path) -> None:
    mode = source.lstat().st_mode
    if stat.S_ISDIR(mode):
        target.mkdir(exist_ok=True)
        target.chmod(stat.S_IMODE(mode))
    elif stat.S_ISLNK(mode):
        target.symlink_to(source.readlink())
    else:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)
