"""The local status of the running agent: a unix socket that sends one JSON document per connection.

The socket is in the state folder with mode 0600. The document holds no secrets.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from shared.protocol.codec import encode
from shared.protocol.config import Position
from shared.protocol.ids import CameraId, RoomId
from shared.protocol.status import AgentStatus, Reported

SOCKET = "agent.sock"
LONGEST_PATH_BYTES = 100
TIMEOUT_S = 5.0


class LocalCamera(msgspec.Struct, frozen=True, kw_only=True):
    """The name of a camera; its state is in `AgentStatus.cameras`."""

    camera_id: CameraId
    room_id: RoomId
    name: str
    position: Position


class LocalStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The status of the running agent."""

    pid: int
    agent_version: str
    started_at: datetime
    address: str
    studio_name: str
    fingerprint: str
    link_up: bool
    link_error: str
    """Why the link is down; empty if it is up."""
    link_hint: str = ""
    """The hint for `link_error`."""
    configuration: Reported
    cameras: tuple[LocalCamera, ...]
    bytes_sent: int
    """Since the start of the agent."""
    clock_error_us: int | None = None
    """Error bound of the control plane's time as known by the agent; None before the first reading."""
    status: AgentStatus


@contextlib.asynccontextmanager
async def serve_status(state: Path, status: Callable[[], LocalStatus]) -> AsyncIterator[None]:
    """Serves the status on the state folder's socket while the block runs."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                writer.write(encode(status()))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError):
            pass  # the client is gone
        finally:
            # A client that never reads must not keep the task or the descriptor.
            writer.transport.abort()

    path = state / SOCKET
    path.unlink(missing_ok=True)
    with _short(path) as short:
        server = await asyncio.start_unix_server(answer, short)
    os.chmod(path, 0o600)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


def read_status(state: Path) -> LocalStatus | None:
    """Returns the status of the agent that runs on this state folder, or None if none runs."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(TIMEOUT_S)
        try:
            with _short(state / SOCKET) as short:
                client.connect(short)
            data = b"".join(iter(lambda: client.recv(65536), b""))
            return msgspec.json.decode(data, type=LocalStatus)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """Yields a path to `path` that fits into a socket address (107 bytes on Linux)."""
    if len(os.fsencode(path)) <= LONGEST_PATH_BYTES:
        yield str(path)
        return
    # /proc/self/fd/N names the same folder in a few bytes.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
