"""Secrets in a camera's address beside user and password: sealed like these, written and never read again."""

from typing import Any

import pytest
from django.db import connection
from nacl.public import SealedBox

from control_plane.audit.models import Entry
from control_plane.common.errors import BadRequest
from control_plane.common.scoping import studio_scope
from control_plane.fleet import reports, services
from control_plane.fleet.authentication import Caller
from control_plane.fleet.models import Agent, Camera, DesiredConfig
from control_plane.portal.agents.cameras import CameraCard, camera_card
from control_plane.tenancy.models import Room
from shared.protocol.config import SEALED_TAIL_SINCE, CameraConfig, HttpSource
from shared.protocol.ids import new_id
from shared.protocol.messages import Hello
from shared.protocol.status import ConfigStatus, Reported
from shared.protocol.version import PROTOCOL_VERSION
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.fleet.conftest import pair_agent

Paired = tuple[AgentClient, Agent]
ADDRESS = "http://10.0.0.1/flv?port=1935&app=bcs&user=admin&password=geheim"
TAIL = "port=1935&app=bcs&user=admin&password=geheim"
SHOWN = "http://10.0.0.1/flv?***"


def add(room: Room, agent: Agent, cast: Cast, **values: Any) -> Camera:
    facts: dict[str, Any] = {
        "name": "left",
        "position": "left",
        "address": ADDRESS,
        "actor": cast.alice.actor,
    }
    with studio_scope(cast.studio.id):
        return services.add_camera(room, agent, **facts | values)


def configured(agent: Agent, cast: Cast) -> tuple[CameraConfig, ...]:
    with studio_scope(cast.studio.id):
        return tuple(DesiredConfig.objects.get(agent=agent).document.body.cameras)


def opened(camera: Camera, agent_client: AgentClient) -> str:
    return SealedBox(agent_client.sealing).decrypt(bytes(camera.sealed_tail or b"")).decode()


@pytest.fixture
def paired(paired: Paired, cast: Cast) -> Paired:
    """An agent that speaks the newest version."""
    hello(paired[1], cast, PROTOCOL_VERSION)
    return paired


def hello(agent: Agent, cast: Cast, protocol: int) -> None:
    reported = Reported(version=0, hash=None, status=ConfigStatus.APPLIED)
    caller = Caller(agent_id=agent.id, studio_id=cast.studio.id, address="10.0.0.7")
    reports.open_link(Hello(protocol=protocol, agent_version="0.1.0", reported=reported), caller, new_id())
    with studio_scope(cast.studio.id):
        agent.refresh_from_db()


def card_of(camera: Camera, cast: Cast) -> CameraCard:
    with studio_scope(cast.studio.id):
        row = Camera.objects.select_related("agent").get(pk=camera.pk)
        return camera_card(row, row.agent, {})


def test_the_secret_end_reaches_the_agent_and_is_read_by_nobody_else(
    cast: Cast, room: Room, paired: Paired
) -> None:
    agent_client, agent = paired
    camera = add(room, agent, cast)
    assert camera.address == SHOWN
    assert camera.source_url == "http://10.0.0.1/flv?"
    assert not camera.has_credentials
    (sent,) = configured(agent, cast)
    assert sent.source == HttpSource(url="http://10.0.0.1/flv?")
    assert isinstance(sent.sealed_tail, bytes)
    assert SealedBox(agent_client.sealing).decrypt(sent.sealed_tail).decode() == TAIL
    with studio_scope(cast.studio.id), connection.cursor() as cursor:
        for table in ("fleet_camera", "fleet_desiredconfig", "audit_entry"):
            cursor.execute(f"SELECT string_agg(t::text, '') FROM {table} t")  # noqa: S608
            (text,) = cursor.fetchone()
            assert text
            assert "geheim" not in text
            assert b"geheim".hex() not in text


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://10.0.0.1:554/user=admin&password=geheim&channel=1&stream=0.sdp?real_stream",
        "rtsp://10.0.0.1/user=admin_password=geheim_channel=1_stream=0.sdp",
        "http://10.0.0.1/live.ts?token=geheim",
        "http://admin:geheim@10.0.0.1/live.ts?auth=geheim",
    ],
)
def test_no_page_shows_a_secret_of_an_address(cast: Cast, room: Room, paired: Paired, address: str) -> None:
    agent_client, agent = paired
    camera = add(room, agent, cast, address=address)
    tail = opened(camera, agent_client)
    assert "geheim" in tail
    assert address.endswith(tail)
    alice = as_person(cast.alice)
    base = f"/studio/{cast.studio.slug}"
    pages = [f"/admin/fleet/camera/{camera.id}/change/", "/admin/fleet/camera/", f"{base}/agents/", f"{base}/rooms/",
             f"{base}/rooms/{room.id}/", f"{base}/audit/"]  # fmt: skip
    for page in pages:
        answer = alice.get(page)
        assert answer.status_code == 200, page
        assert "geheim" not in answer.content.decode()
    assert "***" in alice.get(pages[0]).content.decode()


def test_what_only_chooses_a_stream_stays_in_clear(cast: Cast, room: Room, paired: Paired) -> None:
    camera = add(room, paired[1], cast, address="rtsp://10.0.0.1/cam/realmonitor?channel=1&subtype=0")
    assert camera.address == "rtsp://10.0.0.1/cam/realmonitor?channel=1&subtype=0"
    assert not camera.has_tail
    assert b"sealed_tail" not in bytes(str(configured(paired[1], cast)[0].source).encode())


def test_an_address_keeps_its_secret_end_until_another_is_typed(
    cast: Cast, room: Room, paired: Paired
) -> None:
    agent_client, agent = paired
    camera, actor = add(room, agent, cast), cast.alice.actor
    before = bytes(camera.sealed_tail or b"")
    with studio_scope(cast.studio.id):
        services.change_camera(camera, name="right", address=SHOWN, actor=actor)
        assert bytes(camera.sealed_tail or b"") == before
        for guess in ("http://10.0.0.1/other?***", "http://10.0.0.66/flv?***"):
            with pytest.raises(BadRequest, match="Type what"):
                services.change_camera(camera, address=guess, actor=actor)
        camera.refresh_from_db()
        assert (camera.address, bytes(camera.sealed_tail or b"")) == (SHOWN, before)
        services.change_camera(camera, address="http://10.0.0.1/flv?token=neu", actor=actor)
        assert opened(camera, agent_client) == "token=neu"
        services.change_camera(camera, address="http://10.0.0.1/flv", actor=actor)
        camera.refresh_from_db()
        assert (camera.has_tail, camera.address, camera.tail_sealed_for_id) == (
            False,
            "http://10.0.0.1/flv",
            None,
        )
        fields = [
            e.details["fields"] for e in Entry.objects.filter(action="camera.changed").order_by("sequence")
        ]
    assert fields == [["name"], ["address"], ["address"]]
    assert not configured(agent, cast)[0].sealed_tail


def test_a_secret_end_that_was_sealed_for_another_agent_is_asked_for_again(
    cast: Cast, room: Room, paired: Paired
) -> None:
    camera = add(room, paired[1], cast)
    agent_client, another = pair_agent(cast)
    with studio_scope(cast.studio.id):
        hello(another, cast, PROTOCOL_VERSION)
        services.change_camera(camera, agent=another, actor=cast.alice.actor)
        assert camera.tail_is_stale
    assert "Enter the address again" in card_of(camera, cast).hint
    with studio_scope(cast.studio.id):
        services.change_camera(camera, address=ADDRESS, actor=cast.alice.actor)
    assert opened(camera, agent_client) == TAIL
    assert "again" not in card_of(camera, cast).hint


def test_an_agent_that_is_too_old_is_not_told_of_half_an_address_and_its_card_says_so(
    cast: Cast, room: Room, paired: Paired
) -> None:
    _, agent = paired
    hello(agent, cast, SEALED_TAIL_SINCE - 1)
    camera = add(room, agent, cast)
    add(room, agent, cast, name="right", address="rtsp://10.0.0.2/a")
    assert [one.name for one in configured(agent, cast)] == ["right"]
    card = card_of(camera, cast)
    assert card.state_text == "Update required"
    assert "does not support" in card.hint
    assert "waiting for an update" in as_person(cast.alice).get("/admin/fleet/camera/").content.decode()
    hello(agent, cast, PROTOCOL_VERSION)
    assert {one.name for one in configured(agent, cast)} == {"left", "right"}
    assert "does not support" not in card_of(camera, cast).hint
