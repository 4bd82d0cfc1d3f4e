"""HTTP/1.1 for attackers and for the honest agent: one request after the other, from a chosen address."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Answer:
    """The response."""

    status: int
    body: bytes


class Client:
    """One connection after the other from one address, as little HTTP as it can be."""

    def __init__(self, address: str, source: str) -> None:
        parts = urlsplit(address)
        self._where, self._source = (parts.hostname or "", parts.port or 80), source
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str], *, body: bytes = b"", slowly: bool = False
    ) -> Answer:
        """Sends one request.

        Args:
            slowly: takes a kilobyte of the answer each second.

        Raises:
            OSError, asyncio.IncompleteReadError, TimeoutError: the server went away, or takes too long.
        """
        if self._streams is None:
            limit = 1 << 12 if slowly else 1 << 22
            self._streams = await asyncio.open_connection(
                *self._where, local_addr=(self._source, 0), limit=limit
            )
        reader, writer = self._streams
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._where[0]}:{self._where[1]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if body or method != "GET" else []
        try:
            async with asyncio.timeout(TIMEOUT_S):
                writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
                for at in range(0, len(body), 1 << 18):
                    writer.write(body[at : at + (1 << 18)])
                    await writer.drain()
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                answer = await self._body(head, reader, slowly)
        except BaseException:
            self.close()
            raise
        if "connection: close" in head:
            self.close()
        return Answer(int(head.split(" ", 2)[1]), answer)

    async def _body(self, head: str, reader: asyncio.StreamReader, slowly: bool) -> bytes:
        length = int(head.partition("content-length:")[2].partition("\r\n")[0].strip() or 0)
        if not slowly:
            return await reader.readexactly(length)
        read = 0
        while read < length:
            read += len(await reader.read(1024))
            await asyncio.sleep(1.0)
        return b""

    def close(self) -> None:
        """Ends the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
