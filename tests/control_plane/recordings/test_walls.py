"""The second wall: without any filter of the application, another studio's rows are not there."""

from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction
from msgspec.structs import replace

from control_plane.common.scoping import studio_scope
from control_plane.fleet import reports as fleet_reports
from control_plane.fleet.models import Agent, AgentState
from control_plane.fleet.tasks import sweep_fleet
from control_plane.ingest import services as ingest
from control_plane.integrity.damage import DamageFinding, record_damage
from control_plane.integrity.inspect import SYSTEM
from control_plane.integrity.scan import run_nightly_scan
from control_plane.people import services as studios
from control_plane.people.dancer_list import NewDancer
from control_plane.recordings.damage_models import DamageKind
from control_plane.recordings.models import ClassState, Segment
from control_plane.recordings.rosters import save_roster
from control_plane.recordings.segment_factory import ObjectLocation
from control_plane.recordings.tasks import sweep_recordings
from control_plane.recordings.timetable import add_class_type, enrol
from shared.protocol.ids import CameraId, ClassSessionId, GapId, new_id
from shared.protocol.manifest import GapReason, GapRecord
from shared.protocol.messages import Heartbeat, Hello
from shared.protocol.status import ConfigStatus, RecordingState, Reported
from tests.control_plane.conftest import Cast
from tests.control_plane.footage import START_AT
from tests.control_plane.replays import begin_replay
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import upload

TABLES = sorted(
    model._meta.db_table
    for app in ("fleet", "recordings", "integrity", "ingest")
    for model in apps.get_app_config(app).get_models()
)


def full_scene(cast: Cast, folder: Path) -> Scene:
    """Returns a scene that has left a row in every table."""
    scene = make_scene(cast)
    first, second, third = scene.cuts(folder, seconds=3)
    upload(scene, first)
    ingest.announce_segments([second.manifest], scene.caller)
    ingest.announce_segments([replace(third.manifest, segment_id=second.manifest.segment_id)], scene.caller)
    gap = GapRecord(
        gap_id=GapId(new_id()),
        class_session_id=ClassSessionId(scene.session.id),
        camera_id=CameraId(scene.cameras["left"].id),
        from_at=START_AT,
        to_at=START_AT,
        reason=GapReason.AGENT_LATE,
    )
    ingest.commit_gaps([gap], scene.caller)
    nothing = Reported(version=0, hash=None, status=ConfigStatus.APPLIED)
    fleet_reports.apply_message(Hello(protocol=1, agent_version="1", reported=nothing), scene.caller)
    fleet_reports.apply_message(Heartbeat(status=scene.status(RecordingState.RECORDING)), scene.caller)
    dancer = studios.add_dancer(cast.studio, NewDancer("Dora"), actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        row = Segment.objects.get()
    run_nightly_scan(cast.studio.id)
    with studio_scope(cast.studio.id):
        place = ObjectLocation(row.store_id, row.object_key)
        record_damage([DamageFinding(row.id, place, DamageKind.HASH, "other bytes")], actor=SYSTEM)
        begin_replay(scene.session, cast.vera.actor)
        save_roster(scene.session, [dancer.id], confirm=False, actor=cast.alice.actor)
    weekly = add_class_type(cast.studio, "Ballet 2", actor=cast.alice.actor)
    enrol(weekly, [dancer.id], starts_on=START_AT.date(), actor=cast.alice.actor)
    return scene


def counts() -> dict[str, int]:
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
            (found[table],) = cursor.fetchone()
    return found


def test_every_table_shows_its_own_studio_and_nobody_elses(cast: Cast, other: Cast, tmp_path: Path) -> None:
    full_scene(cast, tmp_path)
    assert len(TABLES) == 20
    with studio_scope(cast.studio.id):
        assert all(counts().values()), counts()
    with studio_scope(other.studio.id):
        assert not any(counts().values()), counts()
    assert not any(counts().values()), "and without a scope nothing at all"


def test_no_row_can_be_written_into_another_studio(cast: Cast, other: Cast, tmp_path: Path) -> None:
    scene = full_scene(cast, tmp_path)
    with studio_scope(other.studio.id), connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"DELETE FROM {table} WHERE studio_id = %s", [cast.studio.id])  # noqa: S608
            assert cursor.rowcount == 0
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            Agent(studio_id=cast.studio.id, name="x", identity_key=bytes(32), sealing_key=bytes(32)).save()
    assert scene.reread().title == "Ballet"


def test_the_checks_of_the_deployment_find_no_open_table(db: None) -> None:
    call_command("check", database=["default"], fail_level="ERROR")


def test_the_sweeps_reach_every_studio(cast: Cast, other: Cast) -> None:
    scenes = [make_scene(cast), make_scene(other)]
    for scene in scenes:
        scene.stop()
        with studio_scope(scene.cast.studio.id):
            Agent.objects.update(state=AgentState.REVOKED)
    sweep_fleet()
    sweep_recordings()
    assert [scene.reread().state for scene in scenes] == [ClassState.INCOMPLETE] * 2
