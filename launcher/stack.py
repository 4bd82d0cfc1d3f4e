"""The whole control plane on one machine: starts everything in order, supervises it, and stops it in reverse order."""

import contextlib
import fcntl
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import IO

from launcher.child_process import ChildProcess
from launcher.disk_reserve import DiskReserve
from launcher.errors import ServerFailed, StateInUse, StateUnusable
from launcher.ports import allowed_hosts, public_address
from launcher.postgres import EmbeddedPostgres, PostgresUrls
from launcher.privileges import SUGGESTED_STATE, UnixAccount, drop_to_owner, transfer_ownership
from launcher.process_logs import rotate_logs
from launcher.progress_console import ProgressConsole
from launcher.server_probe import ProbedServer
from launcher.service_account import ServiceAccount, socket_folder
from launcher.state_folder import ServiceUrls, control_plane_environment, prepare_state_folder
from launcher.supervisor import TICK_S, Supervisor
from launcher.valkey import EmbeddedValkey
from launcher.watchdog import WatchdogSocket
from shared.kernel.loopback import http_status
from shared.kernel.service import ALIVE, READY, STOPPING, ServiceManager

LISTEN_HOST = "127.0.0.1"
LISTEN_PORT = 8000
READY_TIMEOUT_S = 90.0
COMMAND_TIMEOUT_S = 600.0
HOUSEKEEPING_INTERVAL_S = 1.0
"""Interval of the checks of disk and logs."""
HUNG_AFTER_S = {"PostgreSQL": 60.0, "Valkey": 60.0, "web": 30.0, "worker": 120.0, "beat": 120.0}
"""How long each process may show no sign of life. Web, worker and beat report from their main loop every
`WATCHDOG_INTERVAL_S` seconds or so, however busy their threads and children are; the servers are probed."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """The options of `threedance up`.

    `public_url` empty: derived from host and port. `report`: an open file for a copy of the runtime information.
    """

    state: Path
    host: str = LISTEN_HOST
    port: int = LISTEN_PORT
    public_url: str = ""
    report: IO[str] | None = None


class Stack:
    """Owns all processes of one state folder while `run` runs."""

    def __init__(self, options: Options, console: ProgressConsole, listener: socket.socket) -> None:
        """Args:
        options: what to start.
        console: shows the steps.
        listener: the socket on which the web process serves; closed at the end of `run`.
        """
        self._options = options
        self._console = console
        self._listener = listener
        self._stop = threading.Event()
        self._supervisors: list[Supervisor] = []
        self._service_manager = ServiceManager.of_this_process()
        self._started_at = datetime.now(UTC)

    def request_stop(self) -> None:
        """Makes `run` stop everything and return. Safe in a signal handler."""
        self._stop.set()

    def run(self, *, on_ready: Callable[[str], None]) -> None:
        """Starts everything, calls `on_ready` with the address, and supervises it until a stop is requested.

        Raises:
            LauncherError: a first start failed; everything that ran has been stopped.
        """
        with ExitStack() as cleanup:
            listener = cleanup.enter_context(self._listener)
            with self._console.step("state folder"):
                state = prepare_state_folder(self._options.state)
                cleanup.enter_context(_exclusive_lock(state))
            reserve = DiskReserve(state)
            reserve.tick()
            urls, cache = self._start_servers(cleanup, state)
            port = listener.getsockname()[1]
            if self._options.port and port != self._options.port:
                self._console.note(f"port {self._options.port} is taken: using {port}")
            url = self._options.public_url or public_address(self._options.host, port)
            environment = control_plane_environment(
                state, ServiceUrls(urls.application, urls.owner, cache, url)
            )
            environment.setdefault("THREEDANCE_ALLOWED_HOSTS", ",".join(allowed_hosts(self._options.host)))
            with self._console.step("database tables"):
                _migrate(environment, state)
            if environment.get("THREEDANCE_OBJECT_STORE", "").startswith("s3+"):
                with self._console.step("object store"):
                    _prepare_store(environment, state)
            self._start_programs(cleanup, environment, state, listener)
            if self._stop.is_set():
                return
            cleanup.callback(_runtime_info_path(state).unlink, missing_ok=True)
            if self._options.report is not None:
                with self._options.report as report:
                    json.dump(self._runtime_info(url), report, indent=2)
            self._publish(_runtime_info_path(state), url)
            on_ready(url)
            self._service_manager.tell(READY)
            self._supervise(state, url, reserve)
            self._service_manager.tell(STOPPING)

    def _supervise(self, state: Path, url: str, reserve: DiskReserve) -> None:
        """Supervises everything until a stop is requested; every failure is retried."""
        checked_s = 0.0
        published = self._processes()
        while not self._stop.wait(TICK_S):
            now_s = time.monotonic()
            if now_s - checked_s >= HOUSEKEEPING_INTERVAL_S:
                checked_s = now_s
                self._service_manager.tell(ALIVE)
                rotate_logs(state / "logs")
                if reserve.tick():
                    for supervisor in self._supervisors:
                        supervisor.retry_now()
            for supervisor in self._supervisors:
                supervisor.tick()
            if self._processes() != published:
                published = self._processes()
                self._publish(_runtime_info_path(state), url)

    def _processes(self) -> dict[str, dict[str, object]]:
        return {
            supervisor.name: {
                "pid": supervisor.pid,
                "is_up": supervisor.is_up,
                "has_failed": supervisor.failures > 0,
            }
            for supervisor in self._supervisors
        }

    def _start_servers(self, cleanup: ExitStack, state: Path) -> tuple[PostgresUrls, str]:
        postgres, valkey = EmbeddedPostgres(state), EmbeddedValkey(state)
        cleanup.callback(postgres.stop)
        with self._console.step("PostgreSQL"):
            urls = postgres.start()
        cleanup.callback(valkey.stop)
        with self._console.step("Valkey"):
            cache = valkey.start().cache
        for server in (postgres, valkey):
            probed = ProbedServer(server)
            cleanup.enter_context(probed.probing())
            supervisor = Supervisor(probed, hung_after_s=HUNG_AFTER_S[server.name])
            supervisor.mark_started()
            self._supervisors.append(supervisor)
        return urls, cache

    def _start_programs(
        self, cleanup: ExitStack, environment: dict[str, str], state: Path, listener: socket.socket
    ) -> None:
        """Starts the web process, and the others once it is ready: together they would delay the first page."""
        valkey = self._supervisors[-1]
        programs = []
        for child in _child_processes(environment, state, listener, cleanup):
            # Without their broker, worker and beat block in their main loops and report nothing.
            is_excused = (lambda: False) if child.name == "web" else (lambda: not valkey.is_up)
            programs.append(Supervisor(child, hung_after_s=HUNG_AFTER_S[child.name], is_excused=is_excused))
        # Callbacks run in reverse order: all are asked to stop first, and then waited for.
        for program in programs:
            cleanup.callback(program.stop)
        for program in programs:
            cleanup.callback(program.request_stop)
        web, *others = programs
        with self._console.step("web"):
            web.start()
            self._wait_ready(listener.getsockname()[1], web, state / "logs" / "web.log")
        for program in others:
            if not self._stop.is_set():
                program.start()
        self._supervisors += programs

    def _wait_ready(self, port: int, web: Supervisor, log_path: Path) -> None:
        """Returns when the web process is ready, or a stop is requested.

        Raises:
            ServerFailed: it exited, or was not ready in time.
        """
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while not self._stop.is_set():
            if web.has_exited():
                raise ServerFailed(web.name, "ended while it started", log_path)
            status = http_status(_connect_host(self._options.host), port, "/readyz", timeout_s=5)
            if status == HTTPStatus.OK:
                return
            if time.monotonic() > deadline_s:
                answer = f"it answers {status}" if status else "no answer"
                raise ServerFailed(web.name, f"was not ready in {READY_TIMEOUT_S:.0f} s: {answer}", log_path)
            self._stop.wait(0.1)

    def _runtime_info(self, url: str) -> dict[str, object]:
        return {
            "url": url,
            "pid": os.getpid(),
            "started_at": self._started_at.isoformat(),
            "steps": [asdict(step) for step in self._console.steps],
            "processes": self._processes(),
        }

    def _publish(self, path: Path, url: str) -> None:
        """Writes the runtime information for the other commands."""
        part = path.with_name(path.name + ".part")
        try:
            part.write_text(json.dumps(self._runtime_info(url), indent=2) + "\n")
            part.rename(path)
        except OSError as error:
            # A full disk. The old file is right except for the processes, and nothing depends on those.
            log.warning(
                "the runtime information is not written", extra={"path": str(path), "error": str(error)}
            )


def claim_state_folder(state: Path, note: Callable[[str], None]) -> None:
    """Gives a state folder to the service account and drops this process to its owner. Only acts for root.

    A folder that root owns, as earlier versions made them, is given to the account with all its content.

    Args:
        state: may not exist yet.
        note: called with a text for each change.

    Raises:
        LauncherError: this is not possible; the message gives the reason.
    """
    if os.geteuid() != 0:
        return
    if UnixAccount.owner_of(state) is None:
        account = UnixAccount.ensure(note)
        account.require_access_to(state)
        try:
            state.mkdir(parents=True, exist_ok=True)
            with ExitStack() as cleanup:
                if (state / "run" / "lock").is_file():
                    cleanup.enter_context(_exclusive_lock(state))
                    EmbeddedPostgres(state).stop_orphan()
                transfer_ownership(state, account, note)
        except OSError as error:
            raise StateUnusable(
                f"the state folder {state} cannot be given to the account {account.name}: {error.strerror}",
                f"Give another --state, such as {SUGGESTED_STATE}, or run this as a normal user.",
            ) from error
    drop_to_owner(state)


def read_runtime_info(state: Path) -> dict[str, object] | None:
    """Returns the runtime information of the control plane that runs on `state`; None if none runs or is ready."""
    try:
        with (state / "run" / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None  # the lock is free: a file that is there is left from a run that was killed
    except BlockingIOError:
        pass
    except OSError:
        return None
    try:
        info: dict[str, object] = json.loads(_runtime_info_path(state).read_text())
    except (OSError, ValueError):
        return None
    return info


def service_urls(state: Path) -> ServiceUrls:
    """Returns the addresses of the servers of a state folder, whether or not they run."""
    info = read_runtime_info(state)
    urls = EmbeddedPostgres(state).urls("threedance")
    return ServiceUrls(
        urls.application, urls.owner, EmbeddedValkey(state).urls().cache, str(info["url"]) if info else ""
    )


def _runtime_info_path(state: Path) -> Path:
    return state / "run" / "control-plane.json"


@contextmanager
def _exclusive_lock(state: Path) -> Iterator[None]:
    """Holds the lock of a state folder.

    Raises:
        StateInUse: another process holds it.
    """
    path = state / "run" / "lock"
    with path.open("r+b" if path.exists() else "w+b", buffering=0) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateInUse(state, lock.read().decode().strip() or "unknown") from error
        # Fails on a full disk. The lock itself holds; the number only serves the message.
        with contextlib.suppress(OSError):
            lock.write(f"{os.getpid():<20}".encode())
        _runtime_info_path(state).unlink(missing_ok=True)
        yield


def _migrate(environment: dict[str, str], state: Path) -> None:
    """Applies the migrations, as the owner of the tables.

    Raises:
        ServerFailed: a migration failed; its output is in the message.
    """
    as_owner = environment | {"THREEDANCE_DATABASE_ROLE": "owner"}
    command = ("migrate", "--verbosity", "1", "--skip-checks")
    _run_command("the database", as_owner, state / "logs" / "migrate.log", *command)


def _prepare_store(environment: dict[str, str], state: Path) -> None:
    """Creates the bucket and its rules, where objects go to an S3 store.

    Raises:
        ServerFailed: the store does not answer or refuses; the output is in the message.
    """
    _run_command("the object store", environment, state / "logs" / "store.log", "prepare_store")


def _run_command(subject: str, environment: dict[str, str], log_path: Path, *command: str) -> None:
    with log_path.open("wb") as log_file:
        done = subprocess.run(
            [sys.executable, "-m", "control_plane.config.commands", *command],
            env=environment, stdout=log_file, stderr=log_file, timeout=COMMAND_TIMEOUT_S, check=False,
        )  # fmt: skip
    if done.returncode:
        raise ServerFailed(subject, "could not be made ready", log_path)


def _child_processes(
    environment: dict[str, str], state: Path, listener: socket.socket, cleanup: ExitStack
) -> list[ChildProcess]:
    python, logs = sys.executable, state / "logs"
    web = [
        python, "-m", "uvicorn", "control_plane.config.asgi:application", "--fd", str(listener.fileno()),
        "--no-access-log", "--log-level", "warning", "--ws-max-size", str(1 << 20),
        "--http", "control_plane.config.connections:HttpConnection",
        "--ws", "control_plane.config.connections:LinkConnection",
        "--ws-per-message-deflate", "false", "--timeout-graceful-shutdown", "5", "--no-server-header", "--no-proxy-headers",
    ]  # fmt: skip
    celery = [python, "-m", "celery", "-A", "control_plane.config.celery", "--quiet"]
    worker = [
        *celery,
        "worker",
        "--concurrency",
        "2",
        "--without-gossip",
        "--without-mingle",
        "--loglevel",
        "WARNING",
    ]
    beat = [*celery, "beat", "--loglevel", "WARNING", "--pidfile", ""]
    return [
        ChildProcess(
            name, command, environment, logs / f"{name}.log",
            files=files, watchdog=_watchdog_socket(state, name, cleanup),
        )
        for name, command, files in (
            ("web", web, [listener.fileno()]),
            ("worker", worker, []),
            ("beat", beat, []),
        )
    ]  # fmt: skip


def _watchdog_socket(state: Path, name: str, cleanup: ExitStack) -> WatchdogSocket:
    account = ServiceAccount.of(state)
    folder = account.make_owned_folder(socket_folder(state, "watchdog", f"{name}.sock", account))
    watchdog = WatchdogSocket(folder / f"{name}.sock")
    cleanup.callback(watchdog.close)
    return watchdog


def _connect_host(host: str) -> str:
    """Returns the address at which this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
