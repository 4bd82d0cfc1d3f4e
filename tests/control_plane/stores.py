"""A studio's stores in tests: named and tried, moved to, read from as a viewer reads."""

from datetime import timedelta
from typing import Any

import httpx
from django.utils import timezone

from control_plane.common.scoping import studio_scope
from control_plane.recordings.models import Segment
from control_plane.recordings.store_migration import advance_migration
from control_plane.storage import services
from control_plane.storage.models import ObjectDeletion, StoreMigration, StoreProbe, StudioStore
from control_plane.storage.s3_config import S3Config
from tests.control_plane.conftest import as_person
from tests.control_plane.footage import Cut
from tests.control_plane.scenes import Scene


def named(scene: Scene, place: S3Config, name: str = "Our bucket") -> StudioStore:
    """Names a store and has it tried."""
    studio, alice = scene.cast.studio, scene.cast.alice.actor
    store = services.add_store(
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
        (probe_id,) = services.due_probes()
    assert services.run_probe(studio.id, probe_id)
    with studio_scope(studio.id):
        found = StoreProbe.objects.get(pk=probe_id)
        assert found.is_fit, found.findings
        row: StudioStore = StudioStore.objects.get(pk=store.pk)
        return row


def replayed(scene: Scene, made: Cut) -> bytes:
    """Returns a segment's bytes as a viewer gets them, wherever they lie."""
    answer = as_person(scene.cast.ivan).get(
        f"/studio/{scene.cast.studio.slug}/classes/{scene.session.id}/segments/{made.manifest.segment_id}/bytes.m4s"
    )
    if answer.status_code == 302:
        return httpx.get(answer["Location"]).content
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]


def where(scene: Scene) -> dict[Any, Any]:
    """Returns the store of each segment by its id; None is the platform's."""
    with studio_scope(scene.cast.studio.id):
        return dict(Segment.objects.values_list("id", "store_id"))


def run(scene: Scene, move: StoreMigration, batches: int = 50) -> StoreMigration:
    """Lets a move go on for some batches; returns it as it is then."""
    advance_migration(scene.cast.studio.id, move.id, batches=batches)
    with studio_scope(scene.cast.studio.id):
        row: StoreMigration = StoreMigration.objects.get(pk=move.pk)
        return row


def grace_is_over(scene: Scene) -> None:
    """Lets two days pass for all that waits to be deleted."""
    with studio_scope(scene.cast.studio.id):
        past = timezone.now() - timedelta(days=2)
        ObjectDeletion.objects.exclude(due_at=None).update(due_at=past)
        StoreMigration.objects.exclude(copied_at=None).update(copied_at=past)
