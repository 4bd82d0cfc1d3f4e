"""The agents' websocket, over a real port: what is pushed, when it closes, and what is noticed."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
import jwt
import pytest
import websockets
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connections
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect

from control_plane.common.scoping import studio_scope
from control_plane.common.throttle import Throttle
from control_plane.fleet import announcements, gateway, services
from control_plane.fleet.models import Agent, AgentState, Camera
from control_plane.fleet.selectors import fresh_status
from control_plane.fleet.sweep import sweep_studio
from control_plane.integrity.damage import DamageFinding, record_damage
from control_plane.integrity.inspect import SYSTEM
from control_plane.integrity.repairs import request_resends
from control_plane.recordings.damage_models import DamageKind, SegmentDamage
from control_plane.recordings.models import Segment
from control_plane.recordings.segment_factory import ObjectLocation
from control_plane.tenancy.models import Room
from shared.protocol.codec import decode, encode
from shared.protocol.config import AgentConfig
from shared.protocol.errors import Code, Problem
from shared.protocol.messages import (
    CLOSE_STOPPED,
    Desired,
    Fault,
    FromAgent,
    Heartbeat,
    Hello,
    Report,
    Revoked,
    SendAgain,
    SendingAgain,
    ToAgent,
    Welcome,
)
from shared.protocol.status import AgentStatus, ConfigStatus, Reported, SpoolStatus
from tests.control_plane.box import Box
from tests.control_plane.conftest import Cast
from tests.control_plane.fleet.conftest import make_room, pair_box
from tests.control_plane.live import serve
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import upload

T = TypeVar("T")

PATIENCE_S = 20.0
NOTHING = Reported(version=0, hash=None, status=ConfigStatus.APPLIED)


@pytest.fixture
def address(committed: Cast) -> Iterator[str]:
    with serve() as url:
        yield url


@asynccontextmanager
async def linked(
    box: Box, address: str, reported: Reported = NOTHING, *, protocol: int = 1, forwarded_for: str = ""
) -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": box.authorization()}
    if forwarded_for:
        headers["X-Forwarded-For"] = forwarded_for
    url = f"{address.replace('http', 'ws')}/agent/v1/link"
    async with connect(url, additional_headers=headers, compression=None) as socket:
        await say(socket, Hello(protocol=protocol, agent_version="0.1.0", reported=reported))
        yield socket


async def aside(call: Callable[..., T], *args: Any) -> T:
    """Runs what touches the database in a thread that leaves no connection behind."""

    def run() -> T:
        try:
            return call(*args)
        finally:
            connections.close_all()

    return await asyncio.to_thread(run)


async def say(socket: ClientConnection, message: FromAgent) -> None:
    await socket.send(encode(message).decode())


async def hear(socket: ClientConnection, within_s: float = PATIENCE_S) -> Any:
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


def add_camera(cast: Cast, room: Room, agent: Agent, name: str) -> Camera:
    with studio_scope(cast.studio.id):
        return services.add_camera(
            room, agent, name=name, position="left", address="rtsp://10.0.0.1/a", actor=cast.alice.actor
        )


def read(cast: Cast, agent: Agent) -> Agent:
    with studio_scope(cast.studio.id):
        row: Agent = Agent.objects.select_related("reported", "status_report").get(pk=agent.pk)
        return row


async def eventually(cast: Cast, agent: Agent, is_so: Any) -> Agent:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        row = await aside(read, cast, agent)
        if is_so(row):
            return row
        assert time.monotonic() < deadline, "it did not become so"
        await asyncio.sleep(0.02)


async def test_it_greets_with_its_time_and_pushes_the_configuration_and_each_change(
    committed: Cast, address: str
) -> None:
    box, agent = await aside(pair_box, committed)
    room = await aside(make_room, committed)
    async with linked(box, address) as socket:
        assert isinstance(welcome := await hear(socket), Welcome)
        assert abs(welcome.server_time_at.timestamp() - time.time()) < 5
        first = await hear(socket)
        assert isinstance(first, Desired)
        assert first.config.body.cameras == ()
        await aside(add_camera, committed, room, agent, "left wall")
        second = await hear(socket)
        assert second.config.version == first.config.version + 1
        assert [camera.name for camera in second.config.body.cameras] == ["left wall"]


async def test_what_the_box_has_already_is_not_pushed_and_its_reports_are_written_down(
    committed: Cast, address: str
) -> None:
    box, agent = await aside(pair_box, committed)
    box.address = address
    config = decode((await aside(box.call, "GET", "config")).content, AgentConfig)
    reported = Reported(version=config.version, hash=config.hash, status=ConfigStatus.APPLIED)
    async with linked(box, address, reported) as socket:
        assert isinstance(await hear(socket), Welcome)
        await say(socket, Heartbeat(status=status()))
        row = await eventually(committed, agent, lambda row: hasattr(row, "status_report"))
        assert row.reported.version == config.version
        assert row.state == AgentState.ACTIVE
        assert row.link_id is not None
        assert row.is_online
        with pytest.raises(TimeoutError):
            await hear(socket, within_s=0.3)
    await eventually(committed, agent, lambda row: row.link_id is None)


async def test_an_agent_that_says_goodbye_is_stopped_at_once_and_there_again_when_it_is_back(
    committed: Cast, address: str
) -> None:
    box, agent = await aside(pair_box, committed)
    async with linked(box, address) as socket:
        await hear(socket)
        await say(socket, Heartbeat(status=status()))
        row = await eventually(committed, agent, lambda row: hasattr(row, "status_report"))
        assert row.is_online
        await socket.close(CLOSE_STOPPED, "stopped")
    row = await eventually(committed, agent, lambda row: row.link_id is None)
    assert row.stopped_at is not None
    assert not row.is_online
    assert fresh_status(row) is None
    async with linked(box, address) as socket:
        await hear(socket)
        row = await eventually(committed, agent, lambda row: row.is_online)
        assert row.stopped_at is None


@pytest.mark.parametrize("code", [1000, 1011, 4000])
async def test_a_line_that_merely_ends_leaves_an_agent_its_time_to_come_back(
    committed: Cast, address: str, code: int
) -> None:
    box, agent = await aside(pair_box, committed)
    async with linked(box, address) as socket:
        await hear(socket)
        await socket.close(code)
    row = await eventually(committed, agent, lambda row: row.link_id is None)
    assert row.stopped_at is None
    assert row.is_online


async def test_the_goodbye_of_an_old_link_does_not_stop_an_agent_that_has_a_new_one(
    committed: Cast, address: str
) -> None:
    box, agent = await aside(pair_box, committed)
    async with linked(box, address) as old:
        await hear(old)
        async with linked(box, address) as new:
            await hear(new)
            await old.close(CLOSE_STOPPED, "stopped")
            await say(new, Heartbeat(status=status()))
            row = await eventually(committed, agent, lambda row: hasattr(row, "status_report"))
            assert row.is_online
            assert row.link_id is not None


async def test_a_lost_announcement_is_made_up_for_and_a_doubled_one_is_harmless(
    committed: Cast, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, agent = await aside(pair_box, committed)
    room = await aside(make_room, committed)
    async with linked(box, address) as socket:
        await hear(socket)
        first = (await hear(socket)).config
        await say(
            socket,
            Report(reported=Reported(version=first.version, hash=first.hash, status=ConfigStatus.APPLIED)),
        )
        await eventually(committed, agent, lambda row: row.reported.version == first.version)
        with monkeypatch.context() as lost:
            lost.setattr(announcements, "announce", lambda announcement: None)
            await aside(add_camera, committed, room, agent, "left wall")
        with pytest.raises(TimeoutError):
            await hear(socket, within_s=0.5)

        def sweep() -> int:
            with studio_scope(committed.studio.id):
                return sweep_studio()

        assert await aside(sweep) == 1
        second = (await hear(socket)).config
        assert second.version == first.version + 1
        again = announcements.Announcement(agent_id=agent.id, topic=announcements.Topic.CONFIG)
        for _ in range(3):
            await aside(announcements.announce, again)
        with pytest.raises(TimeoutError):
            await hear(socket, within_s=0.5)
        await say(
            socket,
            Report(reported=Reported(version=second.version, hash=second.hash, status=ConfigStatus.APPLIED)),
        )
        await eventually(committed, agent, lambda row: row.reported.version == second.version)
        assert await aside(sweep) == 0


async def test_a_box_is_asked_for_lost_footage_at_each_link_until_it_answers(
    committed: Cast, address: str, tmp_path: Path
) -> None:
    def damaged() -> Scene:
        scene = make_scene(committed)
        made = scene.cuts(tmp_path, seconds=3)[:2]
        upload(scene, *made)
        with studio_scope(committed.studio.id):
            record_damage(
                [
                    DamageFinding(row.id, ObjectLocation(None, row.object_key), DamageKind.MISSING, "")
                    for row in Segment.objects.all()
                ],
                actor=SYSTEM,
            )
        return scene

    def ask() -> int:
        with studio_scope(committed.studio.id):
            return request_resends(actor=SYSTEM)

    def repairs() -> set[str]:
        with studio_scope(committed.studio.id):
            return set(SegmentDamage.objects.values_list("repair", flat=True))

    scene = await aside(damaged)
    config = decode((await aside(box_at(scene.box, address).call, "GET", "config")).content, AgentConfig)
    known = Reported(version=config.version, hash=config.hash, status=ConfigStatus.APPLIED)
    async with linked(scene.box, address, known, protocol=3) as socket:
        assert isinstance(await hear(socket), Welcome)
        assert await aside(ask) == 2
        asked = await hear(socket)
        assert isinstance(asked, SendAgain)
        assert len(asked.segment_ids) == 2
        await aside(ask)
        with pytest.raises(TimeoutError):
            await hear(socket, within_s=0.5)
    async with linked(scene.box, address, known, protocol=2) as socket:
        assert isinstance(await hear(socket), Welcome)
        with pytest.raises(TimeoutError):
            await hear(socket, within_s=0.5)
    async with linked(scene.box, address, known, protocol=3) as socket:
        assert isinstance(await hear(socket), Welcome)
        assert await hear(socket) == asked, "asked anew at each link"
        await say(socket, SendingAgain(coming=asked.segment_ids[:1]))
        rest = await hear(socket)
        assert rest == SendAgain(segment_ids=asked.segment_ids[1:])
        await say(socket, SendingAgain(gone=rest.segment_ids))
        with pytest.raises(TimeoutError):
            await hear(socket, within_s=0.5)
    async with linked(scene.box, address, known, protocol=3) as socket:
        assert isinstance(await hear(socket), Welcome)
        with pytest.raises(TimeoutError):
            await hear(socket, within_s=0.5)
    assert await aside(repairs) == {"coming", "lost"}


def box_at(box: Box, address: str) -> Box:
    box.address = address
    return box


async def test_revocation_closes_the_socket_within_five_seconds_with_a_signed_reason(
    committed: Cast, address: str
) -> None:
    box, agent = await aside(pair_box, committed)
    box.address = address

    def revoke() -> None:
        with studio_scope(committed.studio.id):
            services.revoke_agent(agent, reason="stolen", actor=committed.alice.actor)

    async with linked(box, address) as socket:
        await hear(socket)
        await hear(socket)
        await aside(revoke)
        began_s = time.monotonic()
        message = await hear(socket)
        with pytest.raises(websockets.ConnectionClosed):
            await hear(socket)
        assert time.monotonic() - began_s < 5
    assert isinstance(message, Revoked)
    assert revocation_of(box, message.revocation)["reason"] == "stolen"
    refused = await aside(box.call, "GET", "config")
    assert refused.status_code == 401
    problem = decode(refused.content, Problem)
    assert problem.code is Code.AGENT_REVOKED
    assert revocation_of(box, problem.revocation)["sub"] == str(agent.id)
    with pytest.raises(websockets.InvalidStatus) as upgrade:
        async with linked(box, address):
            pass
    assert upgrade.value.response.status_code == 401
    assert decode(bytes(upgrade.value.response.body), Problem).revocation
    assert len(upgrade.value.response.headers.get_all("Date")) == 1


async def test_revocation_closes_the_socket_in_time_even_where_no_announcement_is_heard(
    committed: Cast, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, agent = await aside(pair_box, committed)
    monkeypatch.setattr("control_plane.fleet.subscriber.CHANNEL", "somewhere else")
    monkeypatch.setattr(gateway, "POLL_S", 600.0)
    monkeypatch.setattr(
        "control_plane.fleet.subscriber.Subscriber.is_disconnected",
        property(lambda self: True, lambda self, value: None),
        raising=False,
    )

    def revoke() -> None:
        with studio_scope(committed.studio.id):
            services.revoke_agent(agent, reason="", actor=committed.alice.actor)

    async with linked(box, address) as socket:
        await hear(socket)
        await hear(socket)
        await aside(revoke)
        assert isinstance(await hear(socket, within_s=5), Revoked)


async def test_a_socket_without_a_good_token_is_refused_before_it_opens(
    committed: Cast, address: str
) -> None:
    box, _ = await aside(pair_box, committed)
    url = f"{address.replace('http', 'ws')}/agent/v1/link"
    used = box.authorization()
    async with connect(url, additional_headers={"Authorization": used}):
        pass
    for header in ({}, {"Authorization": "Bearer x"}, {"Authorization": used}):
        with pytest.raises(websockets.InvalidStatus) as refusal:
            async with connect(url, additional_headers=header):
                pass
        assert refusal.value.response.status_code == 401
        assert decode(bytes(refusal.value.response.body), Problem).code is Code.AGENT_TOKEN_INVALID


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
    box, _ = await aside(pair_box, committed)
    async with linked(box, address) as socket:
        await hear(socket)
        await hear(socket)
        await socket.send(frame)
        fault = await hear(socket)
        assert isinstance(fault, Fault)
        assert fault.code is Code.BAD_REQUEST
        assert named in fault.detail
        with pytest.raises(websockets.ConnectionClosed):
            await hear(socket)


async def test_two_boxes_with_one_identity_are_noticed_and_a_reconnect_is_not(
    committed: Cast, address: str, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(gateway, "RIVAL_GRACE_S", 0.2)
    settings.TRUSTED_PROXIES = 1
    box, agent = await aside(pair_box, committed)
    async with linked(box, address, forwarded_for="203.0.113.5") as first:
        await hear(first)
    async with linked(box, address, forwarded_for="6.6.6.6, 203.0.113.5:4711") as first:
        await hear(first)
        await say(first, Heartbeat(status=status()))
        row = await eventually(committed, agent, lambda row: row.link_id is not None)
        assert row.duplicate_at is None
        async with linked(box, address, forwarded_for="[2001:db8::5]:4711") as second:
            await hear(second)
            await asyncio.sleep(0.3)
            await say(second, Heartbeat(status=status()))
            await say(first, Heartbeat(status=status()))
            row = await eventually(committed, agent, lambda row: row.duplicate_at is not None)
            assert row.duplicate_detail == "seen at 203.0.113.5 and at 2001:db8::5"


def revocation_of(box: Box, token: str) -> dict[str, Any]:
    assert jwt.get_unverified_header(token)["typ"] == "revocation+jwt"
    key = Ed25519PublicKey.from_public_bytes(box.answer.revocation_key)
    return jwt.decode(token, key, algorithms=["EdDSA"], options={"verify_aud": False})


def test_a_get_of_the_link_by_http_is_not_found(committed: Cast, address: str) -> None:
    assert httpx.get(f"{address}/agent/v1/link").status_code == 404


async def test_an_agent_that_floods_waits_and_others_are_heard(
    committed: Cast, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over all of its sockets: as many threads wait for the database as there are for all agents."""
    taken: dict[Any, list[float]] = {}
    held = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def take(self: Throttle, name: Any, amount: float) -> None:
        taken.setdefault(name, []).append(amount)
        if name == flooding.agent_id and len(taken[name]) > 3:
            # The rate is kept by not reading on.
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(held.wait(), loop))

    monkeypatch.setattr(Throttle, "take", take)
    (flooding, _), (other, agent) = [await aside(pair_box, committed) for _ in range(2)]
    async with linked(flooding, address) as socket, linked(other, address) as quiet:
        for _ in range(50):
            await say(socket, Heartbeat(status=status()))
        await say(quiet, Heartbeat(status=status()))
        await eventually(committed, agent, lambda row: hasattr(row, "status_report"))
        assert len(taken[flooding.agent_id]) <= 4
        held.set()


async def test_a_large_message_counts_like_many(address: str, committed: Cast) -> None:
    taken: list[float] = []
    box, _ = await aside(pair_box, committed)

    async def take(name: Any, amount: float) -> None:
        taken.append(amount)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gateway.gateway.throttle, "take", take)
        async with linked(box, address) as socket:
            await say(socket, Heartbeat(status=replace(status(), update="x" * 600)))
            await socket.send("x" * (10 * gateway.MESSAGE_BYTES))
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    await hear(socket)
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
    assert looked_at.count("192.0.2.1") <= gateway.UPGRADES_OF_ONE
    finish.set()
    await asyncio.gather(*crowd)
    assert len(looked_at) == 11
