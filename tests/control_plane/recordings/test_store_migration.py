"""A studio's footage goes from one store to another while a class is recorded and replayed, and nothing is lost by it."""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from control_plane.audit.models import Entry
from control_plane.common.errors import Conflict
from control_plane.common.scoping import studio_scope
from control_plane.ingest.models import PendingSegment
from control_plane.recordings import store_migration
from control_plane.recordings.models import Segment
from control_plane.recordings.object_deletion import delete_due, retire_store
from control_plane.recordings.store_migration import (
    advance_migration,
    cancel_migration,
    retry_failures,
    start_migration,
)
from control_plane.storage.configured import object_store
from control_plane.storage.deletion_queue import schedule_deletion
from control_plane.storage.errors import ObjectMissing
from control_plane.storage.models import (
    DeletionReason,
    MigrationFailure,
    MigrationState,
    ObjectDeletion,
    StoreMigration,
    StudioStore,
)
from control_plane.storage.stores import storage as chosen_storage
from shared.protocol.upload import PutTarget
from tests.control_plane.scenes import Scene
from tests.control_plane.sending import announce, codes, commit, put, upload
from tests.control_plane.stores import grace_is_over, named, replayed, run, where
from tests.rigs.lax_s3 import LaxServer

pytestmark = pytest.mark.usefixtures("stores")


def test_a_move_takes_everything_along_and_replay_works_at_each_moment(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    cuts = scene.cuts(tmp_path, seconds=12)
    for made in cuts[:10]:
        upload(scene, made)
    store = named(scene, lax.place(prefix="dance/"))
    migration = start_migration(scene.cast.studio, store, actor=scene.cast.alice.actor)
    upload(scene, cuts[10])
    assert where(scene)[cuts[10].manifest.segment_id] == store.id, "new footage goes to the new store"
    migration = run(scene, migration, batches=1)
    assert set(where(scene).values()) == {None, store.id}
    assert 0 < migration.moved_segments < migration.total_segments == 10
    for made in cuts[:11]:
        assert replayed(scene, made) == made.content
    migration = run(scene, migration)
    assert migration.state == MigrationState.GRACE
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
    assert run(scene, migration).state == MigrationState.DONE
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
    migration = run(scene, start_migration(scene.cast.studio, store, actor=scene.cast.alice.actor))
    assert migration.state == MigrationState.COPYING, "what is damaged is not passed over in silence"
    assert where(scene) == {
        bad.manifest.segment_id: None, good.manifest.segment_id: store.id, gone.manifest.segment_id: None,
    }  # fmt: skip
    assert list(lax.objects) == [keys[good.manifest.segment_id]]
    with studio_scope(scene.cast.studio.id):
        faults = {row.segment_id: row for row in MigrationFailure.objects.all()}
    assert faults[bad.manifest.segment_id].code == "segment_corrupt"
    assert "Damaged in the source store" in faults[bad.manifest.segment_id].detail
    assert faults[gone.manifest.segment_id].code == "segment_missing"
    with studio_scope(scene.cast.studio.id):
        first = MigrationFailure.objects.get(segment_id=bad.manifest.segment_id)
        assert first.retry_at > timezone.now(), "with a pause in between"
    for _ in range(8):
        with studio_scope(scene.cast.studio.id):
            MigrationFailure.objects.update(retry_at=timezone.now())
        migration = run(scene, migration)
    assert migration.state == MigrationState.GRACE, "given up, the rest is through"
    grace_is_over(scene)
    delete_due(scene.cast.studio.id, most=100)
    assert path.exists(), "what was not moved is not deleted"
    path.write_bytes(bad.content)
    retry_failures(migration, actor=scene.cast.alice.actor)
    run(scene, migration)
    assert where(scene)[bad.manifest.segment_id] == store.id


def test_a_copy_that_comes_out_wrong_moves_nothing(scene: Scene, lax: LaxServer, tmp_path: Path) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    store = named(scene, lax.place())
    migration = start_migration(scene.cast.studio, store, actor=scene.cast.alice.actor)
    lax.ways.garbles_reads = True
    run(scene, migration)
    assert set(where(scene).values()) == {None}
    assert lax.objects == {}
    lax.ways.garbles_reads = False
    with studio_scope(scene.cast.studio.id):
        assert MigrationFailure.objects.get().code == "segment_corrupt"
        MigrationFailure.objects.update(retry_at=timezone.now())
    run(scene, migration)
    assert set(where(scene).values()) == {store.id}


def test_a_store_that_is_away_stops_the_move_and_blames_no_object(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    store = named(scene, lax.place())
    migration = start_migration(scene.cast.studio, store, actor=scene.cast.alice.actor)
    lax.ways.status = 503
    migration = run(scene, migration)
    assert "503" in migration.error
    assert migration.retry_at is not None
    assert migration.retry_at > timezone.now()
    with studio_scope(scene.cast.studio.id):
        assert not MigrationFailure.objects.exists()
    lax.ways.status = 0
    migration = run(scene, migration)
    assert (migration.state, migration.error) == (MigrationState.GRACE, "")


def test_an_old_copy_stays_until_the_new_one_is_seen(scene: Scene, lax: LaxServer, tmp_path: Path) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    store = named(scene, lax.place())
    run(scene, start_migration(scene.cast.studio, store, actor=scene.cast.alice.actor))
    grace_is_over(scene)
    kept = dict(lax.objects)
    lax.objects.clear()
    assert delete_due(scene.cast.studio.id, most=10) == 0
    with studio_scope(scene.cast.studio.id):
        assert ObjectDeletion.objects.get().error
        assert object_store().head(ObjectDeletion.objects.get().object_key).size_bytes == len(made.content)
        ObjectDeletion.objects.update(due_at=timezone.now() - timedelta(1))
    lax.objects.update(kept)
    assert delete_due(scene.cast.studio.id, most=10) == 1


def test_an_object_in_a_store_that_cannot_be_opened_holds_up_no_other(scene: Scene, lax: LaxServer) -> None:
    store, studio_id = named(scene, lax.place()), scene.cast.studio.id
    key = f"{studio_id}/gone.seg"
    object_store().put(key, [b"x"], size_bytes=1, sha256=hashlib.sha256(b"x").hexdigest())
    with studio_scope(studio_id):
        StudioStore.objects.update(wrapped_secret=b"of another key")
        for place in (store.id, None):
            schedule_deletion([(place, key)], reason=DeletionReason.SHREDDED)
    assert delete_due(studio_id, most=10) == 1
    with pytest.raises(ObjectMissing):
        object_store().head(key)
    with studio_scope(studio_id):
        assert [(row.store_id, row.tries) for row in ObjectDeletion.objects.all()] == [(store.id, 1)]


def test_a_cancelled_move_leaves_footage_in_both_and_all_of_it_plays(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    cuts = scene.cuts(tmp_path, seconds=12)
    for made in cuts[:10]:
        upload(scene, made)
    store = named(scene, lax.place())
    alice = scene.cast.alice.actor
    migration = start_migration(scene.cast.studio, store, actor=alice)
    run(scene, migration, batches=1)
    cancel_migration(migration, actor=alice)
    upload(scene, cuts[10])
    assert where(scene)[cuts[10].manifest.segment_id] is None
    assert set(where(scene).values()) == {None, store.id}
    assert advance_migration(scene.cast.studio.id, migration.id, batches=5) == 0
    for made in cuts[:11]:
        assert replayed(scene, made) == made.content
    back = start_migration(scene.cast.studio, None, actor=alice)
    assert run(scene, back).state == MigrationState.GRACE
    assert set(where(scene).values()) == {None}
    with studio_scope(scene.cast.studio.id):
        assert not ObjectDeletion.objects.filter(store=None).exists(), (
            "old copies that are needed again are called back"
        )
    for made in cuts[:11]:
        assert replayed(scene, made) == made.content
    with pytest.raises(Conflict, match="not deleted yet"):
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
    migration = start_migration(scene.cast.studio, store, actor=scene.cast.alice.actor)
    copied = store_migration._copy_batch

    def slow(*given: Any) -> Any:
        found = copied(*given)
        with studio_scope(scene.cast.studio.id):
            StoreMigration.objects.update(
                lease_token=uuid4(), lease_until=timezone.now() + timedelta(minutes=1)
            )
        return found

    monkeypatch.setattr(store_migration, "_copy_batch", slow)
    before = run(scene, migration)
    assert before.lease_token, "the other worker's lease is left alone"
    assert (before.moved_segments, before.state) == (0, MigrationState.COPYING)
    assert set(where(scene).values()) == {None}
    monkeypatch.undo()
    with studio_scope(scene.cast.studio.id):
        StoreMigration.objects.update(lease_token=None, lease_until=None)
    assert run(scene, migration).moved_segments == 1
    assert set(where(scene).values()) == {store.id}


def test_a_copy_that_no_row_points_at_is_cleared_away(
    scene: Scene, lax: LaxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    store, alice = named(scene, lax.place()), scene.cast.alice.actor
    migration = start_migration(scene.cast.studio, store, actor=alice)
    copied = store_migration._copy_batch

    def cancelled(*given: Any) -> Any:
        found = copied(*given)
        cancel_migration(migration, actor=alice)
        return found

    monkeypatch.setattr(store_migration, "_copy_batch", cancelled)
    run(scene, migration)
    assert len(lax.objects) == 1
    assert set(where(scene).values()) == {None}
    assert delete_due(scene.cast.studio.id, most=10) == 0, "a batch that is under way is left in peace"
    grace_is_over(scene)
    assert delete_due(scene.cast.studio.id, most=10) == 1
    assert lax.objects == {}
    assert replayed(scene, made) == made.content


def test_a_cancelled_migration_goes_on_recording_to_the_same_store(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    cuts = scene.cuts(tmp_path, seconds=10)
    for made in cuts:
        upload(scene, made)
    store, alice, studio = named(scene, lax.place()), scene.cast.alice.actor, scene.cast.studio
    migration = start_migration(studio, store, actor=alice)
    run(scene, migration, batches=1)
    cancel_migration(migration, actor=alice)
    rest = start_migration(studio, None, actor=alice)
    assert (rest.source_id, rest.remainder_only) == (store.id, True)
    cancel_migration(rest, actor=alice)
    with studio_scope(studio.id):
        assert chosen_storage().store_id is None, "it went to the platform's store before, and still does"


def test_no_time_of_grace_keeps_an_old_copy_of_what_was_destroyed(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    run(scene, start_migration(scene.cast.studio, named(scene, lax.place()), actor=scene.cast.alice.actor))
    with studio_scope(scene.cast.studio.id):
        row = Segment.objects.get()
        schedule_deletion([(row.store_id, row.object_key)], reason=DeletionReason.SHREDDED)
        row.delete()
    assert delete_due(scene.cast.studio.id, most=10) == 2
    assert lax.objects == {}
    with pytest.raises(ObjectMissing):
        object_store().head(row.object_key)


def test_what_was_announced_before_the_move_goes_to_the_new_store(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    early, late = scene.cuts(tmp_path, seconds=2)
    (target,) = announce(scene, early)
    (other,) = announce(scene, late)
    assert isinstance(target, PutTarget)
    assert isinstance(other, PutTarget)
    store = named(scene, lax.place())
    migration = start_migration(scene.cast.studio, store, actor=scene.cast.alice.actor)
    run(scene, migration)
    assert put(other, late.content).status_code == 201
    assert codes(commit(scene, late)) == [None], "the old address still works"
    assert where(scene)[late.manifest.segment_id] is None
    run(scene, migration)
    assert where(scene)[late.manifest.segment_id] == store.id, "and what came late is brought along"
    upload(scene, early)
    assert where(scene)[early.manifest.segment_id] == store.id
    with studio_scope(scene.cast.studio.id):
        assert not PendingSegment.objects.exists()
