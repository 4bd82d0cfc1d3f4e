"""How segments arrive: what is announced, put and committed, and what is refused without blocking the rest."""

import hashlib
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import time_machine
from django.conf import settings as configured
from django.test import Client
from django.utils import timezone

from control_plane.audit.models import Entry
from control_plane.common.errors import StoreUnavailable
from control_plane.common.scoping import studio_scope
from control_plane.fleet import services as fleet
from control_plane.ingest import services
from control_plane.ingest.models import PendingSegment, QuarantinedSegment
from control_plane.recordings.models import Gap, Segment
from control_plane.recordings.replays import continue_replay
from control_plane.storage.configured import object_store
from control_plane.studios import vault
from shared.protocol.codec import MESSAGE_LIMIT_BYTES, decode, encode
from shared.protocol.errors import Code, Problem
from shared.protocol.ids import CameraId, ClassSessionId, GapId, SegmentId, new_id
from shared.protocol.manifest import GapReason, GapRecord
from shared.protocol.upload import (
    AlreadyCommitted,
    CommitItem,
    GapsAnswer,
    GapsRequest,
    IntentAnswer,
    IntentRequest,
    PutTarget,
    Refused,
)
from tests.control_plane.conftest import Cast
from tests.control_plane.fleet.conftest import pair_box
from tests.control_plane.footage import START_AT, Cut
from tests.control_plane.scenes import Scene, make_scene


@pytest.fixture
def scene(cast: Cast) -> Scene:
    return make_scene(cast)


def intent(scene: Scene, *made: Cut) -> list[Any]:
    return services.announce_segments([item.manifest for item in made], scene.caller)


def put(client: Client, target: PutTarget, content: bytes) -> Any:
    return client.put(target.url, content, content_type="application/octet-stream")


def item_of(made: Cut) -> CommitItem:
    manifest = made.manifest
    return CommitItem(segment_id=manifest.segment_id, size_bytes=manifest.size_bytes, sha256=manifest.sha256)


def commit(scene: Scene, *made: Cut) -> list[Any]:
    return services.commit_segments([item_of(item) for item in made], scene.caller)


def upload(scene: Scene, client: Client, *made: Cut) -> list[Any]:
    for target, item in zip(intent(scene, *made), made, strict=True):
        assert put(client, target, item.content).status_code == 201
    return commit(scene, *made)


def codes(answers: Sequence[Any]) -> list[Code | None]:
    return [answer.code if isinstance(answer, Refused) else None for answer in answers]


def segments(scene: Scene) -> list[Segment]:
    with studio_scope(scene.cast.studio.id):
        return list(Segment.objects.select_related("track").order_by("sequence"))


def test_a_segment_arrives_and_its_key_opens_only_under_its_class(
    scene: Scene, client: Client, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    assert upload(scene, client, made) == [AlreadyCommitted(segment_id=made.manifest.segment_id)]
    (row,) = segments(scene)
    assert [f.pts_90k for f in row.fragments] == [0, 90_000]
    assert (row.video, row.clock, row.audio) == (made.manifest.video, made.manifest.clock, None)
    assert made.key not in bytes(row.wrapped_key)
    with studio_scope(scene.cast.studio.id):
        # Before the replay below, which is on record as well.
        last = Entry.objects.order_by("-sequence")[0]
        replay = continue_replay(scene.session, actor=scene.cast.vera.actor)
        with vault.opening(
            scene.cast.vera.actor, vault.Purpose.REPLAY, scene.session, entry_id=replay.entry_id
        ) as opening:
            opened = opening.content_key(bytes(row.wrapped_key), segment_id=row.id)
        assert opened == made.key
        assert not PendingSegment.objects.exists()
    assert last.action == "footage.committed"
    assert last.details["segments"] == [{"id": str(row.id), "sha256": row.sha256}]


def test_every_step_can_be_sent_again(scene: Scene, client: Client, tmp_path: Path) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    intent(scene, made)
    (target,) = intent(scene, made)
    assert put(client, target, made.content).status_code == 201
    assert put(client, target, made.content).status_code == 412
    assert isinstance(intent(scene, made)[0], PutTarget)
    receipt = [AlreadyCommitted(segment_id=made.manifest.segment_id)]
    assert commit(scene, made) == receipt
    assert commit(scene, made) == receipt
    assert intent(scene, made) == receipt
    assert len(segments(scene)) == 1


def test_the_target_takes_exactly_the_announced_bytes_for_a_quarter_of_an_hour(
    scene: Scene, client: Client, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    (target,) = intent(scene, made)
    assert target.expires_at - timezone.now() <= timedelta(minutes=15)
    other = bytes([made.content[0] ^ 1]) + made.content[1:]
    for wrong in (other, made.content[:-1], made.content + b"x", b""):
        response = put(client, target, wrong)
        assert response.status_code == 422
        assert decode(response.content, Problem).code is Code.SEGMENT_CORRUPT
    for tampered in (
        target.url.replace("size=", "size=1"),
        target.url.replace(".seg", ".sex"),
        target.url.replace("expires=", "expires=9"),
        target.url.partition("?")[0],
    ):
        response = put(client, msgspec.structs.replace(target, url=tampered), made.content)
        assert (response.status_code, decode(response.content, Problem).code) == (
            403,
            Code.UPLOAD_TARGET_EXPIRED,
        )
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert put(client, target, made.content).status_code == 403
    assert put(client, target, made.content).status_code == 201


def test_a_commit_without_bytes_or_with_other_bytes_gets_no_receipt(
    scene: Scene, client: Client, tmp_path: Path
) -> None:
    gone, spoiled, good = scene.cuts(tmp_path, seconds=3)
    targets = intent(scene, gone, spoiled, good)
    for target, made in zip(targets[1:], (spoiled, good), strict=True):
        put(client, target, made.content)
    key = urlsplit(targets[1].url).path.removeprefix("/agent/v1/objects/")
    path = Path(configured.OBJECT_STORE_URL.removeprefix("file://")) / key
    path.write_bytes(b"\0" * len(spoiled.content))
    answers = commit(scene, gone, spoiled, good)
    assert codes(answers) == [Code.SEGMENT_MISSING, Code.SEGMENT_CORRUPT, None]
    assert all(answer.retryable for answer in answers[:2])
    assert not path.exists(), "or the segment could never be put again"
    assert codes(upload(scene, client, spoiled)) == [None]
    assert len(segments(scene)) == 2


def test_a_store_that_is_away_is_a_reason_to_come_again(
    scene: Scene, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    (target,) = intent(scene, made)
    put(client, target, made.content)

    def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("the disk is away")

    with monkeypatch.context() as broken:
        broken.setattr(type(object_store()), "head", away)
        broken.setattr(type(object_store()), "put", away)
        (answer,) = commit(scene, made)
        assert (answer.code, answer.retryable) == (Code.STORE_UNAVAILABLE, True)
        assert put(client, target, made.content).status_code == 503
    assert codes(commit(scene, made)) == [None]


def test_another_hash_under_the_same_id_is_set_aside_and_blocks_nothing(
    scene: Scene, client: Client, tmp_path: Path
) -> None:
    first, second = scene.cuts(tmp_path)
    upload(scene, client, first)
    imposter = Cut(
        second.content, msgspec.structs.replace(second.manifest, segment_id=first.manifest.segment_id), b""
    )
    answers = intent(scene, imposter, second)
    assert codes(answers) == [Code.SEGMENT_HASH_CONFLICT, None]
    intent(scene, imposter)
    with studio_scope(scene.cast.studio.id):
        assert QuarantinedSegment.objects.get().code == "segment_hash_conflict"
        assert Entry.objects.filter(action="segment.quarantined").count() == 1
    assert codes(commit(scene, imposter)) == [Code.SEGMENT_HASH_CONFLICT]
    assert codes(upload(scene, client, second)) == [None]


def test_the_id_of_another_boxes_segment_is_set_aside_and_its_bytes_stay(
    scene: Scene, client: Client, tmp_path: Path
) -> None:
    first, second = scene.cuts(tmp_path)
    upload(scene, client, first)
    _, other = pair_box(scene.cast)
    with studio_scope(scene.cast.studio.id):
        Segment.objects.update(agent=other)
    imposter = Cut(
        second.content, msgspec.structs.replace(second.manifest, segment_id=first.manifest.segment_id), b""
    )
    assert codes(intent(scene, imposter)) == [Code.SEGMENT_HASH_CONFLICT]
    assert codes(commit(scene, imposter)) == [Code.SEGMENT_MISSING]
    (row,) = segments(scene)
    assert object_store().sha256(row.object_key) == first.manifest.sha256


def test_another_segment_in_the_same_place_is_set_aside(scene: Scene, client: Client, tmp_path: Path) -> None:
    first, second = scene.cuts(tmp_path)
    rival = Cut(
        second.content,
        msgspec.structs.replace(second.manifest, sequence=first.manifest.sequence),
        second.key,
    )
    # Both are announced before either is there: the database decides at the commit.
    for target, made in zip(intent(scene, first, rival), (first, rival), strict=True):
        put(client, target, made.content)
    assert codes(commit(scene, first, rival)) == [None, Code.SEGMENT_SEQUENCE_CONFLICT]
    assert codes(intent(scene, rival)) == [Code.SEGMENT_SEQUENCE_CONFLICT]
    assert len(segments(scene)) == 1


def test_a_key_that_does_not_open_is_set_aside(scene: Scene, client: Client, tmp_path: Path) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    broken = Cut(made.content, msgspec.structs.replace(made.manifest, sealed_key=bytes(64)), b"")
    assert codes(upload(scene, client, broken)) == [Code.SEGMENT_CORRUPT]
    assert segments(scene) == []


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("size_bytes", lambda m: {"size_bytes": m.size_bytes + 16}),
        ("size_bytes", lambda m: {"size_bytes": 1 << 40}),
        ("init.offset_bytes", lambda m: {"init": msgspec.structs.replace(m.init, offset_bytes=16)}),
        (
            "fragments[1].blob.offset_bytes",
            lambda m: {"fragments": (m.fragments[0], m.fragments[0])},
        ),
        (
            "pts_90k",
            lambda m: {
                "fragments": (
                    msgspec.structs.replace(m.fragments[0], pts_90k=m.fragments[1].pts_90k),
                    m.fragments[1],
                )
            },
        ),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused_by_the_field(
    scene: Scene, tmp_path: Path, field: str, change: Any
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    wrong = msgspec.structs.replace(made.manifest, **change(made.manifest))
    (answer,) = intent(scene, Cut(made.content, wrong, b""))
    assert answer.code is Code.BAD_REQUEST
    assert field in answer.detail


def test_only_what_this_agent_records_for_this_class_is_wanted(
    scene: Scene, other: Cast, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    foreign = make_scene(other)
    colleague = make_scene(scene.cast, name="Small room")
    for stranger in (foreign, colleague):
        assert codes(intent(stranger, made)) == [Code.SEGMENT_NOT_WANTED]
        assert codes(commit(stranger, made)) == [Code.SEGMENT_MISSING]
    unknown = msgspec.structs.replace(made.manifest, camera_id=CameraId(new_id()))
    assert codes(intent(scene, Cut(made.content, unknown, b""))) == [Code.SEGMENT_NOT_WANTED]


def test_a_camera_added_during_the_class_gets_a_track_of_its_own(
    scene: Scene, client: Client, tmp_path: Path
) -> None:
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
    assert codes(upload(scene, client, made)) == [None]
    assert segments(scene)[0].track.name == "late"


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
        assert services.settle_gaps([gap, astray], scene.caller) == [gap.gap_id, astray.gap_id]
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
    assert services.settle_gaps(gaps, scene.caller) == [item.gap_id for item in gaps]
    with studio_scope(scene.cast.studio.id):
        assert set(Gap.objects.values_list("detail", flat=True)) == {"nothing", ""}
        assert set(Gap.objects.values_list("id", flat=True)) == {
            gaps[0].gap_id,
            gaps[1].gap_id,
            gaps[3].gap_id,
        }
        assert Gap.objects.get(pk=gaps[1].gap_id).from_at == START_AT


def test_segments_of_a_batch_are_read_back_beside_each_other_but_not_all_at_once(
    scene: Scene, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scene.cuts(tmp_path, seconds=8)
    for target, item in zip(intent(scene, *made), made, strict=True):
        put(client, target, item.content)
    running, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(services.READERS)
    verify = services._verify

    def counted(*arguments: Any) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(10)
        try:
            return verify(*arguments)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(services, "_verify", counted)
    answers = commit(scene, *made)
    assert {type(answer).__name__ for answer in answers} == {"AlreadyCommitted"}
    assert most == services.READERS


def test_over_http_only_an_agent_is_heard_and_bad_bodies_are_named(
    scene: Scene, client: Client, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    body = encode(IntentRequest(manifests=(made.manifest,)))

    def post(data: bytes, *, path: str = "intent", **headers: str) -> Any:
        return client.post(
            f"/agent/v1/{path}",
            data,
            content_type="application/json",
            headers=headers or {"Authorization": scene.box.authorization()},
        )

    answer = decode(post(body).content, IntentAnswer).answers[0]
    assert isinstance(answer, PutTarget)
    for path in ("intent", "commit", "gaps", "report"):
        unsigned = post(body, path=path, Accept="text/html")
        assert unsigned.status_code == 401
        assert decode(unsigned.content, Problem).code is Code.AGENT_TOKEN_INVALID
    assert post(b'{"manifests":[]}').status_code == 400
    assert "manifests" in decode(post(b'{"manifests":[{}]}').content, Problem).detail
    assert post(b"{").status_code == 400
    assert post(b"x" * (MESSAGE_LIMIT_BYTES + 1)).status_code == 413
    assert client.get("/agent/v1/intent").status_code == 405
    gaps = GapsRequest(
        gaps=(
            GapRecord(
                gap_id=GapId(new_id()),
                class_session_id=ClassSessionId(scene.session.id),
                camera_id=CameraId(scene.cameras["left"].id),
                from_at=START_AT,
                to_at=START_AT,
                reason=GapReason.AGENT_LATE,
            ),
        )
    )
    assert decode(post(encode(gaps), path="gaps").content, GapsAnswer).settled == (gaps.gaps[0].gap_id,)


def test_nothing_at_rest_is_in_clear(scene: Scene, client: Client, tmp_path: Path) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, client, made)
    (row,) = segments(scene)
    stored = b"".join(_chunks(row.object_key))
    assert hashlib.sha256(stored).hexdigest() == made.manifest.sha256
    assert not any(box in stored for box in (b"ftyp", b"moov", b"moof", b"mdat"))
    assert SegmentId(row.id) == made.manifest.segment_id


def _chunks(key: str) -> list[bytes]:
    with object_store().open(key) as chunks:
        return list(chunks)
