"""Builds the Debian package of the agent from an environment's lock.

The package carries its own libraries under `/usr/lib/threedance-agent` and uses the system's Python of the version that
built it. It changes nothing that other packages install.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.agent.releases import platform_of
from shared import __version__

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NAME = "threedance-agent"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
OURS = ("edge_agent", "shared")

LAUNCHER = f"""#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
: "${{THREEDANCE_AGENT_STATE:=/var/lib/{NAME}}}"
THREEDANCE_AGENT_TRUST="$here/../share/{NAME}"
THREEDANCE_AGENT_RECORD=/var/lib/{NAME}-update
export THREEDANCE_AGENT_STATE THREEDANCE_AGENT_TRUST THREEDANCE_AGENT_RECORD
PYTHONPATH="$here/../lib/{NAME}" PYTHONDONTWRITEBYTECODE=1 exec {PYTHON} -P -s -m edge_agent "$@"
"""
UPDATER = f"""#!/bin/sh
export PYTHONDONTWRITEBYTECODE=1
export THREEDANCE_AGENT_STATE=/var/lib/{NAME} THREEDANCE_AGENT_RECORD=/var/lib/{NAME}-update
export THREEDANCE_AGENT_TRUST=/usr/share/{NAME}
kept=$THREEDANCE_AGENT_RECORD/runner.zip
if [ -f "$THREEDANCE_AGENT_RECORD/journal.json" ] && [ -f "$kept" ]; then
    # An update is in progress: the files in /usr may be incomplete.
    PYTHONPATH="$kept" exec {PYTHON} -P -s -m edge_agent.update.install \\
        "$THREEDANCE_AGENT_RECORD" "$THREEDANCE_AGENT_STATE"
fi
PYTHONPATH=/usr/lib/{NAME} exec {PYTHON} -P -s -m edge_agent.update
"""
CONTROL = """Package: {name}
Version: {version}
Architecture: {architecture}
Maintainer: The 3Dance authors <noreply@invalid>
Section: video
Priority: optional
Depends: {python}, ca-certificates, tzdata
Recommends: systemd (>= 250)
Installed-Size: {size_kib}
Description: records the cameras of a dance room for a 3Dance control plane
 Captures three fixed cameras in sync, encrypts before anything touches the disk, survives outages and uploads.
"""
AFTER_INSTALL = """#!/bin/sh
set -e
if [ "$1" = configure ] && [ -z "$DPKG_ROOT" ] && command -v systemd-sysusers >/dev/null; then
    systemd-sysusers threedance-agent.conf
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        systemctl enable threedance-agent.service threedance-agent-update.service
        systemctl enable --now threedance-agent-update.path
        systemctl restart --no-block threedance-agent.service
    fi
fi
"""
BEFORE_REMOVAL = """#!/bin/sh
set -e
if [ "$1" = remove ] && [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
    systemctl disable --now threedance-agent-update.path threedance-agent.service
    systemctl disable threedance-agent-update.service
fi
"""
"""The state folder with its recordings is never removed, not even by a purge."""


def build(into: Path, *, root: Path | None = None) -> Path:
    """Builds the package in `into` and returns it. `root`: a `root.json` with keys of releases; None: no updates."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / NAME
        _libraries(tree / "usr" / "lib" / NAME)
        _put(tree / "usr" / "bin" / NAME, LAUNCHER, mode=0o755)
        _put(tree / "usr/libexec" / f"{NAME}-update", UPDATER, mode=0o755)
        for unit in (f"{NAME}.service", f"{NAME}-update.service", f"{NAME}-update.path"):
            _put(tree / "usr/lib/systemd/system" / unit, (HERE / unit).read_text())
        _put(tree / "usr/share" / NAME / "platform", platform_of(_architecture(), PYTHON))
        if root is not None:
            _put(tree / "usr/share" / NAME / "root.json", root.read_text())
        _put(tree / "usr/lib/sysusers.d" / f"{NAME}.conf", (HERE / f"{NAME}.sysusers").read_text())
        for text in ("LICENSE", "NOTICE"):
            _put(tree / "usr/share/doc" / NAME / text, (ROOT / text).read_text())
        _put(tree / "DEBIAN" / "control", _control(tree))
        _put(tree / "DEBIAN" / "postinst", AFTER_INSTALL, mode=0o755)
        _put(tree / "DEBIAN" / "prerm", BEFORE_REMOVAL, mode=0o755)
        _smoke_test(tree)
        into.mkdir(parents=True, exist_ok=True)
        package = into / f"{NAME}_{__version__}_{_architecture()}.deb"
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(tree), str(package)],
            check=True,
            timeout=600,
            stdout=subprocess.DEVNULL,
        )
        return package


def _libraries(folder: Path) -> None:
    lock = ROOT / "deploy" / "locks" / "agent.txt"
    command = ["uv", "pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder)]
    subprocess.run(
        [*command, "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(lock)],
        check=True,
        timeout=600,
    )
    for package in OURS:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(folder / "bin", ignore_errors=True)
    _compile(folder)


def _compile(folder: Path) -> None:
    """Compiles each module: nothing is written there later, and each start would compile all of them again. The bytecode is
    not checked against the source, because only the package changes either."""
    done = subprocess.run(
        [
            sys.executable, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash",
            "-s", str(folder), "-p", f"/usr/lib/{NAME}", str(folder),
        ],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"a module of the package does not compile: {done.stdout}{done.stderr}")


def _smoke_test(tree: Path) -> None:
    """Runs the agent from the tree, with the system's Python and nothing else.

    Raises:
        SystemExit: it does not run, or contains parts of the control plane.
    """
    folder = tree / "usr" / "lib" / NAME
    if (folder / "django").exists() or (folder / "control_plane").exists():
        raise SystemExit("the package contains parts of the control plane: an agent never installs Django")
    clean = {"PATH": f"/usr/bin:/bin:{Path(sys.executable).parent}", "HOME": str(tree.parent)}
    for arguments in (["version"], ["status", "--once", "--state", str(tree.parent / "none")]):
        done = subprocess.run(
            [str(tree / "usr" / "bin" / NAME), *arguments],
            env=clean,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if "Traceback" in done.stderr or (arguments == ["version"] and done.returncode):
            raise SystemExit(f"the packaged agent does not run: {done.stderr}")


def _control(tree: Path) -> str:
    size_bytes = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
    return CONTROL.format(
        name=NAME,
        version=__version__,
        architecture=_architecture(),
        python=PYTHON,
        size_kib=size_bytes // 1024,
    )


def _architecture() -> str:
    done = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()


def _put(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
