"""HTTP/1.1 as little as it can be, so that 200 viewers cost the machine less than what answers them."""

import asyncio
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """The response, and how long it took."""

    status: int
    body: bytes
    took_s: float


class Viewer:
    """One browser: a connection that stays, and a cookie."""

    def __init__(self, host: str, port: int, cookie: str) -> None:
        self._where = host, port
        self._cookie = cookie
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def get(self, path: str, *, method: str = "GET", **headers: str) -> Answer:
        """Asks, on the connection that stands or on a new one where the server has hung up meanwhile.

        Raises:
            ConnectionError, asyncio.IncompleteReadError: the server went away.
        """
        try:
            return await self._ask(path, method, headers)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            return await self._ask(path, method, headers)

    async def _ask(self, path: str, method: str, headers: dict[str, str]) -> Answer:
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(*self._where, limit=1 << 22)
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self._where[0]}:{self._where[1]}",
            f"Cookie: {self._cookie}",
            "Accept-Encoding: gzip",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        began_s = time.perf_counter()
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        body = b"" if method == "HEAD" else await self._body(self._reader, head)
        if "connection: close" in head:
            self.close()
        return Answer(status, body, time.perf_counter() - began_s)

    @staticmethod
    async def _body(reader: asyncio.StreamReader, head: str) -> bytes:
        if "transfer-encoding: chunked" not in head:
            return await reader.readexactly(
                int(head.partition("content-length:")[2].partition("\r\n")[0] or 0)
            )
        chunks: list[bytes] = []
        while size := int(await reader.readuntil(b"\r\n"), 16):
            chunks.append((await reader.readexactly(size + 2))[:-2])
        await reader.readexactly(2)
        return b"".join(chunks)

    def close(self) -> None:
        """Hangs up."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
