"""A TCP proxy on loopback that can be told to fail: what a line, a router or a broken server does to a client."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from enum import Enum

_CHUNK_BYTES = 65_536
_UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n"
    b"Retry-After: 1\r\nConnection: close\r\n\r\nunavailable\n"
)


class Mode(Enum):
    """Treatment of a connection by the proxy. Switching away from `PASS` cuts those that are open."""

    PASS = "pass"
    """Carries bytes both ways."""
    REFUSE = "refuse"
    """Accepts and resets at once."""
    UNAVAILABLE = "unavailable"
    """Answers every HTTP request with 503."""
    HANG = "hang"
    """Accepts and never answers."""


class FaultProxy:
    """One listening port in front of one server. Runs its own thread; `mode` may be set from any thread."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._mode = Mode.PASS
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0
        self.connections = 0

    @property
    def url(self) -> str:
        """The address a client is given."""
        return f"http://127.0.0.1:{self.port}"

    def set_mode(self, mode: Mode) -> None:
        """Changes what happens from now on, and cuts open connections unless it is `PASS`."""
        asyncio.run_coroutine_threadsafe(self._set_mode(mode), self._loop).result(10)

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        if not self._ready.wait(10):
            raise TimeoutError("the proxy did not start within 10 s")
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.close()

    async def _set_mode(self, mode: Mode) -> None:
        self._mode = mode
        if mode is not Mode.PASS:
            await self._cut()

    async def _cut(self) -> None:
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode is Mode.REFUSE:
            return
        if self._mode is Mode.HANG:
            await asyncio.Event().wait()
        if self._mode is Mode.UNAVAILABLE:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(_UNAVAILABLE)
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                # A client in the middle of a long body would see a reset before the answer: take what it sends.
                async with asyncio.timeout(1):
                    while await reader.read(_CHUNK_BYTES):
                        pass
            return
        up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, up_writer))
                group.create_task(_pump(up_reader, writer))
        except* OSError:
            pass
        finally:
            up_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


@contextlib.contextmanager
def fault_proxy(host: str, port: int) -> Iterator[FaultProxy]:
    """Runs a proxy in front of `host:port` for the length of the block."""
    with FaultProxy(host, port) as proxy:
        yield proxy
