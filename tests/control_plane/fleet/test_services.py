"""Agents, cameras and orders: who may change them, and how the agent hears of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from nacl.public import SealedBox

from control_plane.audit.models import Entry
from control_plane.common import valkey
from control_plane.common.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from control_plane.common.scoping import studio_scope
from control_plane.fleet import reports, services, sweep
from control_plane.fleet.authentication import Caller
from control_plane.fleet.desired import publish_config
from control_plane.fleet.models import Agent, AgentState, Camera, DesiredConfig, ReportedConfig, StatusReport
from control_plane.fleet.selectors import camera_statuses, is_acknowledged, visible_agents, visible_cameras
from control_plane.fleet.sweep import sweep_studio
from control_plane.keys import services as studios
from control_plane.recordings import services as recordings
from control_plane.tenancy.models import Room
from shared.protocol.codec import decode, encode
from shared.protocol.config import AgentConfig, Credentials, RtspSource
from shared.protocol.ids import SegmentId, new_id
from shared.protocol.messages import FromAgent, Heartbeat, Hello, Report, SendingAgain
from shared.protocol.status import ConfigStatus, RecordingState, Reported
from shared.protocol.version import PROTOCOL_HEADER
from tests.control_plane.agent_client import AgentClient
from tests.control_plane.conftest import Cast
from tests.control_plane.fleet.conftest import make_room, pair_agent
from tests.control_plane.scenes import make_scene, status_of

APPLIED = Reported(version=1, hash="ab" * 32, status=ConfigStatus.APPLIED)
Paired = tuple[AgentClient, Agent]


def add(room: Room, agent: Agent, cast: Cast, **values: Any) -> Camera:
    facts: dict[str, Any] = {
        "name": "left wall",
        "position": "left",
        "address": "rtsp://admin:geheim@10.0.0.1/a",
        "actor": cast.alice.actor,
    }
    with studio_scope(cast.studio.id):
        return services.add_camera(room, agent, **facts | values)


def desired(agent: Agent, cast: Cast) -> AgentConfig:
    with studio_scope(cast.studio.id):
        document: AgentConfig = DesiredConfig.objects.get(agent=agent).document
        return document


def test_a_camera_reaches_the_agent_with_credentials_that_only_the_agent_reads(
    cast: Cast, room: Room, paired: Paired
) -> None:
    agent_client, agent = paired
    add(room, agent, cast, record_audio=False, offset_us=-1500)
    (camera,) = desired(agent, cast).body.cameras
    assert camera.source == RtspSource(url="rtsp://10.0.0.1/a")
    assert (camera.record_audio, camera.offset_us) == (False, -1500)
    assert camera.sealed_credentials is not None
    opened = SealedBox(agent_client.sealing).decrypt(camera.sealed_credentials)
    assert decode(opened, Credentials) == Credentials(username="admin", password="geheim")


def test_no_table_holds_a_camera_password(cast: Cast, room: Room, paired: Paired) -> None:
    add(room, paired[1], cast)
    with studio_scope(cast.studio.id), connection.cursor() as cursor:
        for table in ("fleet_camera", "fleet_desiredconfig", "audit_entry"):
            cursor.execute(f"SELECT string_agg(t::text, '') FROM {table} t")  # noqa: S608
            (text,) = cursor.fetchone()
            assert text
            assert "geheim" not in text
            assert b"geheim".hex() not in text


def test_a_new_host_does_not_get_the_old_hosts_password(cast: Cast, room: Room, paired: Paired) -> None:
    changes: list[dict[str, Any]] = [
        {"address": "rtsp://10.0.0.66/b"},
        {"username": "u", "password": "p"},
        {"forget_credentials": True},
    ]
    camera = add(room, paired[1], cast)
    with studio_scope(cast.studio.id):
        services.change_camera(camera, address="rtsp://10.0.0.1/b", actor=cast.alice.actor)
        known = [camera.has_credentials]
        for values in changes:
            services.change_camera(camera, actor=cast.alice.actor, **values)
            known.append(camera.has_credentials)
    assert known == [True, False, True, False]


def test_a_studio_sets_so_many_addresses_an_hour_and_no_other_studio_notices(
    cast: Cast, other: Cast, room: Room, paired: Paired, settings: Any
) -> None:
    """An agent tells what answers at each: without a limit a manager of cameras could try every port of the network."""
    settings.FLEET_CAMERA_ADDRESSES_PER_HOUR = 3
    camera = add(room, paired[1], cast)
    actor = cast.alice.actor
    with studio_scope(cast.studio.id):
        for port in (81, 82):
            services.change_camera(camera, address=f"rtsp://10.0.0.1:{port}/a", actor=actor)
        # These are no new addresses and do not count: a name, the same address again, a file of the agent's own list.
        services.change_camera(camera, name="left", address="rtsp://10.0.0.1:82/a", actor=actor)
        with pytest.raises(TooManyRequests, match="3 camera addresses within an hour") as caught:
            services.change_camera(camera, address="rtsp://10.0.0.1:83/a", actor=actor)
        assert 0 < caught.value.retry_after_s <= 3600
        camera.refresh_from_db()
        assert camera.source_url == "rtsp://10.0.0.1:82/a"
        services.change_camera(camera, address="file:a.mp4", actor=actor)
    with pytest.raises(TooManyRequests):
        add(room, paired[1], cast, name="another")
    _, their_agent = pair_agent(other)
    add(make_room(other), their_agent, other)


def test_cameras_can_be_set_up_while_addresses_cannot_be_counted(
    cast: Cast, room: Room, paired: Paired, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object, **__: object) -> None:
        raise Unavailable("it does not answer")

    monkeypatch.setattr(valkey, "limit", silent)
    add(room, paired[1], cast)


@pytest.mark.parametrize(
    ("before", "after"),
    [("rtsps", "rtsp"), ("https", "http"), ("rtsp", "http"), ("rtsp", "rtsps")],
)
def test_a_password_is_asked_for_again_where_it_would_go_another_way(
    cast: Cast, room: Room, paired: Paired, before: str, after: str
) -> None:
    camera = add(room, paired[1], cast, address=f"{before}://u:p@10.0.0.1/a")
    with studio_scope(cast.studio.id):
        services.change_camera(camera, address=f"{after}://10.0.0.1/a", actor=cast.alice.actor)
    assert not camera.has_credentials


def test_two_people_who_change_two_things_of_a_camera_both_get_their_way(
    cast: Cast, room: Room, paired: Paired
) -> None:
    camera = add(room, paired[1], cast)
    with studio_scope(cast.studio.id):
        seen_before = Camera.objects.get(pk=camera.pk)
        services.change_camera(camera, name="by the mirror", actor=cast.alice.actor)
        services.change_camera(seen_before, offset_us=1200, actor=cast.alice.actor)
        camera.refresh_from_db()
    assert (camera.name, camera.offset_us, camera.has_credentials) == ("by the mirror", 1200, True)


def test_each_edit_is_one_version_and_no_edit_is_none(cast: Cast, room: Room, paired: Paired) -> None:
    agent = paired[1]
    camera = add(room, agent, cast)
    assert desired(agent, cast).version == 2
    with studio_scope(cast.studio.id):
        services.change_camera(camera, name="left wall", actor=cast.alice.actor)
    assert desired(agent, cast).version == 2
    with studio_scope(cast.studio.id):
        services.change_camera(camera, enabled=False, actor=cast.alice.actor)
    assert (desired(agent, cast).version, desired(agent, cast).body.cameras) == (3, ())
    with studio_scope(cast.studio.id):
        services.remove_camera(camera, actor=cast.alice.actor)
        assert list(Entry.objects.order_by("-sequence").values_list("action", flat=True)[:4]) == [
            "camera.removed",
            "camera.changed",
            "camera.changed",
            "camera.created",
        ]


def test_the_audit_chain_is_locked_after_every_row(cast: Cast, room: Room, paired: Paired) -> None:
    camera = add(room, paired[1], cast)
    with CaptureQueriesContext(connection) as removing, studio_scope(cast.studio.id):
        services.remove_camera(camera, actor=cast.alice.actor)
    scene = make_scene(cast, name="Small room")
    with studio_scope(cast.studio.id):
        recordings.stop_class(scene.session, actor=cast.ivan.actor)
    with CaptureQueriesContext(connection) as ending:
        reports.apply_message(Heartbeat(status=scene.status(RecordingState.FINISHED, made=0)), scene.caller)
    assert scene.reread().has_ended
    for queries in (removing, ending):
        asked = [query["sql"] for query in queries.captured_queries]
        locks = [
            "audit_chainhead" in sql
            for sql in asked
            if sql.endswith("FOR UPDATE") or sql.startswith('UPDATE "fleet_')
        ]
        assert True in locks
        assert locks == sorted(locks), "two acts at once would wait for each other"


def test_a_camera_that_moves_changes_both_agents(cast: Cast, room: Room, paired: Paired) -> None:
    camera = add(room, paired[1], cast)
    _, second = pair_agent(cast)
    with studio_scope(cast.studio.id):
        services.change_camera(camera, agent=second, actor=cast.alice.actor)
    assert desired(paired[1], cast).body.cameras == ()
    assert [item.id for item in desired(second, cast).body.cameras] == [camera.id]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"address": "10.0.0.1"}, "Did you mean rtsp://10.0.0.1"),
        ({"name": " "}, "name:"),
        ({"position": "ceiling"}, "position:"),
        ({"offset_us": 6_000_000}, "offset_us:"),
        ({"address": "file:a.mp4", "username": "u", "password": "p"}, "leave both empty"),
    ],
)
def test_bad_input_is_refused_in_words_for_people(
    cast: Cast, room: Room, paired: Paired, values: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadRequest) as refusal:
        add(room, paired[1], cast, **values)
    assert says in refusal.value.detail


def test_a_room_has_each_camera_name_once(cast: Cast, room: Room, paired: Paired) -> None:
    add(room, paired[1], cast)
    with pytest.raises(Conflict, match="left wall"):
        add(room, paired[1], cast)


@pytest.mark.parametrize(("who", "error"), [("ivan", Forbidden), ("gita", NotFound), ("sam", NotFound)])
def test_only_an_admin_changes_agents_and_cameras(
    cast: Cast, room: Room, paired: Paired, who: str, error: type[Exception]
) -> None:
    actor, agent = getattr(cast, who).actor, paired[1]
    camera = add(room, agent, cast)
    with studio_scope(cast.studio.id):
        for call in (
            lambda: services.change_camera(camera, enabled=False, actor=actor),
            lambda: services.remove_camera(camera, actor=actor),
            lambda: services.rename_agent(agent, name="x", actor=actor),
            lambda: services.revoke_agent(agent, reason="x", actor=actor),
            lambda: services.clear_duplicate(agent, actor=actor),
        ):
            with pytest.raises(error):
                call()
        assert visible_agents(actor).count() == visible_cameras(actor).count() == (who == "ivan")


def test_an_admin_of_another_studio_sees_and_changes_nothing(
    cast: Cast, other: Cast, room: Room, paired: Paired
) -> None:
    camera = add(room, paired[1], cast)
    with studio_scope(other.studio.id):
        assert not visible_agents(other.alice.actor).exists()
        assert not Camera.objects.filter(pk=camera.pk).exists()
    with pytest.raises(NotFound):
        services.change_camera(camera, enabled=False, actor=other.alice.actor)
    with pytest.raises(NotFound):
        services.add_camera(
            make_room(cast, "Small room"),
            paired[1],
            name="x",
            position="left",
            address="file:a",
            actor=other.alice.actor,
        )


def test_an_order_goes_to_the_agents_of_the_room_and_stops_and_goes(
    cast: Cast, room: Room, paired: Paired
) -> None:
    agent, class_id = paired[1], new_id()
    _, elsewhere = pair_agent(cast)
    now = timezone.now()
    with studio_scope(cast.studio.id), pytest.raises(Conflict, match="no camera"):
        services.order_recording(class_id, room, start_at=now, actor=cast.ivan.actor)
    add(room, agent, cast)
    with studio_scope(cast.studio.id):
        for _ in range(2):
            assert services.order_recording(class_id, room, start_at=now, actor=cast.ivan.actor) == [agent]
    (order,) = desired(agent, cast).body.recordings
    assert (order.class_session_id, order.start_at, order.stop_at) == (class_id, now, None)
    assert desired(elsewhere, cast).body.recordings == ()
    with studio_scope(cast.studio.id):
        services.stop_recording(class_id, room, stop_at=now + timedelta(hours=1), actor=cast.ivan.actor)
        services.stop_recording(class_id, room, stop_at=now + timedelta(hours=2), actor=cast.ivan.actor)
    assert desired(agent, cast).body.recordings[0].stop_at == now + timedelta(hours=1)
    with studio_scope(cast.studio.id):
        services.drop_order(class_id, agent)
        with pytest.raises(Forbidden):
            services.order_recording(class_id, room, start_at=now, actor=cast.vera.actor)
    assert desired(agent, cast).body.recordings == ()


def test_a_revoked_agent_cannot_be_revoked_again_nor_given_cameras(
    cast: Cast, room: Room, paired: Paired
) -> None:
    agent = paired[1]
    with studio_scope(cast.studio.id):
        services.revoke_agent(agent, reason="", actor=cast.alice.actor)
        assert agent.state == AgentState.REVOKED
        assert agent.revoked_reason
        with pytest.raises(Conflict):
            services.revoke_agent(agent, reason="", actor=cast.alice.actor)
    with pytest.raises(Conflict):
        add(room, agent, cast)


def test_what_an_agent_reports_is_what_the_studio_sees(cast: Cast, room: Room, paired: Paired) -> None:
    agent = paired[1]
    caller = Caller(agent.id, cast.studio.id, "10.0.0.7")
    config = desired(agent, cast)
    reported = Reported(version=config.version, hash=config.hash, status=ConfigStatus.APPLIED)
    reports.apply_message(Hello(protocol=1, agent_version="9.9", reported=reported), caller)
    reports.apply_message(Heartbeat(status=status_of(new_id(), RecordingState.WAITING)), caller)
    with studio_scope(cast.studio.id):
        row = visible_agents(cast.ivan.actor).get()
        assert (row.agent_version, row.last_address, row.state) == ("9.9", "10.0.0.7", AgentState.ACTIVE)
        assert is_acknowledged(row)
        assert row.is_online
        assert camera_statuses(row) == {}
        Agent.objects.update(last_seen_at=timezone.now() - timedelta(minutes=5))
        assert not visible_agents(cast.ivan.actor).get().is_online


def test_the_sweep_unlinks_the_silent_and_follows_a_new_key_of_the_studio(cast: Cast, paired: Paired) -> None:
    agent, long_ago = paired[1], timezone.now() - timedelta(minutes=5)
    before = desired(agent, cast)
    caller = Caller(agent.id, cast.studio.id, "")
    failed = Reported(version=0, hash=None, status=ConfigStatus.FAILED, failed_version=before.version)
    reports.apply_message(Report(reported=failed), caller)
    with studio_scope(cast.studio.id):
        Agent.objects.update(link_id=new_id(), linked_at=long_ago, last_seen_at=long_ago)
        assert sweep_studio() == 0, "what failed is not pushed again and again"
        assert Agent.objects.get().link_id is None
        studios.rotate_studio_key(cast.studio, actor=cast.alice.actor)
        assert sweep_studio() == 1
    after = desired(agent, cast)
    assert after.version == before.version + 1
    assert after.body.recipient.id != before.body.recipient.id


@pytest.mark.parametrize("every_s", [60.0, 61.0, 75.0, 119.0])
def test_the_sweep_compares_an_acknowledged_configuration_each_hour(
    cast: Cast, paired: Paired, monkeypatch: pytest.MonkeyPatch, every_s: float
) -> None:
    """Also where sweeps drift past the only minute of the agent's turn."""
    agent = paired[1]
    config = desired(agent, cast)
    applied = Reported(version=config.version, hash=config.hash, status=ConfigStatus.APPLIED)
    reports.apply_message(Report(reported=applied), Caller(agent.id, cast.studio.id, ""))
    compared_s: list[float] = []
    publish = publish_config
    # The first sweep comes half a second before the minute of the agent's turn begins.
    hour_s = timezone.now().timestamp() // 3600 * 3600
    begin_s = hour_s + 60 * (agent.id.int % sweep.TURNS) - 0.5
    later_s = 0.0

    def noted(agent: Agent) -> DesiredConfig:
        compared_s.append(later_s)
        return publish(agent)

    monkeypatch.setattr(sweep, "publish_config", noted)
    while later_s < 2 * 3600:
        with monkeypatch.context() as patched, studio_scope(cast.studio.id):
            now = datetime.fromtimestamp(begin_s + later_s, UTC)
            patched.setattr("django.utils.timezone.now", lambda now=now: now)
            assert sweep_studio() == 0
        later_s += every_s
    within = [[at_s for at_s in compared_s if hour <= at_s // 3600 < hour + 1] for hour in (0, 1)]
    assert all(1 <= len(times) <= 2 for times in within), compared_s


def test_the_configuration_by_http_is_sent_once_until_it_changes(
    cast: Cast, room: Room, paired: Paired, client: Client
) -> None:
    agent_client, agent = paired

    def get(etag: str = "") -> Any:
        headers = {"Authorization": agent_client.authorization()} | ({"If-None-Match": etag} if etag else {})
        return client.get("/agent/v1/config", headers=headers)

    first = get()
    assert decode(first.content, AgentConfig) == desired(agent, cast)
    assert get(first["ETag"]).status_code == 304
    add(room, agent, cast)
    assert get(first["ETag"]).status_code == 200
    report = encode(Report(reported=Reported(version=1, hash="ab" * 32, status=ConfigStatus.APPLIED)))
    sent = client.post(
        "/agent/v1/report",
        report,
        content_type="application/json",
        headers={"Authorization": agent_client.authorization()},
    )
    assert sent.status_code == 204


@pytest.mark.parametrize(
    ("before", "header", "status", "noted"),
    [
        (1, None, 200, 1),
        (1, "3", 200, 3),
        (3, "3", 200, 3),
        (3, None, 200, 2),
        (3, "2", 200, 2),
        (3, "99999", 200, 32767),
        (3, "0", 426, 3),
        (3, "three", 400, 3),
        (3, "-1", 400, 3),
        (3, "9" * 5000, 400, 3),
    ],
)
def test_the_poll_tells_what_the_agent_speaks(
    cast: Cast, paired: Paired, client: Client, before: int, header: str | None, status: int, noted: int
) -> None:
    agent_client, agent = paired
    with studio_scope(cast.studio.id):
        Agent.objects.filter(pk=agent.pk).update(protocol=before)
    said = {} if header is None else {PROTOCOL_HEADER: header}
    answer = client.get("/agent/v1/config", headers={"Authorization": agent_client.authorization()} | said)
    assert answer.status_code == status
    with studio_scope(cast.studio.id):
        agent.refresh_from_db()
    assert agent.protocol == noted


REVOKED_WORDS: dict[str, FromAgent] = {
    "hello": Hello(protocol=3, agent_version="9.9.9", reported=APPLIED),
    "report": Report(reported=APPLIED),
    "heartbeat": Heartbeat(status=status_of(new_id(), RecordingState.RECORDING)),
    "sending again": SendingAgain(gone=(SegmentId(new_id()),)),
}


@pytest.mark.parametrize("word", REVOKED_WORDS)
def test_the_words_of_an_agent_that_was_just_revoked_change_nothing(
    cast: Cast, paired: Paired, word: str
) -> None:
    """Its socket stands for a moment longer, and for ten seconds where it does not read."""
    _, agent = paired
    caller = Caller(agent.id, cast.studio.id, "10.0.0.7")
    with studio_scope(cast.studio.id):
        services.revoke_agent(agent, reason="stolen", actor=cast.alice.actor)
        before = Agent.objects.filter(pk=agent.pk).values().get()
        reports.apply_message(REVOKED_WORDS[word], caller)
        assert Agent.objects.filter(pk=agent.pk).values().get() == before
        assert not StatusReport.objects.exists()
        assert not ReportedConfig.objects.exists()


def test_a_socket_that_opens_while_its_agent_is_revoked_is_not_noted_as_open(
    cast: Cast, paired: Paired
) -> None:
    _, agent = paired
    with studio_scope(cast.studio.id):
        services.revoke_agent(agent, reason="stolen", actor=cast.alice.actor)
    hello = Hello(protocol=3, agent_version="9.9.9", reported=APPLIED)
    reports.open_link(hello, Caller(agent.id, cast.studio.id, "10.0.0.7"), new_id())
    with studio_scope(cast.studio.id):
        assert Agent.objects.get(pk=agent.pk).link_id is None
