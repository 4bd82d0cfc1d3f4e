"""Refused and quarantined segments: each with its own code, and never in the way of the rest."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import time_machine
from django.conf import settings as configured
from django.utils import timezone

from control_plane.audit.models import Entry
from control_plane.common.errors import StoreUnavailable
from control_plane.common.scoping import studio_scope
from control_plane.ingest.models import QuarantinedSegment
from control_plane.recordings.models import Segment
from control_plane.storage.configured import object_store
from shared.protocol.codec import decode
from shared.protocol.errors import Code, Problem
from shared.protocol.ids import CameraId, new_id
from tests.control_plane.conftest import Cast
from tests.control_plane.fleet.conftest import pair_agent
from tests.control_plane.footage import Cut
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import announce, arrived, codes, commit, put, send, upload


def test_the_target_takes_exactly_the_announced_bytes_for_a_quarter_of_an_hour(
    scene: Scene, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    (target,) = announce(scene, made)
    assert target.expires_at - timezone.now() <= timedelta(minutes=15)
    other = bytes([made.content[0] ^ 1]) + made.content[1:]
    for wrong in (other, made.content[:-1], made.content + b"x", b""):
        response = put(target, wrong)
        assert response.status_code == 422
        assert decode(response.content, Problem).code is Code.SEGMENT_CORRUPT
    for tampered in (
        target.url.replace("size=", "size=1"),
        target.url.replace(".seg", ".sex"),
        target.url.replace("expires=", "expires=9"),
        target.url.partition("?")[0],
    ):
        response = put(msgspec.structs.replace(target, url=tampered), made.content)
        assert (response.status_code, decode(response.content, Problem).code) == (
            403,
            Code.UPLOAD_TARGET_EXPIRED,
        )
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert put(target, made.content).status_code == 403
    assert put(target, made.content).status_code == 201


def test_a_commit_without_bytes_or_with_other_bytes_gets_no_receipt(scene: Scene, tmp_path: Path) -> None:
    gone, spoiled, good = scene.cuts(tmp_path, seconds=3)
    targets = announce(scene, gone, spoiled, good)
    for target, made in zip(targets[1:], (spoiled, good), strict=True):
        put(target, made.content)
    key = urlsplit(targets[1].url).path.removeprefix("/agent/v1/objects/")
    path = Path(configured.OBJECT_STORE_URL.removeprefix("file://")) / key
    path.write_bytes(b"\0" * len(spoiled.content))
    answers = commit(scene, gone, spoiled, good)
    assert codes(answers) == [Code.SEGMENT_MISSING, Code.SEGMENT_CORRUPT, None]
    assert all(answer.retryable for answer in answers[:2])
    assert not path.exists(), "or the segment could never be put again"
    upload(scene, spoiled)
    assert len(arrived(scene)) == 2


def test_a_store_that_is_away_is_a_reason_to_come_again(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    (target,) = announce(scene, made)
    put(target, made.content)

    def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("the disk is away")

    with monkeypatch.context() as broken:
        broken.setattr(type(object_store()), "head", away)
        broken.setattr(type(object_store()), "put", away)
        (answer,) = commit(scene, made)
        assert (answer.code, answer.retryable) == (Code.STORE_UNAVAILABLE, True)
        assert put(target, made.content).status_code == 503
    assert codes(commit(scene, made)) == [None]


def test_another_hash_under_the_same_id_is_set_aside_and_blocks_nothing(scene: Scene, tmp_path: Path) -> None:
    first, second = scene.cuts(tmp_path)
    upload(scene, first)
    imposter = Cut(
        second.content, msgspec.structs.replace(second.manifest, segment_id=first.manifest.segment_id), b""
    )
    answers = announce(scene, imposter, second)
    assert codes(answers) == [Code.SEGMENT_HASH_CONFLICT, None]
    announce(scene, imposter)
    with studio_scope(scene.cast.studio.id):
        assert QuarantinedSegment.objects.get().code == "segment_hash_conflict"
        assert Entry.objects.filter(action="segment.quarantined").count() == 1
    assert codes(commit(scene, imposter)) == [Code.SEGMENT_HASH_CONFLICT]
    upload(scene, second)


def test_the_id_of_another_agents_segment_is_quarantined_and_its_bytes_stay(
    scene: Scene, tmp_path: Path
) -> None:
    first, second = scene.cuts(tmp_path)
    upload(scene, first)
    _, other = pair_agent(scene.cast)
    with studio_scope(scene.cast.studio.id):
        Segment.objects.update(agent=other)
    imposter = Cut(
        second.content, msgspec.structs.replace(second.manifest, segment_id=first.manifest.segment_id), b""
    )
    assert codes(announce(scene, imposter)) == [Code.SEGMENT_HASH_CONFLICT]
    assert codes(commit(scene, imposter)) == [Code.SEGMENT_MISSING]
    (row,) = arrived(scene)
    assert object_store().sha256(row.object_key) == first.manifest.sha256


def test_another_segment_in_the_same_place_is_set_aside(scene: Scene, tmp_path: Path) -> None:
    first, second = scene.cuts(tmp_path)
    rival = Cut(
        second.content,
        msgspec.structs.replace(second.manifest, sequence=first.manifest.sequence),
        second.key,
    )
    # Both are announced before either is there: the database decides at the commit.
    for target, made in zip(announce(scene, first, rival), (first, rival), strict=True):
        put(target, made.content)
    assert codes(commit(scene, first, rival)) == [None, Code.SEGMENT_SEQUENCE_CONFLICT]
    assert codes(announce(scene, rival)) == [Code.SEGMENT_SEQUENCE_CONFLICT]
    assert len(arrived(scene)) == 1


def test_a_key_that_does_not_open_is_set_aside(scene: Scene, tmp_path: Path) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    broken = Cut(made.content, msgspec.structs.replace(made.manifest, sealed_key=bytes(64)), b"")
    assert codes(send(scene, broken)) == [Code.SEGMENT_CORRUPT]
    assert arrived(scene) == []


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
    (answer,) = announce(scene, Cut(made.content, wrong, b""))
    assert answer.code is Code.BAD_REQUEST
    assert field in answer.detail


def test_only_what_this_agent_records_for_this_class_is_wanted(
    scene: Scene, other: Cast, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    foreign = make_scene(other)
    colleague = make_scene(scene.cast, name="Small room")
    for stranger in (foreign, colleague):
        assert codes(announce(stranger, made)) == [Code.SEGMENT_NOT_WANTED]
        assert codes(commit(stranger, made)) == [Code.SEGMENT_MISSING]
    unknown = msgspec.structs.replace(made.manifest, camera_id=CameraId(new_id()))
    assert codes(announce(scene, Cut(made.content, unknown, b""))) == [Code.SEGMENT_NOT_WANTED]
