"""Attacks of somebody who is not signed in: connections that send a little and never end."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.bench.hostile.course import Course
from tests.bench.hostile.ground import ATTACKER_ADDRESSES, Ground

HEADER_BYTES = 600_000_000
HALF_HEADS, HALF_BODIES = 1_500, 500
BODIES, BODY_BYTES = 60, 8_000_000
LINE = b"x-padding: " + b"a" * 4_000 + b"\r\n"
AGAIN_S = 0.5


async def endless_headers(ground: Ground, course: Course) -> None:
    """Sends 600 MB of headers on one connection; begins again where the server ends it."""
    sent = 0
    for source in itertools.cycle(ATTACKER_ADDRESSES):
        course.facts["connections"] += 1
        try:
            reader, writer = await _connect(ground, source)
            writer.write(b"GET / HTTP/1.1\r\nHost: attack\r\n")
            while sent < HEADER_BYTES and not reader.at_eof():
                writer.write(LINE * 16)
                await writer.drain()
                sent += len(LINE) * 16
                course.begun.set()
            course.facts["MB sent"] = sent // 1_000_000
            await reader.read(200)
        except OSError:
            course.facts["ended by the server"] += 1
        course.begun.set()
        if sent >= HEADER_BYTES:
            await asyncio.Event().wait()
        await asyncio.sleep(AGAIN_S)


async def half_sent(ground: Ground, course: Course) -> None:
    """Holds 1,500 half-sent heads and 500 half-sent bodies; replaces those that the server ends."""
    head = b"GET / HTTP/1.1\r\nHost: attack\r\nX-Half: "
    body = (
        b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nhalf="
    )
    sources = itertools.cycle(ATTACKER_ADDRESSES)
    async with asyncio.TaskGroup() as held:
        for index in range(HALF_HEADS + HALF_BODIES):
            first = head if index < HALF_HEADS else body
            held.create_task(_hold(ground, course, sources, first))
            if index % 50 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(2)
        course.begun.set()


async def held_bodies(ground: Ground, course: Course) -> None:
    """Holds 60 bodies of 8 MB open, each without its last byte; replaces those that the server ends."""
    first = (
        b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" % BODY_BYTES
    )
    sources = itertools.cycle(ATTACKER_ADDRESSES)
    async with asyncio.TaskGroup() as held:
        for _ in range(BODIES):
            held.create_task(_hold(ground, course, sources, first + b"a" * (BODY_BYTES - 1)))
        await asyncio.sleep(5)
        course.begun.set()


async def _hold(ground: Ground, course: Course, sources: Iterator[str], first: bytes) -> None:
    while True:
        course.facts["connections"] += 1
        with contextlib.suppress(OSError):
            reader, writer = await _connect(ground, next(sources))
            try:
                writer.write(first)
                await writer.drain()
                # Whatever the server says: the connection is over when it ends it.
                while said := await reader.read(4096):
                    course.facts[said[:12].decode("latin-1")] += 1
            finally:
                writer.close()
        course.facts["ended by the server"] += 1
        await asyncio.sleep(AGAIN_S)


async def _connect(ground: Ground, source: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(ground.address)
    return await asyncio.open_connection(parts.hostname, parts.port, local_addr=(source, 0))
