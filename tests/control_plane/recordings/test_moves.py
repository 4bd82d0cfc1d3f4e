"""A studio's footage goes from one store to another while a class is recorded and replayed, and nothing is lost by it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.conf import settings as configured
from django.test import Client
from django.utils import timezone

from control_plane.audit.models import Entry
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.ingest import services as ingest
from control_plane.ingest.models import PendingSegment
from control_plane.recordings import moves
from control_plane.recordings.disposals import delete_due, retire_store
from control_plane.recordings.models import Segment
from control_plane.recordings.moves import advance_move, cancel_move, retry_faults, start_move
from control_plane.storage.configured import object_store
from control_plane.storage.errors import ObjectMissing
from control_plane.storage.place import S3Place, ServerSide
from control_plane.storage.s3 import S3Store
from control_plane.studios.models import (
    Disposal,
    DisposalReason,
    MoveFault,
    MoveState,
    ProbeState,
    StoreMove,
    StoreProbe,
    StudioStore,
)
from control_plane.studios.services import storage
from control_plane.studios.services.disposals import dispose
from control_plane.studios.stores import open_store
from control_plane.studios.stores import storage as chosen_storage
from shared.protocol.errors import Code
from shared.protocol.upload import AlreadyCommitted, CommitItem, PutTarget, Refused
from tests.control_plane.conftest import Cast
from tests.control_plane.footage import Cut
from tests.control_plane.scenes import Scene, make_scene
from tests.rigs.lax_s3 import LaxServer, lax_s3
from tests.rigs.radosgw import S3Server


@pytest.fixture
def scene(cast: Cast, settings: Any, tmp_path: Path) -> Scene:
    return prepared(cast, settings, tmp_path)


def prepared(cast: Cast, settings: Any, tmp_path: Path) -> Scene:
    settings.OBJECT_STORE_URL = f"file://{tmp_path / 'ours'}"
    settings.STORE_NETWORKS = (ip_network("127.0.0.0/8"),)
    settings.STORE_GRACE = timedelta(days=1)
    return make_scene(cast)


@pytest.fixture
def lax() -> Iterator[LaxServer]:
    with lax_s3() as server:
        yield server


def named(scene: Scene, place: S3Place, name: str = "Our bucket") -> StudioStore:
    """Names a store and has it tried."""
    studio, alice = scene.cast.studio, scene.cast.alice.actor
    store = storage.add_store(
        studio,
        actor=alice,
        name=name,
        endpoint=place.origin,
        bucket=place.bucket,
        region=place.region,
        prefix=place.prefix,
        access_key=place.access_key,
        secret_key=place.secret_key,
        encryption=place.server_side,
    )
    with studio_scope(studio.id):
        (probe_id,) = storage.due_probes()
    assert storage.run_probe(studio.id, probe_id)
    with studio_scope(studio.id):
        found = StoreProbe.objects.get(pk=probe_id)
        assert found.is_fit, found.findings
        row: StudioStore = StudioStore.objects.get(pk=store.pk)
        return row


def upload(scene: Scene, made: Cut) -> Any:
    """Sends one segment the way a box does."""
    (target,) = ingest.announce_segments([made.manifest], scene.caller)
    assert isinstance(target, PutTarget), target
    if target.url.startswith("http"):
        status = httpx.put(target.url, content=made.content, headers=target.headers).status_code
    else:
        status = (
            Client().put(target.url, data=made.content, content_type="application/octet-stream").status_code
        )
    assert status in (200, 201), status
    return commit(scene, made)


def commit(scene: Scene, made: Cut) -> Any:
    manifest = made.manifest
    item = CommitItem(segment_id=manifest.segment_id, size_bytes=manifest.size_bytes, sha256=manifest.sha256)
    (answer,) = ingest.commit_segments([item], scene.caller)
    return answer


def replayed(scene: Scene, made: Cut) -> bytes:
    """Returns a segment's bytes as a viewer gets them, wherever they lie."""
    client = Client()
    client.force_login(scene.cast.ivan, backend=configured.AUTHENTICATION_BACKENDS[0])
    answer = client.get(
        f"/studio/{scene.cast.studio.slug}/classes/{scene.session.id}/segments/{made.manifest.segment_id}/bytes.m4s"
    )
    if answer.status_code == 302:
        return httpx.get(answer["Location"]).content
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]


def where(scene: Scene) -> dict[Any, Any]:
    with studio_scope(scene.cast.studio.id):
        return dict(Segment.objects.values_list("id", "store_id"))


def run(scene: Scene, move: StoreMove, batches: int = 50) -> StoreMove:
    advance_move(scene.cast.studio.id, move.id, batches=batches)
    with studio_scope(scene.cast.studio.id):
        row: StoreMove = StoreMove.objects.get(pk=move.pk)
        return row


def grace_is_over(scene: Scene) -> None:
    with studio_scope(scene.cast.studio.id):
        past = timezone.now() - timedelta(days=2)
        Disposal.objects.exclude(due_at=None).update(due_at=past)
        StoreMove.objects.exclude(copied_at=None).update(copied_at=past)


def test_a_move_takes_everything_along_and_replay_works_at_each_moment(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    cuts = scene.cuts(tmp_path, seconds=12)
    for made in cuts[:10]:
        assert isinstance(upload(scene, made), AlreadyCommitted)
    store = named(scene, lax.place(prefix="dance/"))
    move = start_move(scene.cast.studio, store, actor=scene.cast.alice.actor)
    assert isinstance(upload(scene, cuts[10]), AlreadyCommitted)
    assert where(scene)[cuts[10].manifest.segment_id] == store.id, "new footage goes to the new store"
    move = run(scene, move, batches=1)
    assert set(where(scene).values()) == {None, store.id}
    assert 0 < move.moved_segments < move.total_segments == 10
    for made in cuts[:11]:
        assert replayed(scene, made) == made.content
    move = run(scene, move)
    assert move.state == MoveState.GRACE
    assert set(where(scene).values()) == {store.id}
    assert all(key.startswith(f"dance/{scene.cast.studio.id}/") for key in lax.objects)
    ours = object_store()
    with studio_scope(scene.cast.studio.id):
        rows = {row.id: row for row in Segment.objects.all()}
    assert delete_due(scene.cast.studio.id, most=100) == 0, "the time of grace is not over"
    assert ours.head(rows[cuts[0].manifest.segment_id].object_key).size_bytes
    grace_is_over(scene)
    assert delete_due(scene.cast.studio.id, most=100) == 10
    with pytest.raises(ObjectMissing):
        ours.head(rows[cuts[0].manifest.segment_id].object_key)
    assert run(scene, move).state == MoveState.DONE
    for made in cuts[:11]:
        assert replayed(scene, made) == made.content
    with studio_scope(scene.cast.studio.id):
        acts = list(Entry.objects.order_by("sequence").values_list("action", flat=True))
    assert [act for act in acts if act.startswith("store.move")] == [
        "store.move_started", "store.move_copied", "store.move_finished",
    ]  # fmt: skip


def test_a_damaged_object_is_named_and_never_copied_as_good(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    bad, good, gone = scene.cuts(tmp_path, seconds=3)
    for made in (bad, good, gone):
        upload(scene, made)
    with studio_scope(scene.cast.studio.id):
        keys = dict(Segment.objects.values_list("id", "object_key"))
    root = object_store().root  # type: ignore[attr-defined]
    path = root / keys[bad.manifest.segment_id]
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    (root / keys[gone.manifest.segment_id]).unlink()
    store = named(scene, lax.place())
    move = run(scene, start_move(scene.cast.studio, store, actor=scene.cast.alice.actor))
    assert move.state == MoveState.COPYING, "what is damaged is not passed over in silence"
    assert where(scene) == {
        bad.manifest.segment_id: None, good.manifest.segment_id: store.id, gone.manifest.segment_id: None,
    }  # fmt: skip
    assert list(lax.objects) == [keys[good.manifest.segment_id]]
    with studio_scope(scene.cast.studio.id):
        faults = {row.segment_id: row for row in MoveFault.objects.all()}
    assert faults[bad.manifest.segment_id].code == "segment_corrupt"
    assert "Damaged in the old store" in faults[bad.manifest.segment_id].detail
    assert faults[gone.manifest.segment_id].code == "segment_missing"
    with studio_scope(scene.cast.studio.id):
        first = MoveFault.objects.get(segment_id=bad.manifest.segment_id)
        assert first.retry_at > timezone.now(), "with a pause in between"
    for _ in range(8):
        with studio_scope(scene.cast.studio.id):
            MoveFault.objects.update(retry_at=timezone.now())
        move = run(scene, move)
    assert move.state == MoveState.GRACE, "given up, the rest is through"
    grace_is_over(scene)
    delete_due(scene.cast.studio.id, most=100)
    assert path.exists(), "what was not moved is not deleted"
    path.write_bytes(bad.content)
    retry_faults(move, actor=scene.cast.alice.actor)
    run(scene, move)
    assert where(scene)[bad.manifest.segment_id] == store.id


def test_a_copy_that_comes_out_wrong_moves_nothing(scene: Scene, lax: LaxServer, tmp_path: Path) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    store = named(scene, lax.place())
    move = start_move(scene.cast.studio, store, actor=scene.cast.alice.actor)
    lax.ways.garbles_reads = True
    run(scene, move)
    assert set(where(scene).values()) == {None}
    assert lax.objects == {}
    lax.ways.garbles_reads = False
    with studio_scope(scene.cast.studio.id):
        assert MoveFault.objects.get().code == "segment_corrupt"
        MoveFault.objects.update(retry_at=timezone.now())
    run(scene, move)
    assert set(where(scene).values()) == {store.id}


def test_a_store_that_is_away_stops_the_move_and_blames_no_object(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    store = named(scene, lax.place())
    move = start_move(scene.cast.studio, store, actor=scene.cast.alice.actor)
    lax.ways.status = 503
    move = run(scene, move)
    assert "503" in move.error
    assert move.retry_at is not None
    assert move.retry_at > timezone.now()
    with studio_scope(scene.cast.studio.id):
        assert not MoveFault.objects.exists()
    lax.ways.status = 0
    move = run(scene, move)
    assert (move.state, move.error) == (MoveState.GRACE, "")


def test_an_old_copy_stays_until_the_new_one_is_seen(scene: Scene, lax: LaxServer, tmp_path: Path) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    store = named(scene, lax.place())
    run(scene, start_move(scene.cast.studio, store, actor=scene.cast.alice.actor))
    grace_is_over(scene)
    kept = dict(lax.objects)
    lax.objects.clear()
    assert delete_due(scene.cast.studio.id, most=10) == 0
    with studio_scope(scene.cast.studio.id):
        assert Disposal.objects.get().error
        assert object_store().head(Disposal.objects.get().object_key).size_bytes == len(made.content)
        Disposal.objects.update(due_at=timezone.now() - timedelta(1))
    lax.objects.update(kept)
    assert delete_due(scene.cast.studio.id, most=10) == 1


def test_a_cancelled_move_leaves_footage_in_both_and_all_of_it_plays(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    cuts = scene.cuts(tmp_path, seconds=12)
    for made in cuts[:10]:
        upload(scene, made)
    store = named(scene, lax.place())
    alice = scene.cast.alice.actor
    move = start_move(scene.cast.studio, store, actor=alice)
    run(scene, move, batches=1)
    cancel_move(move, actor=alice)
    upload(scene, cuts[10])
    assert where(scene)[cuts[10].manifest.segment_id] is None
    assert set(where(scene).values()) == {None, store.id}
    assert advance_move(scene.cast.studio.id, move.id, batches=5) == 0
    for made in cuts[:11]:
        assert replayed(scene, made) == made.content
    back = start_move(scene.cast.studio, None, actor=alice)
    assert run(scene, back).state == MoveState.GRACE
    assert set(where(scene).values()) == {None}
    with studio_scope(scene.cast.studio.id):
        assert not Disposal.objects.filter(store=None).exists(), (
            "old copies that are needed again are called back"
        )
    for made in cuts[:11]:
        assert replayed(scene, made) == made.content
    with pytest.raises(Conflict, match="still to be deleted"):
        retire_store(store, actor=alice)
    grace_is_over(scene)
    delete_due(scene.cast.studio.id, most=100)
    assert lax.objects == {}
    run(scene, back)
    retired = retire_store(store, actor=alice)
    assert bytes(retired.wrapped_secret) == b""


def test_a_worker_that_slept_past_its_lease_points_at_nothing(
    scene: Scene, lax: LaxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    store = named(scene, lax.place())
    move = start_move(scene.cast.studio, store, actor=scene.cast.alice.actor)
    copied = moves._copy_all

    def slow(*given: Any) -> Any:
        found = copied(*given)
        with studio_scope(scene.cast.studio.id):
            StoreMove.objects.update(lease_token=uuid4(), lease_until=timezone.now() + timedelta(minutes=1))
        return found

    monkeypatch.setattr(moves, "_copy_all", slow)
    before = run(scene, move)
    assert before.lease_token, "the other worker's lease is left alone"
    assert (before.moved_segments, before.state) == (0, MoveState.COPYING)
    assert set(where(scene).values()) == {None}
    monkeypatch.undo()
    with studio_scope(scene.cast.studio.id):
        StoreMove.objects.update(lease_token=None, lease_until=None)
    assert run(scene, move).moved_segments == 1
    assert set(where(scene).values()) == {store.id}


def test_a_copy_that_no_row_points_at_is_cleared_away(
    scene: Scene, lax: LaxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    store, alice = named(scene, lax.place()), scene.cast.alice.actor
    move = start_move(scene.cast.studio, store, actor=alice)
    copied = moves._copy_all

    def cancelled(*given: Any) -> Any:
        found = copied(*given)
        cancel_move(move, actor=alice)
        return found

    monkeypatch.setattr(moves, "_copy_all", cancelled)
    run(scene, move)
    assert len(lax.objects) == 1
    assert set(where(scene).values()) == {None}
    assert delete_due(scene.cast.studio.id, most=10) == 0, "a batch that is under way is left in peace"
    grace_is_over(scene)
    assert delete_due(scene.cast.studio.id, most=10) == 1
    assert lax.objects == {}
    assert replayed(scene, made) == made.content


def test_whoever_cancels_bringing_the_rest_goes_on_recording_to_the_same_store(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    cuts = scene.cuts(tmp_path, seconds=10)
    for made in cuts:
        upload(scene, made)
    store, alice, studio = named(scene, lax.place()), scene.cast.alice.actor, scene.cast.studio
    move = start_move(studio, store, actor=alice)
    run(scene, move, batches=1)
    cancel_move(move, actor=alice)
    rest = start_move(studio, None, actor=alice)
    assert (rest.source_id, rest.brings_rest) == (store.id, True)
    cancel_move(rest, actor=alice)
    with studio_scope(studio.id):
        assert chosen_storage().store_id is None, "it went to the platform's store before, and still does"


def test_no_time_of_grace_keeps_an_old_copy_of_what_was_destroyed(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    run(scene, start_move(scene.cast.studio, named(scene, lax.place()), actor=scene.cast.alice.actor))
    with studio_scope(scene.cast.studio.id):
        row = Segment.objects.get()
        dispose([(row.store_id, row.object_key)], reason=DisposalReason.SHREDDED)
        row.delete()
    assert delete_due(scene.cast.studio.id, most=10) == 2
    assert lax.objects == {}
    with pytest.raises(ObjectMissing):
        object_store().head(row.object_key)


def test_a_store_that_is_given_up_takes_no_announced_segment_with_it(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    store, alice = named(scene, lax.place()), scene.cast.alice.actor
    move = start_move(scene.cast.studio, store, actor=alice)
    (early,) = ingest.announce_segments([made.manifest], scene.caller)
    assert isinstance(early, PutTarget)
    assert httpx.put(early.url, content=made.content, headers=early.headers).status_code == 200
    cancel_move(move, actor=alice)
    with pytest.raises(Conflict, match="still to be deleted"):
        retire_store(store, actor=alice)
    late = commit(scene, made)
    assert isinstance(late, Refused)
    assert late.retryable, "the box keeps it and sends it again"
    grace_is_over(scene)
    delete_due(scene.cast.studio.id, most=10)
    assert lax.objects == {}, "nothing is left behind in a store whose keys are forgotten"
    retire_store(store, actor=alice)
    assert isinstance(upload(scene, made), AlreadyCommitted)
    assert set(where(scene).values()) == {None}


def test_what_was_announced_before_the_move_goes_to_the_new_store(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    early, late = scene.cuts(tmp_path, seconds=2)
    (target,) = ingest.announce_segments([early.manifest], scene.caller)
    (other,) = ingest.announce_segments([late.manifest], scene.caller)
    assert isinstance(target, PutTarget)
    assert isinstance(other, PutTarget)
    store = named(scene, lax.place())
    move = start_move(scene.cast.studio, store, actor=scene.cast.alice.actor)
    run(scene, move)
    put = Client().put(other.url, data=late.content, content_type="application/octet-stream")
    assert put.status_code == 201
    assert isinstance(commit(scene, late), AlreadyCommitted), "the old address still works"
    assert where(scene)[late.manifest.segment_id] is None
    run(scene, move)
    assert where(scene)[late.manifest.segment_id] == store.id, "and what came late is brought along"
    upload(scene, early)
    assert where(scene)[early.manifest.segment_id] == store.id
    with studio_scope(scene.cast.studio.id):
        assert not PendingSegment.objects.exists()


def test_nothing_goes_to_a_store_that_was_not_found_fit(scene: Scene, lax: LaxServer) -> None:
    alice, studio = scene.cast.alice.actor, scene.cast.studio
    store = named(scene, lax.place())
    with studio_scope(studio.id):
        StoreProbe.objects.update(state=ProbeState.REFUSED)
    with pytest.raises(Conflict, match="not fit"):
        start_move(studio, store, actor=alice)
    lax.ways.checks_hashes = False
    with studio_scope(studio.id):
        probe = storage.request_probe(studio, store, actor=alice)
    storage.run_probe(studio.id, probe.id)
    with pytest.raises(Conflict, match="checksum"):
        start_move(studio, store, actor=alice)
    lax.ways.checks_hashes = True
    storage.change_store(store, actor=alice, name="Renamed")
    with pytest.raises(Conflict, match="not been tried"):
        start_move(studio, store, actor=alice)
    for person in (scene.cast.ivan, scene.cast.vera):
        with pytest.raises(Forbidden):
            start_move(studio, store, actor=person.actor)
    with pytest.raises(NotFound):
        start_move(studio, store, actor=scene.cast.sam.actor)


def test_a_pinned_region_keeps_footage_in(
    scene: Scene, lax: LaxServer, settings: Any, tmp_path: Path
) -> None:
    alice, studio = scene.cast.alice.actor, scene.cast.studio
    settings.OBJECT_STORE_REGION = "eu-test-1"
    storage.set_region(studio, "eu-test-1", actor=alice)
    with pytest.raises(Conflict, match="eu-test-1"):
        storage.set_region(studio, "us-east-1", actor=alice)
    with pytest.raises(Conflict, match="stays in eu-test-1"):
        named(scene, lax.place(region="us-east-1"), "Elsewhere")
    (made,) = scene.cuts(tmp_path, each=2)
    settings.OBJECT_STORE_REGION = "us-east-1"
    (refused,) = ingest.announce_segments([made.manifest], scene.caller)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.retryable) == (Code.STORE_UNAVAILABLE, True)
    assert "eu-test-1" in refused.detail
    settings.OBJECT_STORE_REGION = "eu-test-1"
    assert isinstance(upload(scene, made), AlreadyCommitted)
    store = named(scene, lax.place())
    start_move(studio, store, actor=alice)
    lax.ways.about["location"] = "<LocationConstraint>ap-far-1</LocationConstraint>"
    with studio_scope(studio.id):
        probe = storage.request_probe(studio, store, actor=alice)
    storage.run_probe(studio.id, probe.id)
    (made,) = scene.cuts(tmp_path, "right", each=2)
    (refused,) = ingest.announce_segments([made.manifest], scene.caller)
    assert isinstance(refused, Refused), "the store is found to be elsewhere: nothing more goes there"
    assert "ap-far-1" in refused.detail


def test_a_store_inside_the_house_is_refused_when_it_is_named(
    scene: Scene, lax: LaxServer, settings: Any
) -> None:
    settings.STORE_NETWORKS = ()
    for endpoint in (f"http://127.0.0.1:{lax.port}", "https://169.254.169.254", "https://localhost:1"):
        with pytest.raises(BadRequest, match="private network"):
            storage.add_store(
                scene.cast.studio, actor=scene.cast.alice.actor, name="x", endpoint=endpoint, bucket="footage",
                region="eu-test-1", access_key="someone", secret_key="something",
            )  # fmt: skip


def test_no_receipt_before_the_store_says_that_it_encrypted_what_it_was_asked_to(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    lax.ways.server_side = "AES256"
    store = named(scene, lax.place(server_side=ServerSide.SSE_S3))
    start_move(scene.cast.studio, store, actor=scene.cast.alice.actor)
    (made,) = scene.cuts(tmp_path, each=2)
    (target,) = ingest.announce_segments([made.manifest], scene.caller)
    assert isinstance(target, PutTarget)
    assert target.headers["x-amz-server-side-encryption"] == "AES256", "the box asks the store for it"
    assert "x-amz-server-side-encryption" in target.headers["Authorization"], "and cannot leave it out"
    assert httpx.put(target.url, content=made.content, headers=target.headers).status_code == 200
    lax.ways.server_side = ""
    refused = commit(scene, made)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.retryable) == (Code.STORE_UNAVAILABLE, True)
    assert "says nothing of the object" in refused.detail
    assert where(scene) == {}
    assert lax.objects == {}, "what lies there as it should not is taken away, and sent again"
    lax.ways.server_side = "AES256"
    assert isinstance(upload(scene, made), AlreadyCommitted)


def test_a_secret_is_sealed_and_never_shown(scene: Scene, lax: LaxServer) -> None:
    store = named(scene, lax.place(secret_key="a-very-secret-key"))
    with studio_scope(scene.cast.studio.id):
        row = StudioStore.objects.get()
        entries = str(list(Entry.objects.values_list("details", flat=True)))
        probes = str(list(StoreProbe.objects.values_list("findings", flat=True)))
        opened = open_store(row.id)
    assert b"a-very-secret-key" not in bytes(row.wrapped_secret)
    assert "a-very-secret-key" not in entries + probes + repr(opened) + repr(opened.place)  # type: ignore[attr-defined]
    storage.change_store(store, actor=scene.cast.alice.actor, name="New name")
    with studio_scope(scene.cast.studio.id):
        assert open_store(row.id).place.secret_key == "a-very-secret-key", "an empty field leaves it"  # type: ignore[attr-defined]
    with pytest.raises(BadRequest, match="secret_key"):
        storage.change_store(store, actor=scene.cast.alice.actor, access_key="another")
    with pytest.raises(BadRequest, match="bucket"):
        storage.change_store(store, actor=scene.cast.alice.actor, bucket="another")


def test_bytes_of_a_store_that_browsers_may_not_read_pass_through_us(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    store = named(scene, lax.place())
    assert not store.direct_reads, "this server does not speak CORS"
    start_move(scene.cast.studio, store, actor=scene.cast.alice.actor)
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    assert replayed(scene, made) == made.content


WORKER = """
import django, sys, time
django.setup()
from uuid import UUID
from django.conf import settings
from ipaddress import ip_network
settings.STORE_NETWORKS = (ip_network("127.0.0.0/8"),)
from control_plane.recordings import moves
moves.BATCH = 2
point = moves._point
def slow(*args):
    done = point(*args)
    print("moved", flush=True)
    return done
moves._point = slow
moves.advance_move(UUID(sys.argv[1]), UUID(sys.argv[2]), batches=1000)
print("through", flush=True)
"""


@pytest.mark.s3
@pytest.mark.timeout(300)
def test_there_and_back_on_a_real_server_with_workers_killed_on_the_way(
    committed: Cast, radosgw: S3Server, settings: Any, tmp_path: Path
) -> None:
    scene = prepared(committed, settings, tmp_path)
    place = S3Place.of_url(radosgw.url(f"move-{scene.cast.studio.slug}"))
    S3Store(place).ensure_bucket()
    alice, studio = scene.cast.alice.actor, scene.cast.studio
    cuts = scene.cuts(tmp_path, seconds=14)
    right = scene.cuts(tmp_path, "right", seconds=14)
    for made in cuts:
        upload(scene, made)
    store = named(scene, place)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "control_plane.config.settings",
        "THREEDANCE_OBJECT_STORE": settings.OBJECT_STORE_URL,
        "THREEDANCE_ROOT_KEY_FILE": str(settings.ROOT_KEY_FILE),
    }
    arriving = iter(right)
    kills = 0
    for target, expected in ((store, store.id), (None, None)):
        move = start_move(studio, target, actor=alice)
        for _ in range(20):
            with studio_scope(studio.id):
                StoreMove.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
            worker = subprocess.Popen(
                [sys.executable, "-c", WORKER, str(studio.id), str(move.id)],
                env=environment, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert worker.stdout is not None
            line = worker.stdout.readline()
            if line == "moved\n":
                time.sleep(0.02 * kills)
                worker.send_signal(signal.SIGKILL)
                kills += 1
            worker.wait(60)
            if (late := next(arriving, None)) is not None:
                upload(scene, late)
                assert where(scene)[late.manifest.segment_id] == expected
            assert replayed(scene, cuts[kills % 14]) == cuts[kills % 14].content
            if kills % 4 == 0 or line != "moved\n":
                move = run(scene, move)
            if move.state == MoveState.GRACE:
                break
        assert move.state == MoveState.GRACE, move.error
        assert set(where(scene).values()) == {expected}
    assert kills >= 4, "the workers were too quick to be killed"
    grace_is_over(scene)
    delete_due(studio.id, most=1000)
    left = list(S3Store(place)._client.list_objects(bucket_name=place.bucket, recursive=True))
    assert left == [], "the old copies are gone, and nothing else was ever there"
    arrived = set(where(scene))
    for made in [*cuts, *right]:
        if made.manifest.segment_id in arrived:
            assert replayed(scene, made) == made.content
    assert len(arrived) >= 18
    assert chosen_of(scene) is None


def chosen_of(scene: Scene) -> Any:
    with studio_scope(scene.cast.studio.id):
        return chosen_storage().store_id
