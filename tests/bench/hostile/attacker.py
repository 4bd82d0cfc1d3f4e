"""One attack as a process: `python -m tests.bench.hostile.attacker NAME`, told over its standard input and output.

It reads a `Ground` as one JSON line, says `{"begun": true}` once the attack is under way, attacks until its input ends,
and then prints what it did. A process of its own, so that it shares no Python thread with what measures.
"""

import asyncio
import contextlib
import os
import resource
import sys
from types import TracebackType
from typing import Any

import msgspec

from tests.bench.hostile.attacks import ATTACKS
from tests.bench.hostile.course import Course
from tests.bench.hostile.ground import Ground

BEGIN_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
LINE_LIMIT_BYTES = 1 << 22


class Attacker:
    """Starts an attack on entry and waits until it has begun; kills what is left of it on exit."""

    def __init__(self, name: str, ground: Ground) -> None:
        self._name = name
        self._ground = ground
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "Attacker":
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.hostile.attacker", self._name,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_LIMIT_BYTES,
        )  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(self._ground) + b"\n")
        await self._process.stdin.drain()
        assert await self._line(BEGIN_TIMEOUT_S) == {"begun": True}, self._name
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def stop(self) -> dict[str, Any]:
        """Ends the attack and returns what it says it did."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        return await self._line(STOP_TIMEOUT_S)

    async def _line(self, timeout_s: float) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(timeout_s):
            line = await self._process.stdout.readline()
        assert line, f"the attack {self._name} ended by itself"
        said: dict[str, Any] = msgspec.json.decode(line)
        return said


async def _main(name: str) -> None:
    # It stands for another machine: it takes of this one what the control plane leaves.
    os.nice(19)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    reader = asyncio.StreamReader(limit=LINE_LIMIT_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    ground = msgspec.json.decode(await reader.readline(), type=Ground)
    course = Course()
    attack = asyncio.create_task(ATTACKS[name](ground, course))
    begun = asyncio.create_task(course.begun.wait())
    await asyncio.wait({attack, begun}, return_when=asyncio.FIRST_COMPLETED)
    if attack.done():
        attack.result()
    print('{"begun": true}', flush=True)
    await reader.read()
    attack.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await attack
    print(msgspec.json.encode(dict(course.facts)).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
