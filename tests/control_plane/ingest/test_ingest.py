"""How segments arrive: announced, put and committed, each step as often as the agent likes, and gaps beside them."""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from control_plane.audit.models import Entry
from control_plane.common.scoping import studio_scope
from control_plane.fleet import services as fleet
from control_plane.ingest import services
from control_plane.ingest.models import PendingSegment
from control_plane.keys import vault
from control_plane.recordings.models import Gap
from control_plane.recordings.playback.view_sessions import REPLAY_KEYS
from control_plane.storage.configured import object_store
from shared.protocol.ids import CameraId, ClassSessionId, GapId, SegmentId, new_id
from shared.protocol.manifest import GapReason, GapRecord
from shared.protocol.upload import AlreadyCommitted, PutTarget
from tests.control_plane.footage import START_AT
from tests.control_plane.replays import begin_replay
from tests.control_plane.scenes import Scene
from tests.control_plane.sending import announce, arrived, commit, put, upload


def test_a_segment_arrives_and_its_key_opens_only_under_its_class(scene: Scene, tmp_path: Path) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    (row,) = arrived(scene)
    assert [f.pts_90k for f in row.fragments] == [0, 90_000]
    assert (row.video, row.clock, row.audio) == (made.manifest.video, made.manifest.clock, None)
    assert made.key not in bytes(row.wrapped_key)
    with studio_scope(scene.cast.studio.id):
        # Before the replay below, which is on record as well.
        last = Entry.objects.order_by("-sequence")[0]
        replay = begin_replay(scene.session, scene.cast.vera.actor)
        with vault.release_keys(
            scene.cast.vera.actor, REPLAY_KEYS, scene.session, entry_id=replay.entry_id
        ) as release:
            opened = release.content_key(bytes(row.wrapped_key), segment_id=row.id)
        assert opened == made.key
        assert not PendingSegment.objects.exists()
    assert last.action == "footage.committed"
    assert last.details["segments"] == [{"id": str(row.id), "sha256": row.sha256}]


def test_every_step_can_be_sent_again(scene: Scene, tmp_path: Path) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    announce(scene, made)
    (target,) = announce(scene, made)
    stored = put(target, made.content)
    assert (stored.status_code, stored["Content-Type"]) == (201, "application/octet-stream")
    assert stored["ETag"] == f'"{made.manifest.sha256}"'
    assert put(target, made.content).status_code == 412
    assert isinstance(announce(scene, made)[0], PutTarget)
    receipt = [AlreadyCommitted(segment_id=made.manifest.segment_id)]
    assert commit(scene, made) == receipt
    assert commit(scene, made) == receipt
    assert announce(scene, made) == receipt
    assert len(arrived(scene)) == 1


def test_a_camera_added_during_the_class_gets_a_track_of_its_own(scene: Scene, tmp_path: Path) -> None:
    with studio_scope(scene.cast.studio.id):
        scene.cameras["late"] = fleet.add_camera(
            scene.room,
            scene.agent,
            name="late",
            position="left",
            address="file:a.mp4",
            actor=scene.cast.alice.actor,
        )
    (made,) = scene.cuts(tmp_path, "late", each=2)
    upload(scene, made)
    assert arrived(scene)[0].track.name == "late"


def test_gaps_are_written_once_and_those_of_nobody_are_settled_too(scene: Scene) -> None:
    gap = GapRecord(
        gap_id=GapId(new_id()),
        class_session_id=ClassSessionId(scene.session.id),
        camera_id=CameraId(scene.cameras["left"].id),
        from_at=START_AT,
        to_at=START_AT + timedelta(seconds=4),
        reason=GapReason.CAMERA_OFFLINE,
        detail="connection refused",
    )
    astray = msgspec.structs.replace(gap, gap_id=GapId(new_id()), class_session_id=ClassSessionId(new_id()))
    for _ in range(2):
        assert services.commit_gaps([gap, astray], scene.caller) == [gap.gap_id, astray.gap_id]
    with studio_scope(scene.cast.studio.id):
        row = Gap.objects.get()
        assert (row.id, row.track.position, row.reason) == (gap.gap_id, "left", "camera_offline")


def test_one_gap_that_cannot_be_kept_as_it_is_does_not_hold_up_the_others(scene: Scene) -> None:
    def gap(**changes: Any) -> GapRecord:
        values: dict[str, Any] = {
            "gap_id": GapId(new_id()),
            "class_session_id": ClassSessionId(scene.session.id),
            "camera_id": CameraId(scene.cameras["left"].id),
            "from_at": START_AT,
            "to_at": START_AT + timedelta(seconds=4),
            "reason": GapReason.CAMERA_OFFLINE,
        }
        return GapRecord(**values | changes)

    naive = START_AT.replace(tzinfo=None)
    gaps = [
        gap(detail="no\0thing"),
        gap(from_at=naive, to_at=naive + timedelta(seconds=1)),
        gap(from_at=START_AT.replace(year=1), to_at=START_AT),
        gap(),
    ]
    assert services.commit_gaps(gaps, scene.caller) == [item.gap_id for item in gaps]
    with studio_scope(scene.cast.studio.id):
        assert set(Gap.objects.values_list("detail", flat=True)) == {"nothing", ""}
        assert set(Gap.objects.values_list("id", flat=True)) == {
            gaps[0].gap_id,
            gaps[1].gap_id,
            gaps[3].gap_id,
        }
        assert Gap.objects.get(pk=gaps[1].gap_id).from_at == START_AT


def test_nothing_at_rest_is_in_clear(scene: Scene, tmp_path: Path) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    (row,) = arrived(scene)
    stored = b"".join(_chunks(row.object_key))
    assert hashlib.sha256(stored).hexdigest() == made.manifest.sha256
    assert not any(agent_client in stored for agent_client in (b"ftyp", b"moov", b"moof", b"mdat"))
    assert SegmentId(row.id) == made.manifest.segment_id


def _chunks(key: str) -> list[bytes]:
    with object_store().open(key) as chunks:
        return list(chunks)
