"""Thousands of agents in one process, told over standard input what to do; see `gateway`."""

import asyncio
import contextlib
import json
import random
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from shared.kernel.backoff import Backoff
from shared.protocol.codec import decode, encode
from shared.protocol.messages import Desired, Heartbeat, Hello, Report, ToAgent, Welcome
from shared.protocol.status import HEARTBEAT_S, AgentStatus, ConfigStatus, Reported, SpoolStatus

OPEN_TIMEOUT_S = 15.0
DESCRIPTORS = 30_000


class SimulatedAgent:
    """One agent: connects, greets, beats, takes what is pushed, and comes back."""

    def __init__(
        self, fleet: "Fleet", agent_id: str, studio_id: str, private: str, source: tuple[str, int]
    ) -> None:
        self.fleet = fleet
        self._source = source
        self.agent_id, self.studio_id = agent_id, studio_id
        self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private))
        self.socket: ClientConnection | None = None
        self.linked = asyncio.Event()
        self.heard: dict[int, float] = {}
        self.news = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self._reported = Reported(version=0, hash=None, status=ConfigStatus.APPLIED)

    def authorization(self) -> str:
        """Returns a fresh Authorization header."""
        now_s = int(time.time())
        claims = {
            "iss": self.agent_id,
            "std": self.studio_id,
            "aud": self.fleet.audience,
            "iat": now_s,
            "exp": now_s + 60,
            "jti": uuid4().hex,
        }
        return "Bearer " + jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self.agent_id})

    async def run(self) -> None:
        """Stays linked until cancelled."""
        backoff = Backoff(1.0, 60.0)
        while True:
            try:
                async with connect(
                    self.fleet.url,
                    additional_headers={"Authorization": self.authorization()},
                    compression=None,
                    open_timeout=OPEN_TIMEOUT_S,
                    close_timeout=1,
                    ping_interval=None,
                    max_queue=2,
                    write_limit=4096,
                    local_addr=self._source,
                ) as socket:
                    self.socket = socket
                    await self._serve(socket, backoff)
            except (OSError, WebSocketException, TimeoutError):
                self.fleet.failed += not self.linked.is_set()
            self.linked.clear()
            await asyncio.sleep(backoff.next_wait_s())

    async def _serve(self, socket: ClientConnection, backoff: Backoff) -> None:
        await socket.send(encode(Hello(protocol=1, agent_version="bench", reported=self._reported)).decode())
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            assert isinstance(self._decoded(await socket.recv()), Welcome)
        self.linked.set()
        backoff.reset()
        beat = asyncio.create_task(self._beat(socket))
        try:
            async for data in socket:
                await self.reads.wait()
                message = self._decoded(data)
                if isinstance(message, Desired):
                    config = message.config
                    self.heard[config.version] = time.time()
                    self.news.set()
                    self._reported = Reported(
                        version=config.version, hash=config.hash, status=ConfigStatus.APPLIED
                    )
                    await socket.send(encode(Report(reported=self._reported)).decode())
        finally:
            beat.cancel()

    async def _beat(self, socket: ClientConnection) -> None:
        await asyncio.sleep(random.random() * HEARTBEAT_S)
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.send(encode(Heartbeat(status=_status())).decode())
                await asyncio.sleep(HEARTBEAT_S)

    def _decoded(self, data: Any) -> Any:
        return decode(data, cast(type[Any], ToAgent))


class Fleet:
    """All of them."""

    def __init__(self, address: str, path: Path) -> None:
        said = json.loads(path.read_text())
        self.url = f"{address.replace('http', 'ws')}/agent/v1/link"
        self.audience: str = said["audience"]
        studios = list(dict.fromkeys(studio for _, studio, _ in said["agents"]))
        # Each studio has a line of its own: the server bounds the connections of one address.
        self.agents = [
            SimulatedAgent(self, agent_id, studio, private, (f"127.0.1.{1 + studios.index(studio) % 250}", 0))
            for agent_id, studio, private in said["agents"]
        ]
        self.by_id = {agent.agent_id: agent for agent in self.agents}
        self.failed = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def link(self) -> dict[str, Any]:
        """Links all, some hundred in each second, and returns how long that took."""
        began_s = time.perf_counter()
        for agent in self.agents:
            self._tasks.add(asyncio.create_task(agent.run()))
            await asyncio.sleep(0.005)
        return await self._back(began_s)

    async def storm(self) -> dict[str, Any]:
        """Drops all connections at once, and returns when half, 99 % and all are back."""
        self.failed = 0
        for agent in self.agents:
            agent.reads.set()
            agent.linked.clear()
            if agent.socket is not None:
                agent.socket.transport.abort()
        return await self._back(time.perf_counter())

    async def _back(self, began_s: float) -> dict[str, Any]:
        times: dict[str, float] = {}
        shares = {"half_s": 0.5, "most_s": 0.99, "all_s": 1.0}
        while len(times) < len(shares):
            linked = sum(agent.linked.is_set() for agent in self.agents)
            for name, share in shares.items():
                if linked >= share * len(self.agents) and name not in times:
                    times[name] = time.perf_counter() - began_s
            await asyncio.sleep(0.1)
        return times | {"failed": self.failed}

    async def heard(self, agent_id: str, version: int) -> dict[str, Any]:
        """Returns when an agent heard of a version, once it has."""
        agent = self.by_id[agent_id]
        while version not in agent.heard:
            agent.news.clear()
            await agent.news.wait()
        return {"at_s": agent.heard[version]}

    async def deafen(self, number: int) -> dict[str, Any]:
        """Has some agents read nothing any more, while they go on speaking."""
        for agent in self.agents[-number:]:
            agent.reads.clear()
            if agent.socket is not None:
                agent.socket.transport.pause_reading()
        return {"number": number}

    async def oversize(self) -> dict[str, Any]:
        """Sends a frame that is too large, and returns the code that the socket is closed with."""
        agent = self.agents[0]
        async with connect(
            self.url, additional_headers={"Authorization": agent.authorization()}, compression=None
        ) as socket:
            with contextlib.suppress(ConnectionClosed):
                await socket.send("x" * ((1 << 20) + 1))
                async with asyncio.timeout(10):
                    await socket.recv()
            return {"code": socket.close_code}


def _status() -> AgentStatus:
    return AgentStatus(
        now_at=datetime.now(UTC),
        uptime_s=1,
        clock_offset_ms=0,
        cameras=(),
        recordings=(),
        spool=SpoolStatus(bytes_used=0, bytes_free=1, segments_pending=0, behind_s=0),
    )


async def main(address: str, path: str) -> None:
    """Obeys until standard input ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, DESCRIPTORS), hard))
    fleet = Fleet(address, Path(path))
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        asked = json.loads(line)
        answer = await getattr(fleet, asked.pop("do"))(**asked)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
