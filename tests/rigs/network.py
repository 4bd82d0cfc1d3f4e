"""Foreign networks between an agent and its control plane: a login page, and a proxy that has to be asked."""

import asyncio
import base64
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_PAGE = b"<!DOCTYPE html><html><title>Hotel WiFi</title>Please sign in.</html>"


@contextlib.contextmanager
def login_page(status: str = "200 OK") -> Iterator[str]:
    """Answers every request with a page, and with a redirect to it where `status` says so; gives its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(TimeoutError):
            # Any request is accepted, as such a page does: it may look like a success.
            async with asyncio.timeout(0.05 if b"content-length" in head.lower() else 0):
                while await reader.read(65_536):
                    pass
        where = b"Location: http://login.hotel.example/?mac=00-11\r\n" if status.startswith("3") else b""
        writer.write(
            b"HTTP/1.1 %s\r\nContent-Type: text/html\r\nDate: Thu, 01 Jan 2037 00:00:00 GMT\r\n%b"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (status.encode(), where, len(_PAGE), _PAGE)
        )
        await writer.drain()

    with _listening(serve) as port:
        yield f"http://127.0.0.1:{port}"


@dataclass
class Proxy:
    """A proxy for CONNECT; `asked` are the hosts it was asked for."""

    port: int = 0
    password: str = ""
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def connect_proxy(password: str = "") -> Iterator[Proxy]:
    """Runs a proxy, which wants `user:password` where there is one."""
    proxy = Proxy(password=password)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split(" ", 2)
        proxy.asked.append(target)
        wanted = base64.b64encode(f"user:{proxy.password}".encode()).decode()
        if proxy.password and wanted not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        if method != "CONNECT":
            writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        host, _, port = target.rpartition(":")
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with contextlib.closing(up_writer):
            await asyncio.wait(
                [
                    asyncio.ensure_future(_pump(reader, up_writer)),
                    asyncio.ensure_future(_pump(up_reader, writer)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )

    with _listening(serve) as proxy.port:
        yield proxy


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


@contextlib.contextmanager
def _listening(serve: Serve) -> Iterator[int]:
    loop, ready = asyncio.new_event_loop(), threading.Event()
    ports: list[int] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            writer.close()

    def run() -> None:
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(asyncio.start_server(accept, "127.0.0.1", 0))
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        loop.run_forever()
        server.close()
        for task in (left := asyncio.all_tasks(loop)):
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    if not ready.wait(10):
        raise TimeoutError("the rig did not start within 10 s")
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
