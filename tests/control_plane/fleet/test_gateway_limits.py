"""Limits of the agents' websocket: bad frames, floods and large messages, and fair turns for networks."""

import asyncio
import contextlib
import threading
from typing import Any

import pytest
import websockets
from msgspec.structs import replace

from control_plane.common.throttle import Throttle
from control_plane.fleet import gateway
from shared.protocol.errors import Code
from shared.protocol.messages import Fault, Heartbeat
from tests.control_plane.conftest import Cast
from tests.control_plane.fleet.conftest import pair_agent
from tests.control_plane.fleet.link_client import (
    PATIENCE_S,
    eventually,
    in_thread,
    linked,
    receive_message,
    send_message,
    status,
)


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        ('{"type":"heartbeat","status":{"now_at":1}}', "status"),
        (
            '{"type":"report","reported":{"version":99999999999,"hash":null,"status":"applied"}}',
            "reported.version",
        ),
    ],
)
async def test_a_frame_that_cannot_be_used_is_answered_with_a_fault(
    committed: Cast, address: str, frame: str, named: str
) -> None:
    agent_client, _ = await in_thread(pair_agent, committed)
    async with linked(agent_client, address) as socket:
        await receive_message(socket)
        await receive_message(socket)
        await socket.send(frame)
        fault = await receive_message(socket)
        assert isinstance(fault, Fault)
        assert fault.code is Code.BAD_REQUEST
        assert named in fault.detail
        with pytest.raises(websockets.ConnectionClosed):
            await receive_message(socket)


async def test_an_agent_that_floods_waits_and_others_are_heard(
    committed: Cast, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over all of its sockets: as many threads wait for the database as there are for all agents."""
    taken: dict[Any, list[float]] = {}
    released = threading.Event()

    async def take(self: Throttle, name: Any, amount: float) -> None:
        taken.setdefault(name, []).append(amount)
        if name == flooding.agent_id and len(taken[name]) > 3:
            # The rate is kept by not reading on. It runs in the server's loop, which outlives that of the test.
            await asyncio.to_thread(released.wait, PATIENCE_S)

    monkeypatch.setattr(Throttle, "take", take)
    (flooding, _), (other, agent) = [await in_thread(pair_agent, committed) for _ in range(2)]
    async with linked(flooding, address) as socket, linked(other, address) as quiet:
        for _ in range(50):
            await send_message(socket, Heartbeat(status=status()))
        await send_message(quiet, Heartbeat(status=status()))
        await eventually(committed, agent, lambda row: hasattr(row, "status_report"))
        assert 1 <= len(taken.get(flooding.agent_id, [])) <= 4
        released.set()


async def test_a_large_message_counts_like_many(address: str, committed: Cast) -> None:
    taken: list[float] = []
    agent_client, _ = await in_thread(pair_agent, committed)

    async def take(name: Any, amount: float) -> None:
        taken.append(amount)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gateway.gateway.throttle, "take", take)
        async with linked(agent_client, address) as socket:
            await send_message(socket, Heartbeat(status=replace(status(), update="x" * 600)))
            await socket.send("x" * (10 * gateway.MESSAGE_BYTES))
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    await receive_message(socket)
    assert [round(amount) for amount in taken] == [1, 1, 11]


async def test_networks_take_turns_at_opening_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    one, finish, looked_at = gateway.Gateway(), threading.Event(), list[str]()

    def authenticate(token: str, *, address: str) -> Any:
        looked_at.append(address)
        assert address != "192.0.2.1" or finish.wait(PATIENCE_S)

    monkeypatch.setattr(gateway, "authenticate", authenticate)

    def opened(address: str) -> asyncio.Task[Any]:
        return asyncio.create_task(one._authenticated({"client": (address, 1), "headers": []}))

    crowd = [opened("192.0.2.1") for _ in range(10)]
    async with asyncio.timeout(PATIENCE_S):
        await opened("198.51.100.9")
    assert looked_at.count("192.0.2.1") <= gateway.UPGRADES_PER_NETWORK
    finish.set()
    await asyncio.gather(*crowd)
    assert len(looked_at) == 11
