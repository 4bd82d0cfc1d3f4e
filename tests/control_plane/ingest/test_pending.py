"""Uploads that an agent announces and never completes: they are bounded, and a final refusal leaves nothing behind."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from msgspec.structs import replace

from control_plane.common.errors import NotFound
from control_plane.common.scoping import studio_scope
from control_plane.fleet import services as fleet
from control_plane.ingest import intents, quarantine, services, verification
from control_plane.ingest.models import PendingSegment, QuarantinedSegment
from control_plane.ingest.targets import LIFETIME
from control_plane.plans.models import Limit
from control_plane.plans.services import assign_plan, create_plan
from control_plane.recordings.models import Segment
from control_plane.storage.configured import object_store
from control_plane.storage.models import ObjectDeletion
from shared.protocol.errors import Code
from shared.protocol.ids import SegmentId, new_id
from shared.protocol.upload import PutTarget, Refused
from tests.control_plane.conftest import SETUP, Cast
from tests.control_plane.footage import Cut
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import announce, arrived, codes, commit, put, send, upload


def with_a_bad_key(made: Cut) -> Cut:
    return Cut(made.content, replace(made.manifest, sealed_key=bytes(64)), b"")


def test_a_segment_whose_key_does_not_open_is_read_once_and_never_taken_again(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stayed announced, and each commit read all of it anew."""
    (made,) = scene.cuts(tmp_path, each=2)
    broken = with_a_bad_key(made)
    assert codes(send(scene, broken)) == [Code.SEGMENT_CORRUPT]
    monkeypatch.setattr(type(object_store()), "sha256", lambda *_: pytest.fail("it was read again"))
    with studio_scope(scene.cast.studio.id):
        assert not PendingSegment.objects.exists()
        gone = ObjectDeletion.objects.get()
        assert gone.object_key.endswith(f"{made.manifest.segment_id}.seg")
        assert gone.due_at is not None
        assert gone.due_at - gone.created_at > LIFETIME * 0.9, "a signed address may still be good"
    for _ in range(2):
        assert codes(commit(scene, broken)) == [Code.SEGMENT_MISSING]
        (answer,) = announce(scene, broken)
        assert (answer.code, answer.retryable) == (Code.SEGMENT_CORRUPT, False)
    with studio_scope(scene.cast.studio.id):
        assert QuarantinedSegment.objects.count() == 1
        assert not PendingSegment.objects.exists()


def test_what_loses_against_a_segment_of_its_id_leaves_that_one_its_object(
    scene: Scene, tmp_path: Path
) -> None:
    first, second = scene.cuts(tmp_path)
    upload(scene, first)
    with studio_scope(scene.cast.studio.id):
        row = Segment.objects.get()
        loser = PendingSegment(
            id=first.manifest.segment_id,
            studio_id=row.studio_id,
            agent_id=row.agent_id,
            class_session_id=row.class_session_id,
            object_key=row.object_key,
            size_bytes=1,
        )
        quarantine.drop_pending([loser])
        assert not ObjectDeletion.objects.exists()
    upload(scene, second)


def test_an_agent_announces_so_many_segments_before_some_are_committed(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intents, "MAX_PENDING", 2)
    first, second, third = scene.cuts(tmp_path, seconds=3)
    answers = announce(scene, first, second, third)
    assert codes(answers) == [None, None, Code.TOO_MANY_REQUESTS]
    assert answers[2].retryable
    assert codes(announce(scene, second, first)) == [None, None], "again is no more"
    target = answers[0]
    assert isinstance(target, PutTarget)
    put(target, first.content)
    commit(scene, first)
    assert codes(announce(scene, third)) == [None]


def test_an_agent_announces_so_many_bytes_before_some_are_committed(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = scene.cuts(tmp_path, seconds=2)
    monkeypatch.setattr(
        intents, "MAX_PENDING_BYTES", first.manifest.size_bytes + second.manifest.size_bytes - 1
    )
    assert codes(announce(scene, first, second)) == [None, Code.TOO_MANY_REQUESTS]


def test_an_agent_fills_so_many_rows_with_what_is_refused_for_good(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "MAX_QUARANTINED", 2)
    first, *others = scene.cuts(tmp_path, seconds=5)
    upload(scene, first)
    for made in others:
        rival = replace(made.manifest, sequence=first.manifest.sequence, segment_id=SegmentId(new_id()))
        answers = announce(scene, Cut(made.content, rival, b""))
        assert codes(answers) == [Code.SEGMENT_SEQUENCE_CONFLICT]
    with studio_scope(scene.cast.studio.id):
        assert QuarantinedSegment.objects.count() == 2


def test_a_class_that_is_recorded_goes_a_little_over_the_storage_of_its_plan_and_no_further(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = scene.cuts(tmp_path, seconds=3)
    plan = create_plan(actor=SETUP, slug="small", name="Small")
    limits: dict[str, int | None] = {Limit.STORAGE_BYTES.value: first.manifest.size_bytes}
    assign_plan(scene.cast.studio, plan, actor=SETUP, overrides=limits)
    monkeypatch.setattr(intents, "MIN_OVERDRAFT_BYTES", second.manifest.size_bytes)
    monkeypatch.setattr(intents, "USAGE_CACHE_S", 0)
    upload(scene, first)
    upload(scene, second)
    upload_bytes = sum(item.manifest.size_bytes for item in (first, second, third))
    assert upload_bytes > intents.overdraft_bytes(first.manifest.size_bytes) + first.manifest.size_bytes
    (answer,) = announce(scene, third)
    assert isinstance(answer, Refused)
    assert (answer.code, answer.retryable) == (Code.TOO_MANY_REQUESTS, True)
    assert "storage" in answer.detail
    assign_plan(scene.cast.studio, plan, actor=SETUP)
    upload(scene, third)


def test_an_agent_that_was_just_revoked_brings_nothing_more(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = scene.cuts(tmp_path, seconds=2)
    (target,) = announce(scene, first)
    put(target, first.content)

    def revoke() -> None:
        with studio_scope(scene.cast.studio.id):
            fleet.revoke_agent(scene.agent, reason="stolen", actor=scene.cast.alice.actor)

    verified = verification.verify

    def meanwhile(*what: Any) -> Any:
        found = verified(*what)
        revoke()
        return found

    monkeypatch.setattr(services, "verify", meanwhile)
    with pytest.raises(NotFound):
        commit(scene, first)
    assert arrived(scene) == []
    with pytest.raises(NotFound):
        announce(scene, second)
    with pytest.raises(NotFound):
        services.commit_gaps([], scene.caller)


def test_an_id_that_another_studio_announced_is_refused_and_its_row_stays(
    scene: Scene, other: Cast, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    announce(scene, made)
    foreign = make_scene(other)
    (theirs,) = foreign.cuts(tmp_path, each=2)
    rival = replace(theirs.manifest, segment_id=made.manifest.segment_id)
    assert codes(announce(foreign, Cut(theirs.content, rival, b""))) == [Code.SEGMENT_HASH_CONFLICT]
    with studio_scope(scene.cast.studio.id):
        assert PendingSegment.objects.get().sha256 == made.manifest.sha256


def test_of_two_in_one_request_the_first_has_the_id(scene: Scene, tmp_path: Path) -> None:
    first, second = scene.cuts(tmp_path)
    twin = replace(second.manifest, segment_id=first.manifest.segment_id)
    answers = announce(scene, first, Cut(second.content, twin, b""), first)
    assert codes(answers) == [None, Code.SEGMENT_HASH_CONFLICT, None]


def test_a_request_asks_the_database_no_more_for_many_segments_than_for_a_few(
    scene: Scene, tmp_path: Path
) -> None:
    """Sixteen statements for each segment made one request of 64 a second of work."""
    few, many = scene.cuts(tmp_path, seconds=2), scene.cuts(tmp_path, seconds=10)[2:]
    counts = []
    for made in (few, many):
        with CaptureQueriesContext(connection) as asked:
            assert codes(announce(scene, *made)) == [None] * len(made)
        counts.append(len(asked))
    assert counts[1] == counts[0]
