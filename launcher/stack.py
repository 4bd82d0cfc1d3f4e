"""The whole control plane on one machine: everything started in order, watched, and stopped in reverse."""

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

from launcher.disk_reserve import Reserve
from launcher.errors import ServerFailed, StateInUse, StateUnusable
from launcher.ports import allowed_hosts, public_address
from launcher.postgres import EmbeddedPostgres, PostgresUrls
from launcher.privileges import ELSEWHERE, Account, adopt, enter
from launcher.process_logs import bound_logs
from launcher.progress_console import Screen
from launcher.server_probe import ProbedServer
from launcher.service_account import Runner, socket_folder
from launcher.state_folder import Addresses, environment, prepare_state
from launcher.supervisor import TICK_S, Child, Keeper
from launcher.valkey import EmbeddedValkey
from launcher.watchdog import PulseSocket
from shared.kernel.loopback import http_status
from shared.kernel.service import ALIVE, READY, STOPPING, ServiceManager

LISTEN_HOST = "127.0.0.1"
LISTEN_PORT = 8000
READY_TIMEOUT_S = 90.0
MIGRATE_TIMEOUT_S = 600.0
LOOK_S = 1.0
"""How often the disk and the logs are looked at."""
HUNG_AFTER_S = {"PostgreSQL": 60.0, "Valkey": 60.0, "web": 30.0, "worker": 120.0, "beat": 120.0}
"""How long each process may show no sign of life. Those of web, worker and beat come from their main loop every
`PULSE_S` seconds or so, whatever their threads and children are busy with; the servers are asked."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """The options of `threedance up`.

    `public_url` empty: made from host and port. `report`: where a copy of the facts goes, opened by whoever may.
    """

    state: Path
    host: str = LISTEN_HOST
    port: int = LISTEN_PORT
    public_url: str = ""
    report: IO[str] | None = None


class House:
    """Owns every process of one state folder for the length of `run`."""

    def __init__(self, options: Options, screen: Screen, listener: socket.socket) -> None:
        """Args:
        options: what to start.
        screen: shows the steps.
        listener: where the web process serves; closed at the end of `run`.
        """
        self._options = options
        self._screen = screen
        self._listener = listener
        self._stop = threading.Event()
        self._kept: list[Keeper] = []
        self._manager = ServiceManager.of_this_process()
        self._started_at = datetime.now(UTC)

    def ask_to_stop(self) -> None:
        """Makes `run` return after stopping everything. May be called from a signal handler."""
        self._stop.set()

    def run(self, *, on_ready: Callable[[str], None]) -> None:
        """Starts everything, calls `on_ready` with the address, and keeps it running until told to stop.

        Raises:
            SupervisorError: something could not be started for the first time; all that ran has been stopped.
        """
        with ExitStack() as stack:
            listener = stack.enter_context(self._listener)
            with self._screen.step("state folder"):
                state = prepare_state(self._options.state)
                stack.enter_context(_alone(state))
            reserve = Reserve(state)
            reserve.tick()
            urls, cache = self._start_servers(stack, state)
            port = listener.getsockname()[1]
            if self._options.port and port != self._options.port:
                self._screen.note(f"port {self._options.port} is taken: using {port}")
            url = self._options.public_url or public_address(self._options.host, port)
            told = environment(state, Addresses(urls.application, urls.owner, cache, url))
            told.setdefault("THREEDANCE_ALLOWED_HOSTS", ",".join(allowed_hosts(self._options.host)))
            with self._screen.step("database tables"):
                _migrate(told, state)
            if told.get("THREEDANCE_OBJECT_STORE", "").startswith("s3+"):
                with self._screen.step("object store"):
                    _prepare_store(told, state)
            self._start_programs(stack, told, state, listener)
            if self._stop.is_set():
                return
            stack.callback(_facts_path(state).unlink, missing_ok=True)
            if self._options.report is not None:
                with self._options.report as report:
                    json.dump(self._facts(url), report, indent=2)
            self._publish(_facts_path(state), url)
            on_ready(url)
            self._manager.tell(READY)
            self._keep(state, url, reserve)
            self._manager.tell(STOPPING)

    def _keep(self, state: Path, url: str, reserve: Reserve) -> None:
        """Keeps everything running until told to stop; whatever fails meanwhile is tried again."""
        looked_s = 0.0
        published = self._processes()
        while not self._stop.wait(TICK_S):
            now_s = time.monotonic()
            if now_s - looked_s >= LOOK_S:
                looked_s = now_s
                self._manager.tell(ALIVE)
                bound_logs(state / "logs")
                if reserve.tick():
                    for kept in self._kept:
                        kept.hurry()
            for kept in self._kept:
                kept.tick()
            if self._processes() != published:
                published = self._processes()
                self._publish(_facts_path(state), url)

    def _processes(self) -> dict[str, dict[str, object]]:
        return {
            kept.name: {"pid": kept.pid, "is_up": kept.is_up, "has_failed": kept.failures > 0}
            for kept in self._kept
        }

    def _start_servers(self, stack: ExitStack, state: Path) -> tuple[PostgresUrls, str]:
        postgres, valkey = EmbeddedPostgres(state), EmbeddedValkey(state)
        stack.callback(postgres.stop)
        with self._screen.step("PostgreSQL"):
            urls = postgres.start()
        stack.callback(valkey.stop)
        with self._screen.step("Valkey"):
            cache = valkey.start().cache
        for server in (postgres, valkey):
            probed = ProbedServer(server)
            stack.enter_context(probed.probed())
            keeper = Keeper(probed, hung_after_s=HUNG_AFTER_S[server.name])
            keeper.started()
            self._kept.append(keeper)
        return urls, cache

    def _start_programs(
        self, stack: ExitStack, told: dict[str, str], state: Path, listener: socket.socket
    ) -> None:
        """Starts the web, and once it answers the rest: all at once would share the processor while the page waits."""
        valkey = self._kept[-1]
        programs = []
        for child in _children(told, state, listener, stack):
            # Without their broker worker and beat wait for it in their main loops, without a sign of life.
            excused = (lambda: False) if child.name == "web" else (lambda: not valkey.is_up)
            programs.append(Keeper(child, hung_after_s=HUNG_AFTER_S[child.name], excused=excused))
        for program in programs:
            stack.callback(program.stop)
        for program in programs:  # on the way out: all are asked first, and then waited for
            stack.callback(program.ask_to_stop)
        web, *later = programs
        with self._screen.step("web"):
            web.start()
            self._wait_ready(listener.getsockname()[1], web, state / "logs" / "web.log")
        for program in later:
            if not self._stop.is_set():
                program.start()
        self._kept += programs

    def _wait_ready(self, port: int, web: Keeper, log_path: Path) -> None:
        """Returns when the web process is ready, or when told to stop.

        Raises:
            ServerFailed: it ended, or was not ready in time.
        """
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while not self._stop.is_set():
            if web.ended():
                raise ServerFailed(web.name, "ended while it started", log_path)
            status = http_status(_dialled(self._options.host), port, "/readyz", timeout_s=5)
            if status == HTTPStatus.OK:
                return
            if time.monotonic() > deadline_s:
                said = f"it answers {status}" if status else "no answer"
                raise ServerFailed(web.name, f"was not ready in {READY_TIMEOUT_S:.0f} s: {said}", log_path)
            self._stop.wait(0.1)

    def _facts(self, url: str) -> dict[str, object]:
        return {
            "url": url,
            "pid": os.getpid(),
            "started_at": self._started_at.isoformat(),
            "steps": [asdict(step) for step in self._screen.steps],
            "processes": self._processes(),
        }

    def _publish(self, path: Path, url: str) -> None:
        """Writes down what runs here, for the other commands."""
        part = path.with_name(path.name + ".part")
        try:
            part.write_text(json.dumps(self._facts(url), indent=2) + "\n")
            part.rename(path)
        except OSError as error:
            # A full disk. What is there is right but for the processes, and nothing depends on those.
            log.warning("what runs here is not written down", extra={"path": str(path), "error": str(error)})


def take_over(state: Path, note: Callable[[str], None]) -> None:
    """Makes a state folder fit for its account, and becomes that account; does nothing unless root calls it.

    A folder of root's, as versions before this one made them, is given to the account with all that belongs to it.

    Args:
        state: need not be there.
        note: told in words what was changed.

    Raises:
        SupervisorError: that is not possible; the message says why.
    """
    if os.geteuid() != 0:
        return
    if Account.of(state) is None:
        account = Account.made(note)
        account.require_way_to(state)
        try:
            state.mkdir(parents=True, exist_ok=True)
            with ExitStack() as stack:
                if (state / "run" / "lock").is_file():
                    stack.enter_context(_alone(state))
                    EmbeddedPostgres(state).end_leftover()
                adopt(state, account, note)
        except OSError as error:
            raise StateUnusable(
                f"the state folder {state} cannot be given to the account {account.name}: {error.strerror}",
                f"Give another --state, such as {ELSEWHERE}, or run this as a normal user.",
            ) from error
    enter(state)


def running(state: Path) -> dict[str, object] | None:
    """Returns what the control plane that runs on `state` wrote of itself; None where none runs, or is not ready yet."""
    try:
        with (state / "run" / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None  # nobody holds it: whatever stands there is of a run that was killed
    except BlockingIOError:
        pass
    except OSError:
        return None
    try:
        facts: dict[str, object] = json.loads(_facts_path(state).read_text())
    except (OSError, ValueError):
        return None
    return facts


def addresses(state: Path) -> Addresses:
    """Returns where the servers of a state folder are, whether or not they run."""
    facts = running(state)
    urls = EmbeddedPostgres(state).urls("threedance")
    return Addresses(
        urls.application, urls.owner, EmbeddedValkey(state).urls().cache, str(facts["url"]) if facts else ""
    )


def _facts_path(state: Path) -> Path:
    return state / "run" / "control-plane.json"


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Holds the folder's lock.

    Raises:
        StateInUse: another process holds it.
    """
    with (state / "run" / "lock").open(
        "r+b" if (state / "run" / "lock").exists() else "w+b", buffering=0
    ) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateInUse(state, lock.read().decode().strip() or "unknown") from error
        # On a full disk it stays as it is: the lock counts, and the number is only for the message.
        with contextlib.suppress(OSError):
            lock.write(f"{os.getpid():<20}".encode())
        _facts_path(state).unlink(missing_ok=True)
        yield


def _migrate(told: dict[str, str], state: Path) -> None:
    """Brings the tables up to date, as the owner.

    Raises:
        ServerFailed: a migration failed; what it said is in the message.
    """
    as_owner = told | {"THREEDANCE_DATABASE_ROLE": "owner"}
    _manage(
        "the database",
        as_owner,
        state / "logs" / "migrate.log",
        "migrate",
        "--verbosity",
        "1",
        "--skip-checks",
    )


def _prepare_store(told: dict[str, str], state: Path) -> None:
    """Makes the bucket and its rules where objects go to an S3 store.

    Raises:
        ServerFailed: the store does not answer, or refuses; what it said is in the message.
    """
    _manage("the object store", told, state / "logs" / "store.log", "prepare_store")


def _manage(what: str, told: dict[str, str], log_path: Path, *command: str) -> None:
    with log_path.open("wb") as log_file:
        done = subprocess.run(
            [sys.executable, "-m", "control_plane.config.commands", *command],
            env=told,
            stdout=log_file,
            stderr=log_file,
            timeout=MIGRATE_TIMEOUT_S,
            check=False,
        )
    if done.returncode:
        raise ServerFailed(what, "could not be made ready", log_path)


def _children(told: dict[str, str], state: Path, listener: socket.socket, stack: ExitStack) -> list[Child]:
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
        Child(name, command, told, logs / f"{name}.log", files=files, pulse=_pulse(state, name, stack))
        for name, command, files in (
            ("web", web, [listener.fileno()]),
            ("worker", worker, []),
            ("beat", beat, []),
        )
    ]


def _pulse(state: Path, name: str, stack: ExitStack) -> PulseSocket:
    runner = Runner.of(state)
    folder = runner.own(socket_folder(state, "pulse", f"{name}.sock", runner))
    pulse = PulseSocket(folder / f"{name}.sock")
    stack.callback(pulse.close)
    return pulse


def _dialled(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
