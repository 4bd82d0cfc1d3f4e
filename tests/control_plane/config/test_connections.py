"""Connections that send a little, or too much, and never end: on real sockets, as `threedance up` runs uvicorn."""

import asyncio
import contextlib
import os
import socket
import struct
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from websockets.asyncio.client import connect

from control_plane.config import connections
from control_plane.config.connections import HttpConnection, LinkConnection
from shared.protocol.codec import decode
from shared.protocol.errors import PROBLEM_CONTENT_TYPE, Problem
from tests.rigs.asgi import serving

PATIENCE_S = 30.0
MB = 1 << 20
GET = b"GET /%s HTTP/1.1\r\nHost: here\r\n\r\n"


@dataclass
class Served:
    """A server with `app`; `asked` holds the paths that reached it."""

    host: str
    port: int
    asked: list[str]

    @property
    def counts(self) -> tuple[int, int]:
        """How many connections its guard counts, and how many links."""
        return next((guard.counts for guard in connections._guards.values()), (0, 0))


asked: list[str] = []


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    asked.append(scope["path"])
    if scope["type"] == "websocket":
        await receive()
        if scope["path"] == "/never":
            await receive()
        else:
            await send({"type": "websocket.accept"})
            while scope["path"] == "/flood":
                await send({"type": "websocket.send", "bytes": bytes(MB)})
            while (await receive())["type"] != "websocket.disconnect":
                continue
        return
    path = scope["path"]
    if path == "/slow":
        await asyncio.Event().wait()
    if path == "/read":
        while (await receive()).get("more_body"):
            continue
    size = int(path.removeprefix("/size/")) if path.startswith("/size/") else 2
    headers = [(b"content-length", str(size).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x" * size})


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Changes limits for a test."""

    def change(**changes: Any) -> None:
        monkeypatch.setattr(connections, "LIMITS", replace(connections.LIMITS, **changes))

    monkeypatch.setattr(connections, "SWEEP_S", 0.05)
    monkeypatch.setattr(connections, "LINGER_S", 0.05)
    monkeypatch.setattr(connections, "LINK_SWEEPS", 1)
    return change


@pytest.fixture
def served(limits: Any) -> Iterator[Served]:
    connections._guards.clear()
    asked.clear()
    with serving(
        app, http=HttpConnection, ws=LinkConnection, lifespan="off", log_level="critical",
        timeout_graceful_shutdown=1, ws_per_message_deflate=False,
    ) as address:  # fmt: skip
        host, _, port = address.removeprefix("http://").partition(":")
        yield Served(host, int(port), asked)


@contextlib.asynccontextmanager
async def connected(
    served: Served, first: bytes = b"", *, source: str = "127.0.0.1"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    connection = socket.socket()
    # Small: what is not read stays with the server.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    connection.setblocking(False)
    connection.bind((source, 0))
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.get_running_loop().sock_connect(connection, (served.host, served.port))
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        if first:
            writer.write(first)
        yield reader, writer
    finally:
        writer.transport.abort()


@contextlib.asynccontextmanager
async def patience() -> AsyncIterator[None]:
    """Fails where the block takes too long."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield
    except TimeoutError as error:
        raise AssertionError(f"not within {PATIENCE_S} s") from error


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Returns what comes until the server ends the connection."""
    said = bytearray()
    async with patience():
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                said += piece
    return bytes(said)


async def answer(reader: asyncio.StreamReader) -> bytes:
    async with patience():
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return head + await reader.readexactly(length)


def problem_in(said: bytes) -> Problem:
    head, _, body = said.partition(b"\r\n\r\n")
    assert PROBLEM_CONTENT_TYPE.encode() in head.lower(), said[:300]
    found = decode(body, Problem)
    assert int(head.split(b" ")[1]) == found.status
    return found


async def until(condition: Any) -> None:
    async with patience():
        while not condition():  # noqa: ASYNC110  # of another thread
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("line", [b"x-padding: " + b"a" * 1000 + b"\r\n", b"a" * 1000], ids=["many", "one"])
async def test_headers_without_end_are_refused_and_take_no_memory(served: Served, line: bytes) -> None:
    tracemalloc.start()
    try:
        async with connected(served, b"GET / HTTP/1.1\r\nx: ") as (_, writer):
            sent = 0
            with contextlib.suppress(ConnectionError):
                while sent < 64 * MB and not writer.transport.is_closing():
                    writer.write(line * 64)
                    await writer.drain()
                    sent += len(line) * 64
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent < 32 * MB  # what the kernel's two buffers take
    assert peak < 8 * MB


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + b"x: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 101 + b"\r\n", 431),
        (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"nonsense\r\n\r\n", 400),
    ],
    ids=["size", "number", "address", "nonsense"],
)
async def test_a_head_beyond_its_bounds_is_refused_for_programs(
    served: Served, request_: bytes, status: int
) -> None:
    async with connected(served, request_) as (reader, _):
        assert problem_in(await rest(reader)).status == status


async def test_a_head_within_the_bounds_is_read(served: Served) -> None:
    head = b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: %s\r\n" % (n, b"a" * 300) for n in range(100)) + b"\r\n"
    async with connected(served, head) as (reader, _):
        assert (await answer(reader)).startswith(b"HTTP/1.1 200")


async def test_a_head_that_does_not_end_is_ended_and_so_is_the_next_one(limits: Any, served: Served) -> None:
    limits(head_s=0.2)
    async with connected(served, b"GET / HTTP/1.1\r\nHost: he") as (reader, _):
        assert problem_in(await rest(reader)).status == 408
    async with connected(served, GET % b"") as (reader, writer):
        assert (await answer(reader)).startswith(b"HTTP/1.1 200")
        writer.write(b"\r\n")  # parsers skip it, and it must not keep the connection
        assert problem_in(await rest(reader)).status == 408
    async with connected(served) as (reader, _):
        assert await rest(reader) == b""
    await until(lambda: served.counts == (0, 0))


async def test_an_answer_that_takes_us_long_is_waited_for(limits: Any, served: Served) -> None:
    limits(head_s=0.1, drain_s=0.1)
    async with connected(served, GET % b"slow") as (reader, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await reader.read(1)
        assert served.counts == (1, 0)


@pytest.mark.parametrize(
    "tail",
    [
        b"1;ext=" + b"a" * 200_000,
        b"1\r\nx\r\n0\r\nTrailer: " + b"a" * 200_000,
        b"1\r\nx\r\n0\r\n" + b"Trailer: a\r\n" * 20_000,
    ],
    ids=["extension", "trailer", "trailers"],
)
async def test_a_body_of_framing_alone_is_refused(served: Served, tail: bytes) -> None:
    head = b"POST /read HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with connected(served, head) as (reader, writer):
        await writer.drain()
        writer.write(tail)
        assert (await rest(reader))[9:12] in (b"400", b"")


async def test_a_body_in_small_pieces_is_read(served: Served) -> None:
    head = b"POST /read HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with connected(served, head + b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n") as (reader, _):
        assert (await answer(reader)).startswith(b"HTTP/1.1 200")


async def test_nobody_is_listened_to_after_their_answer(served: Served) -> None:
    head = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000000\r\n\r\n"
    async with connected(served, head) as (reader, _):
        assert (await rest(reader)).startswith(b"HTTP/1.1 200")


async def test_few_requests_wait_behind_one_that_is_answered(served: Served) -> None:
    async with connected(served, GET % b"slow") as (reader, writer):
        await until(lambda: served.asked)
        writer.write((GET % b"") * 500)
        assert problem_in(await rest(reader)).status == 429


async def test_an_answer_that_is_not_read_is_given_up(limits: Any, served: Served) -> None:
    limits(drain_s=0.3)
    async with connected(served, GET % b"size/50000000") as (reader, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: served.asked)
        await until(lambda: served.counts == (0, 0))
    async with connected(served, GET % b"size/50000000") as (reader, _):
        assert len(await answer(reader)) > 50_000_000


async def test_unread_answers_of_one_address_have_a_bound_together(limits: Any, served: Served) -> None:
    limits(unsent_per_share=12 * MB)
    async with contextlib.AsyncExitStack() as held:
        for _ in range(6):
            _, writer = await held.enter_async_context(
                connected(served, GET % b"size/12000000", source="127.0.0.7")
            )
            writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: len(served.asked) == 6)
        await until(lambda: served.counts == (1, 0))
        async with connected(served, GET % b"") as (reader, _):
            assert (await answer(reader)).startswith(b"HTTP/1.1 200")


async def test_an_address_with_too_many_connections_loses_its_oldest(served: Served, settings: Any) -> None:
    settings.CONNECTIONS_PER_ADDRESS = 8
    async with contextlib.AsyncExitStack() as held:
        half = [
            await held.enter_async_context(connected(served, b"GET / HTTP/1.1\r\n", source="127.0.0.7"))
            for _ in range(8)
        ]
        await until(lambda: served.counts == (8, 0))
        async with connected(served, GET % b"", source="127.0.0.7") as (reader, _):
            assert (await answer(reader)).startswith(b"HTTP/1.1 200")
        assert problem_in(await rest(half[0][0])).status == 503
        async with connected(served, GET % b"", source="127.0.0.8") as (reader, _):
            assert (await answer(reader)).startswith(b"HTTP/1.1 200")
        assert not half[1][0].at_eof()


async def test_the_address_with_most_connections_makes_room_for_others(served: Served, settings: Any) -> None:
    settings.CONNECTIONS = 20
    async with contextlib.AsyncExitStack() as held:
        for _ in range(40):
            await held.enter_async_context(connected(served, b"GET / HTTP/1.1\r\n", source="127.0.0.7"))
        honest, writer = await held.enter_async_context(connected(served, b"GET / HT", source="127.0.0.8"))
        for _ in range(40):
            await held.enter_async_context(connected(served, b"GET / HTTP/1.1\r\n", source="127.0.0.7"))
        writer.write(b"TP/1.1\r\nHost: here\r\n\r\n")
        assert (await answer(honest)).startswith(b"HTTP/1.1 200")
        assert served.counts[0] <= 20


async def test_where_nobody_can_give_way_a_newcomer_is_told_to_come_again(
    served: Served, settings: Any
) -> None:
    settings.CONNECTIONS_PER_ADDRESS = 8
    async with contextlib.AsyncExitStack() as held:
        for _ in range(8):
            await held.enter_async_context(connected(served, GET % b"slow"))
        await until(lambda: len(served.asked) == 8)
        async with connected(served) as (reader, _):
            said = await rest(reader)
            assert b"retry-after: 5\r\n" in said
            assert problem_in(said).status == 503


async def test_surplus_connections_stay_open_for_a_moment_and_no_more_than_half_of_all(
    served: Served, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CONNECTIONS_PER_ADDRESS, settings.CONNECTIONS = 8, 16
    monkeypatch.setattr(connections, "LINGER_S", 4 * PATIENCE_S)
    async with contextlib.AsyncExitStack() as held:
        readers = [
            (await held.enter_async_context(connected(served, b"GET / HTTP/1.1\r\n", source="127.0.0.7")))[0]
            for _ in range(8 + 8 + 1)
        ]
        tasks = [asyncio.create_task(rest(reader)) for reader in readers]
        ended, others = await asyncio.wait(tasks, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        assert len(ended) == 1, "eight are kept, and half of sixteen linger"
        assert problem_in(ended.pop().result()).status == 503
        for task in others:
            task.cancel()


async def test_a_surplus_connection_that_goes_on_sending_is_cut_off(
    served: Served, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CONNECTIONS_PER_ADDRESS = 1
    monkeypatch.setattr(connections, "LINGER_S", 4 * PATIENCE_S)
    async with connected(served, b"GET / HTTP/1.1\r\n") as (reader, writer), connected(served):
        await until(lambda: any(guard._lingering for guard in list(connections._guards.values())))
        writer.write(b"X: " + b"a" * (1 << 20))
        assert await rest(reader) == b""


async def test_a_proxy_may_have_as_many_connections_as_it_needs(served: Served, settings: Any) -> None:
    settings.CONNECTIONS_PER_ADDRESS, settings.TRUSTED_PROXIES = 8, 1
    async with contextlib.AsyncExitStack() as held:
        for _ in range(30):
            await held.enter_async_context(connected(served, b"GET / HTTP/1.1\r\n"))
        await until(lambda: served.counts == (30, 0))


# Websockets.


def _link(served: Served, path: str) -> Any:
    return connect(
        f"ws://{served.host}:{served.port}{path}",
        compression=None,
        ping_interval=None,
        open_timeout=PATIENCE_S,
    )


def _upgrade(path: bytes, *more: bytes) -> bytes:
    lines = [
        b"GET " + path + b" HTTP/1.1", b"Host: here", b"Upgrade: websocket", b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *more, b"", b"",
    ]  # fmt: skip
    return b"\r\n".join(lines)


def _frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return struct.pack("!BB", (0x80 if final else 0) | opcode, 0x80 | len(payload)) + mask + masked


async def test_an_established_link_does_not_count_as_a_connection(served: Served) -> None:
    async with _link(served, "/link"):
        await until(lambda: served.counts == (0, 1))
    await until(lambda: served.counts == (0, 0))


async def test_a_handshake_that_is_never_decided_is_ended(limits: Any, served: Served) -> None:
    limits(handshake_s=0.2)
    async with connected(served, _upgrade(b"/never")) as (reader, _):
        assert await rest(reader) == b""
    await until(lambda: served.counts == (0, 0))


async def test_frames_before_the_handshake_is_over_end_it(served: Served) -> None:
    async with connected(served, _upgrade(b"/never")) as (reader, writer):
        await until(lambda: served.asked)
        writer.write(_frame(1, b"{}"))
        assert await rest(reader) == b""


@pytest.mark.parametrize(
    "upgrade", [(b"/" + b"a" * 9000,), (b"/", b"x: " + b"a" * 9000)], ids=["address", "header"]
)
async def test_an_upgrade_that_the_library_would_not_read_is_refused(
    served: Served, upgrade: tuple[bytes, ...]
) -> None:
    async with connected(served, _upgrade(*upgrade)) as (reader, _):
        assert problem_in(await rest(reader)).status == 431
    await until(lambda: served.counts == (0, 0))


async def test_a_message_of_countless_frames_ends_its_link(served: Served) -> None:
    async with connected(served, _upgrade(b"/link")) as (reader, writer):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        writer.write(_frame(1, b"", final=False) + _frame(0, b"", final=False) * 2000)
        await rest(reader)


async def test_pings_whose_answers_are_not_read_end_their_link(limits: Any, served: Served) -> None:
    limits(drain_s=PATIENCE_S * 10)
    async with connected(served, _upgrade(b"/link")) as (reader, writer):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        pings = _frame(9, b"p" * 125) * 1000
        with contextlib.suppress(ConnectionError):
            for _ in range(400):
                writer.write(pings)
                await writer.drain()
        await until(lambda: served.counts == (0, 0))


async def test_a_link_that_does_not_read_is_given_up(limits: Any, served: Served) -> None:
    limits(drain_s=0.3)
    async with connected(served, _upgrade(b"/flood")) as (reader, writer):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: served.counts == (0, 1))
        await until(lambda: served.counts == (0, 0))
