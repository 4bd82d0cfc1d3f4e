"""A client of the agents' websocket: it connects as an agent, and sends and receives messages."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from django.db import connections
from websockets.asyncio.client import ClientConnection, connect

from control_plane.common.scoping import studio_scope
from control_plane.fleet.models import Agent
from shared.protocol.codec import decode, encode
from shared.protocol.messages import FromAgent, Hello, ToAgent
from shared.protocol.status import AgentStatus, ConfigStatus, Reported, SpoolStatus
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.conftest import Cast

T = TypeVar("T")

PATIENCE_S = 20.0

NOTHING = Reported(version=0, hash=None, status=ConfigStatus.APPLIED)


@asynccontextmanager
async def linked(
    agent_client: AgentClient,
    address: str,
    reported: Reported = NOTHING,
    *,
    protocol: int = 1,
    forwarded_for: str = "",
) -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": agent_client.authorization()}
    if forwarded_for:
        headers["X-Forwarded-For"] = forwarded_for
    url = f"{address.replace('http', 'ws')}/agent/v1/link"
    async with connect(url, additional_headers=headers, compression=None) as socket:
        await send_message(socket, Hello(protocol=protocol, agent_version="0.1.0", reported=reported))
        yield socket


async def in_thread(call: Callable[..., T], *args: Any) -> T:
    """Runs what touches the database in a thread that leaves no connection behind."""

    def run() -> T:
        try:
            return call(*args)
        finally:
            connections.close_all()

    return await asyncio.to_thread(run)


async def send_message(socket: ClientConnection, message: FromAgent) -> None:
    await socket.send(encode(message).decode())


async def receive_message(socket: ClientConnection, within_s: float = PATIENCE_S) -> Any:
    async with asyncio.timeout(within_s):
        return decode(await socket.recv(), cast(type[Any], ToAgent))


def status() -> AgentStatus:
    return AgentStatus(
        now_at=datetime(2026, 11, 21, tzinfo=UTC),
        uptime_s=1,
        clock_offset_ms=0,
        cameras=(),
        recordings=(),
        spool=SpoolStatus(bytes_used=0, bytes_free=1, segments_pending=0, behind_s=0),
    )


def read(cast: Cast, agent: Agent) -> Agent:
    with studio_scope(cast.studio.id):
        row: Agent = Agent.objects.select_related("reported", "status_report").get(pk=agent.pk)
        return row


async def eventually(cast: Cast, agent: Agent, is_so: Any) -> Agent:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        row = await in_thread(read, cast, agent)
        if is_so(row):
            return row
        assert time.monotonic() < deadline, "it did not become so"
        await asyncio.sleep(0.02)


def client_at(agent_client: AgentClient, address: str) -> AgentClient:
    agent_client.address = address
    return agent_client
