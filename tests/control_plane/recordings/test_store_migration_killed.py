"""There and back on a real server, with the worker that moves footage killed on the way, again and again."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from control_plane.common.scoping import studio_scope
from control_plane.recordings.object_deletion import delete_due
from control_plane.recordings.store_migration import start_migration
from control_plane.storage.models import MigrationState, StoreMigration
from control_plane.storage.s3 import S3Store
from control_plane.storage.s3_config import S3Config
from control_plane.storage.stores import storage as chosen_storage
from tests.control_plane.conftest import Cast
from tests.control_plane.scenes import make_scene
from tests.control_plane.sending import upload
from tests.control_plane.stores import grace_is_over, named, replayed, run, where
from tests.rigs.radosgw import S3Server

WORKER = """
import django, sys, time
django.setup()
from uuid import UUID
from django.conf import settings
from ipaddress import ip_network
settings.STORE_NETWORKS = (ip_network("127.0.0.0/8"),)
from control_plane.recordings import store_migration
store_migration.BATCH_SIZE = 2
point = store_migration._repoint_segments
def slow(*args):
    done = point(*args)
    print("moved", flush=True)
    return done
store_migration._repoint_segments = slow
store_migration.advance_migration(UUID(sys.argv[1]), UUID(sys.argv[2]), batches=1000)
print("through", flush=True)
"""


@pytest.mark.usefixtures("stores")
@pytest.mark.s3
@pytest.mark.timeout(300)
def test_there_and_back_on_a_real_server_with_workers_killed_on_the_way(
    committed: Cast, radosgw: S3Server, settings: Any, tmp_path: Path
) -> None:
    scene = make_scene(committed)
    place = S3Config.of_url(radosgw.url(f"move-{scene.cast.studio.slug}"))
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
        migration = start_migration(studio, target, actor=alice)
        for _ in range(20):
            with studio_scope(studio.id):
                StoreMigration.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
            worker = subprocess.Popen(
                [sys.executable, "-c", WORKER, str(studio.id), str(migration.id)],
                env=environment, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert worker.stdout is not None
            line = worker.stdout.readline()
            if line == "moved\n":
                time.sleep(0.02 * kills)  # so that each kill comes at another moment of the work
                worker.send_signal(signal.SIGKILL)
                kills += 1
            worker.wait(60)
            if (late := next(arriving, None)) is not None:
                upload(scene, late)
                assert where(scene)[late.manifest.segment_id] == expected
            assert replayed(scene, cuts[kills % 14]) == cuts[kills % 14].content
            if kills % 4 == 0 or line != "moved\n":
                migration = run(scene, migration)
            if migration.state == MigrationState.GRACE:
                break
        assert migration.state == MigrationState.GRACE, migration.error
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
    with studio_scope(studio.id):
        assert chosen_storage().store_id is None
