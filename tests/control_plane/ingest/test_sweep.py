"""The nightly sweep removes abandoned uploads, and loses nothing that an agent may still send."""

import io
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from control_plane.audit.models import Entry
from control_plane.common.scoping import studio_scope
from control_plane.ingest import services as ingest
from control_plane.ingest.models import PendingSegment, QuarantinedSegment
from control_plane.ingest.sweep import sweep_incoming, sweep_studio
from control_plane.recordings.object_deletion import delete_due
from control_plane.storage.configured import object_store
from control_plane.storage.errors import ObjectMissing
from control_plane.storage.local import LocalStore
from control_plane.storage.models import ObjectDeletion
from shared.protocol.upload import PutTarget
from tests.control_plane.scenes import Scene
from tests.control_plane.sending import announce, codes, commit, put, upload
from tests.rigs.lax_s3 import lax_s3

pytestmark = pytest.mark.usefixtures("stores")


def old(scene: Scene, *, days: float = 100) -> None:
    with studio_scope(scene.cast.studio.id):
        long_ago = timezone.now() - timedelta(days=days)
        PendingSegment.objects.update(created_at=long_ago)
        QuarantinedSegment.objects.update(created_at=long_ago)


def test_what_was_never_sent_is_swept_with_its_object_and_may_come_again(
    scene: Scene, tmp_path: Path
) -> None:
    made, other = scene.cuts(tmp_path, seconds=2)
    (target,) = announce(scene, made)
    assert isinstance(target, PutTarget)
    put(target, made.content)
    with studio_scope(scene.cast.studio.id):
        key = PendingSegment.objects.get().object_key
    studio_id = scene.cast.studio.id
    assert sweep_studio(studio_id).pending == 0, "it is young"
    old(scene, days=0.9)
    assert sweep_studio(studio_id).pending == 0, "it is less than a day old"
    old(scene, days=1.1)
    assert sweep_studio(studio_id, dry_run=True).pending == 1
    with studio_scope(studio_id):
        assert PendingSegment.objects.count() == 1, "a dry run takes nothing"
    assert sweep_studio(studio_id).pending == 1
    with studio_scope(studio_id):
        assert Entry.objects.filter(action="uploads.swept").count() == 1
        ObjectDeletion.objects.update(due_at=timezone.now())
    assert object_store().head(key).size_bytes == len(made.content)
    assert delete_due(studio_id, most=10) == 1
    with pytest.raises(ObjectMissing):
        object_store().head(key)
    # The agent was away for long, and still has it.
    upload(scene, made)
    upload(scene, other)


def test_an_agent_that_comes_back_before_the_deletion_calls_its_object_back(
    scene: Scene, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    announce(scene, made)
    old(scene)
    sweep_studio(scene.cast.studio.id)
    upload(scene, made)
    with studio_scope(scene.cast.studio.id):
        assert not ObjectDeletion.objects.exists()
    assert delete_due(scene.cast.studio.id, most=10) == 0
    assert codes(commit(scene, made)) == [None]


def test_a_sweep_is_bounded_and_says_nothing_where_nothing_goes(scene: Scene, tmp_path: Path) -> None:
    ingest.announce_segments([cut.manifest for cut in scene.cuts(tmp_path, seconds=3)], scene.caller)
    old(scene)
    assert [sweep_studio(scene.cast.studio.id, most=2).pending for _ in range(3)] == [2, 1, 0]
    with studio_scope(scene.cast.studio.id):
        assert Entry.objects.filter(action="uploads.swept").count() == 2


def test_unfinished_writes_go_after_a_day(scene: Scene) -> None:
    store = object_store()
    assert isinstance(store, LocalStore)
    folder = store.root / ".incoming"
    folder.mkdir(parents=True, exist_ok=True)
    for name, age_s in (("young", 60), ("stale", 2 * 86_400)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age_s,) * 2)
    assert sweep_incoming(dry_run=True) == 1
    out = io.StringIO()
    call_command("sweep_uploads", "--dry-run", stdout=out)
    assert "1 unfinished writes would be deleted" in out.getvalue()
    assert sweep_incoming() == 1
    assert [path.name for path in folder.iterdir()] == ["young"]


def test_probe_store_refuses_a_store_that_lets_objects_be_overwritten(settings: Any) -> None:
    with lax_s3() as lax:
        settings.OBJECT_STORE_URL = (
            f"s3+http://someone:something@127.0.0.1:{lax.port}/footage?region=eu-test-1"
        )
        settings.OBJECT_STORE_REGION = "eu-test-1"
        call_command("probe_store", stdout=io.StringIO())
        lax.ways.honours_conditions = False
        with pytest.raises(CommandError, match="conditional write"):
            call_command("probe_store", stdout=io.StringIO())
        lax.ways.honours_conditions, lax.ways.checks_hashes = True, False
        with pytest.raises(CommandError, match="checksum"):
            call_command("probe_store", stdout=io.StringIO())
