"""The agents' websocket, over a real port: what is pushed, what is written down, and how a link ends."""

import time
from pathlib import Path
from typing import Any

import pytest

from control_plane.common.scoping import studio_scope
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
from shared.protocol.codec import decode
from shared.protocol.config import AgentConfig
from shared.protocol.messages import (
    CLOSE_STOPPED,
    Desired,
    Heartbeat,
    Report,
    SendAgain,
    SendingAgain,
    Welcome,
)
from shared.protocol.status import ConfigStatus, Reported
from tests.control_plane.conftest import Cast
from tests.control_plane.fleet.conftest import make_room, pair_agent
from tests.control_plane.fleet.link_client import (
    client_at,
    eventually,
    in_thread,
    linked,
    receive_message,
    send_message,
    status,
)
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import upload


def add_camera(cast: Cast, room: Room, agent: Agent, name: str) -> Camera:
    with studio_scope(cast.studio.id):
        return services.add_camera(
            room, agent, name=name, position="left", address="rtsp://10.0.0.1/a", actor=cast.alice.actor
        )


async def test_it_greets_with_its_time_and_pushes_the_configuration_and_each_change(
    committed: Cast, address: str
) -> None:
    agent_client, agent = await in_thread(pair_agent, committed)
    room = await in_thread(make_room, committed)
    async with linked(agent_client, address) as socket:
        assert isinstance(welcome := await receive_message(socket), Welcome)
        assert abs(welcome.server_time_at.timestamp() - time.time()) < 5
        first = await receive_message(socket)
        assert isinstance(first, Desired)
        assert first.config.body.cameras == ()
        await in_thread(add_camera, committed, room, agent, "left wall")
        second = await receive_message(socket)
        assert second.config.version == first.config.version + 1
        assert [camera.name for camera in second.config.body.cameras] == ["left wall"]


async def test_what_the_agent_has_already_is_not_pushed_and_its_reports_are_written_down(
    committed: Cast, address: str
) -> None:
    agent_client, agent = await in_thread(pair_agent, committed)
    agent_client.address = address
    config = decode((await in_thread(agent_client.call, "GET", "config")).content, AgentConfig)
    reported = Reported(version=config.version, hash=config.hash, status=ConfigStatus.APPLIED)
    async with linked(agent_client, address, reported) as socket:
        assert isinstance(await receive_message(socket), Welcome)
        await send_message(socket, Heartbeat(status=status()))
        row = await eventually(committed, agent, lambda row: hasattr(row, "status_report"))
        assert row.reported.version == config.version
        assert row.state == AgentState.ACTIVE
        assert row.link_id is not None
        assert row.is_online
        with pytest.raises(TimeoutError):
            await receive_message(socket, within_s=0.3)
    await eventually(committed, agent, lambda row: row.link_id is None)


async def test_an_agent_that_says_goodbye_is_stopped_at_once_and_there_again_when_it_is_back(
    committed: Cast, address: str
) -> None:
    agent_client, agent = await in_thread(pair_agent, committed)
    async with linked(agent_client, address) as socket:
        await receive_message(socket)
        await send_message(socket, Heartbeat(status=status()))
        row = await eventually(committed, agent, lambda row: hasattr(row, "status_report"))
        assert row.is_online
        await socket.close(CLOSE_STOPPED, "stopped")
    row = await eventually(committed, agent, lambda row: row.link_id is None)
    assert row.stopped_at is not None
    assert not row.is_online
    assert fresh_status(row) is None
    async with linked(agent_client, address) as socket:
        await receive_message(socket)
        row = await eventually(committed, agent, lambda row: row.is_online)
        assert row.stopped_at is None


@pytest.mark.parametrize("code", [1000, 1011, 4000])
async def test_a_line_that_merely_ends_leaves_an_agent_its_time_to_come_back(
    committed: Cast, address: str, code: int
) -> None:
    agent_client, agent = await in_thread(pair_agent, committed)
    async with linked(agent_client, address) as socket:
        await receive_message(socket)
        await socket.close(code)
    row = await eventually(committed, agent, lambda row: row.link_id is None)
    assert row.stopped_at is None
    assert row.is_online


async def test_the_goodbye_of_an_old_link_does_not_stop_an_agent_that_has_a_new_one(
    committed: Cast, address: str
) -> None:
    agent_client, agent = await in_thread(pair_agent, committed)
    async with linked(agent_client, address) as old:
        await receive_message(old)
        async with linked(agent_client, address) as new:
            await receive_message(new)
            await old.close(CLOSE_STOPPED, "stopped")
            await send_message(new, Heartbeat(status=status()))
            row = await eventually(committed, agent, lambda row: hasattr(row, "status_report"))
            assert row.is_online
            assert row.link_id is not None


async def test_a_lost_announcement_is_made_up_for_and_a_doubled_one_is_harmless(
    committed: Cast, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent_client, agent = await in_thread(pair_agent, committed)
    room = await in_thread(make_room, committed)
    async with linked(agent_client, address) as socket:
        await receive_message(socket)
        first = (await receive_message(socket)).config
        await send_message(
            socket,
            Report(reported=Reported(version=first.version, hash=first.hash, status=ConfigStatus.APPLIED)),
        )
        await eventually(committed, agent, lambda row: row.reported.version == first.version)
        with monkeypatch.context() as lost:
            lost.setattr(announcements, "announce", lambda announcement: None)
            await in_thread(add_camera, committed, room, agent, "left wall")
        with pytest.raises(TimeoutError):
            await receive_message(socket, within_s=0.5)

        def sweep() -> int:
            with studio_scope(committed.studio.id):
                return sweep_studio()

        assert await in_thread(sweep) == 1
        second = (await receive_message(socket)).config
        assert second.version == first.version + 1
        again = announcements.Announcement(agent_id=agent.id, topic=announcements.Topic.CONFIG)
        for _ in range(3):
            await in_thread(announcements.announce, again)
        with pytest.raises(TimeoutError):
            await receive_message(socket, within_s=0.5)
        await send_message(
            socket,
            Report(reported=Reported(version=second.version, hash=second.hash, status=ConfigStatus.APPLIED)),
        )
        await eventually(committed, agent, lambda row: row.reported.version == second.version)
        assert await in_thread(sweep) == 0


async def test_an_agent_is_asked_for_lost_footage_at_each_link_until_it_answers(
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

    scene = await in_thread(damaged)
    config = decode(
        (await in_thread(client_at(scene.agent_client, address).call, "GET", "config")).content, AgentConfig
    )
    known = Reported(version=config.version, hash=config.hash, status=ConfigStatus.APPLIED)
    async with linked(scene.agent_client, address, known, protocol=3) as socket:
        assert isinstance(await receive_message(socket), Welcome)
        assert await in_thread(ask) == 2
        asked = await receive_message(socket)
        assert isinstance(asked, SendAgain)
        assert len(asked.segment_ids) == 2
        await in_thread(ask)
        with pytest.raises(TimeoutError):
            await receive_message(socket, within_s=0.5)
    async with linked(scene.agent_client, address, known, protocol=2) as socket:
        assert isinstance(await receive_message(socket), Welcome)
        with pytest.raises(TimeoutError):
            await receive_message(socket, within_s=0.5)
    async with linked(scene.agent_client, address, known, protocol=3) as socket:
        assert isinstance(await receive_message(socket), Welcome)
        assert await receive_message(socket) == asked, "asked anew at each link"
        await send_message(socket, SendingAgain(coming=asked.segment_ids[:1]))
        rest = await receive_message(socket)
        assert rest == SendAgain(segment_ids=asked.segment_ids[1:])
        await send_message(socket, SendingAgain(gone=rest.segment_ids))
        with pytest.raises(TimeoutError):
            await receive_message(socket, within_s=0.5)
    async with linked(scene.agent_client, address, known, protocol=3) as socket:
        assert isinstance(await receive_message(socket), Welcome)
        with pytest.raises(TimeoutError):
            await receive_message(socket, within_s=0.5)
    assert await in_thread(repairs) == {"coming", "lost"}


async def test_two_agents_with_one_identity_are_noticed_and_a_reconnect_is_not(
    committed: Cast, address: str, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = 1
    agent_client, agent = await in_thread(pair_agent, committed)
    async with linked(agent_client, address, forwarded_for="203.0.113.5") as first:
        await receive_message(first)
    async with linked(agent_client, address, forwarded_for="6.6.6.6, 203.0.113.5:4711") as first:
        await receive_message(first)
        await send_message(first, Heartbeat(status=status()))
        row = await eventually(committed, agent, lambda row: row.link_id is not None)
        assert row.duplicate_at is None
        async with linked(agent_client, address, forwarded_for="[2001:db8::5]:4711") as second:
            await receive_message(second)
            monkeypatch.setattr(gateway, "RIVAL_GRACE_S", 0.0)
            await send_message(second, Heartbeat(status=status()))
            await send_message(first, Heartbeat(status=status()))
            row = await eventually(committed, agent, lambda row: row.duplicate_at is not None)
            assert row.duplicate_detail == "seen at 203.0.113.5 and at 2001:db8::5"
