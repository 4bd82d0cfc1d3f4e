"""A clip outlives its class and dies alone: keys first, then the objects that nobody else needs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.utils import timezone

from control_plane.audit.models import Entry
from control_plane.clips import endings, services
from control_plane.clips.endings import delete_clip, expire_clip, remove_destroyed
from control_plane.clips.models import Clip, ClipSegment
from control_plane.clips.services import make_clip
from control_plane.clips.tasks import sweep_clips
from control_plane.common.errors import Forbidden
from control_plane.common.scoping import studio_scope
from control_plane.data_requests.erasure import erase_dancer
from control_plane.integrity.inspect import scan_segments
from control_plane.integrity.models import ScanDepth
from control_plane.keys.configured import key_share_store
from control_plane.keys.errors import KeyDestroyed, KeysUnavailable
from control_plane.keys.models import KeyTombstone, StudioKey, TombstoneKind
from control_plane.keys.services.generations import (
    count_outdated,
    destroy_due_generations,
    rewrap_batch,
    rotate_studio_key,
)
from control_plane.people.models import Dancer
from control_plane.recordings.models import Segment, Track
from control_plane.recordings.object_deletion import delete_due
from control_plane.recordings.rosters import save_roster
from control_plane.recordings.selectors import stored_bytes
from control_plane.recordings.shredding import remove_shredded, shred_class, shred_studio
from control_plane.storage.errors import ObjectMissing
from control_plane.storage.models import ObjectDeletion
from control_plane.storage.stores import open_store
from control_plane.tenancy.sweeping import SweepIncomplete
from tests.control_plane.clips.player import (
    RETENTION,
    Player,
    clip_of,
    expire,
    objects_of,
    segments_of,
    track_of,
)
from tests.control_plane.conftest import SETUP
from tests.control_plane.scenes import Scene

pytestmark = pytest.mark.django_db(transaction=True)
GOOD = {200, 204, 206}


def stored(scene: Scene, keys: set[str]) -> set[str]:
    """Returns which of these objects exist, after the deletions that are due."""
    delete_due(scene.cast.studio.id, most=100)
    found = set()
    with studio_scope(scene.cast.studio.id):
        store = open_store(None)
    for key in keys:
        try:
            store.head(key)
        except ObjectMissing:
            continue
        found.add(key)
    return found


def all_objects(scene: Scene) -> set[str]:
    with studio_scope(scene.cast.studio.id):
        return set(Segment.objects.values_list("object_key", flat=True))


def is_destroyed(clip: Clip) -> bool:
    try:
        key_share_store().get(UUID(str(clip.id)))
    except KeyDestroyed:
        return True
    return False


def test_a_clip_plays_after_its_class_expired_with_the_objects_it_needs(scene: Scene) -> None:
    keys, clip = all_objects(scene), clip_of(scene, 0, 3, track_ids=[track_of(scene, "left").id])
    (row, _) = segments_of(scene, "left")
    player = Player(scene, clip)
    before = [player.get("timeline", row.track_id, row).json(), player.picture(row)]
    expire(scene)
    needed = objects_of(scene, clip)
    assert needed == {row.object_key}
    assert stored(scene, keys) == needed
    assert [player.get("timeline", row.track_id, row).json(), player.picture(row)] == before
    assert player.statuses(row) == GOOD
    whole = player.client.get(f"/studio/{scene.cast.studio.slug}/classes/{scene.session.id}/check")
    assert whole.status_code == 410
    with studio_scope(scene.cast.studio.id):
        kept = Segment.objects.get()
        assert (bytes(kept.wrapped_key), kept.kept) == (b"", True)
        assert Track.objects.count() == 1
        assert remove_shredded() == 0, "it does not come back for what the clip keeps"
        assert stored_bytes() == kept.size_bytes, "its bytes count, once"


def test_a_deleted_clip_takes_its_objects_with_it(scene: Scene) -> None:
    keys, clip, (row, _) = all_objects(scene), clip_of(scene), segments_of(scene, "left")
    expire(scene)
    delete_clip(clip, actor=scene.cast.ivan.actor)
    assert is_destroyed(clip)
    assert Player(scene, clip).statuses(row) == {410}
    sweep_clips()
    assert Player(scene, clip).statuses(row) == {404}
    assert stored(scene, keys) == set()
    with studio_scope(scene.cast.studio.id):
        assert not Segment.objects.exists()
        assert not Track.objects.exists()
        assert not ClipSegment.objects.exists()
        assert Entry.objects.filter(action="clip.deleted").count() == 1


def test_objects_stay_that_the_class_or_another_clip_needs(scene: Scene) -> None:
    keys = all_objects(scene)
    one, two = clip_of(scene, 0, 3), clip_of(scene, 1, 3)
    delete_clip(one, actor=scene.cast.ivan.actor)
    sweep_clips()
    assert stored(scene, keys) == keys, "the class is alive"
    (row, _) = segments_of(scene, "left")
    expire(scene)
    needed = objects_of(scene, two)
    assert stored(scene, keys) == needed
    assert Player(scene, two).status("key", row) == 200
    delete_clip(two, actor=scene.cast.ivan.actor)
    sweep_clips()
    assert stored(scene, keys) == set()


def test_no_object_goes_before_the_key(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, clip = all_objects(scene), clip_of(scene)
    expire(scene)
    needed = objects_of(scene, clip)

    def unavailable(*_: object) -> None:
        raise KeysUnavailable("the share store is away")

    with monkeypatch.context() as patched:
        patched.setattr(type(key_share_store()), "destroy", unavailable)
        delete_clip(clip, actor=scene.cast.ivan.actor)
        with pytest.raises(SweepIncomplete):
            sweep_clips()
        assert stored(scene, keys) == needed
        assert not is_destroyed(clip)
    sweep_clips()
    assert is_destroyed(clip)
    assert stored(scene, keys) == set()


def _end(scene: Scene, clip: Clip) -> None:
    delete_clip(clip, actor=scene.cast.ivan.actor)
    with studio_scope(scene.cast.studio.id):
        remove_destroyed()


class _Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "step", ["destroy_recorded_shares", "lock_class", "remove_unneeded", "record_tombstone"]
)
def test_a_kill_at_any_step_leaves_nothing_behind(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    keys, clip = all_objects(scene), clip_of(scene)
    expire(scene)
    real: Callable[..., Any] = getattr(endings, step)

    def dying(*args: Any, **kwargs: Any) -> Any:
        if after:
            real(*args, **kwargs)
        raise _Killed

    with monkeypatch.context() as patched:
        patched.setattr(endings, step, dying)
        with pytest.raises(_Killed):
            _end(scene, clip)
    assert stored(scene, keys) == objects_of(scene, clip)
    delete_clip(clip, actor=scene.cast.ivan.actor)
    sweep_clips()
    assert is_destroyed(clip)
    assert stored(scene, keys) == set()
    with studio_scope(scene.cast.studio.id):
        assert Entry.objects.filter(action="clip.deleted").count() == 1


def test_a_deliberate_destruction_of_the_class_takes_its_clips_at_once(scene: Scene) -> None:
    keys, clip, (row, _) = all_objects(scene), clip_of(scene), segments_of(scene, "left")
    shred_class(scene.session, confirmation="Ballet", reason="", actor=scene.cast.alice.actor)
    assert is_destroyed(clip)
    assert Player(scene, clip).statuses(row) == {410}
    with studio_scope(scene.cast.studio.id):
        assert remove_shredded() == 1
    sweep_clips()
    assert stored(scene, keys) == set()


@pytest.mark.parametrize("expired", [False, True])
def test_a_destroyed_studio_has_no_clips(scene: Scene, *, expired: bool) -> None:
    keys, clip, (row, _) = all_objects(scene), clip_of(scene), segments_of(scene, "left")
    if expired:
        expire(scene)
    studio = scene.cast.studio
    shred_studio(studio, confirmation=studio.name, reason="", actor=scene.cast.alice.actor)
    with studio_scope(studio.id):
        assert not bytes(Clip.objects.get().wrapped_key), "at once"
    assert Player(scene, clip).statuses(row) == {410}
    with studio_scope(studio.id):
        while remove_shredded():
            pass
    sweep_clips()
    assert is_destroyed(clip)
    assert stored(scene, keys) == set()


@pytest.mark.parametrize("chosen", [False, True])
def test_an_erased_dancer_takes_the_clips_that_show_them(
    scene: Scene, family: Dancer, *, chosen: bool
) -> None:
    alice = scene.cast.alice.actor
    save_roster(scene.session, [family.id], confirm=True, actor=alice)
    facts = services.ClipFacts(0, 3, dancer_ids=[family.id] if chosen else None)
    clip, (row, _) = make_clip(scene.session, facts, actor=alice), segments_of(scene, "left")
    without = make_clip(scene.session, services.ClipFacts(0, 3, dancer_ids=[]), actor=alice)
    request = erase_dancer(family, destroy=[], confirmation="Dana", requester="Gita", actor=alice)
    assert request.receipt
    assert request.receipt["rows_deleted"]["clips"] == 1
    assert is_destroyed(clip)
    assert Player(scene, clip).statuses(row) == {410}
    assert Player(scene, without).statuses(row) == GOOD, "it does not show them"


def test_a_rotation_rewraps_clips_and_they_play_on(scene: Scene) -> None:
    clip, (row, _) = clip_of(scene), segments_of(scene, "left")
    expire(scene)
    rotate_studio_key(scene.cast.studio, actor=scene.cast.alice.actor)
    with studio_scope(scene.cast.studio.id):
        assert count_outdated() >= 1
        while rewrap_batch(actor=SETUP):
            pass
        StudioKey.objects.filter(retired_at__isnull=False).update(
            retired_at=timezone.now() - timedelta(days=settings.RETIRED_KEYS_DAYS + 1)
        )
        assert len(destroy_due_generations(actor=SETUP)) == 1
    assert Player(scene, clip).statuses(row) == GOOD


def test_only_the_system_ends_a_retention(scene: Scene) -> None:
    clip = clip_of(scene)
    with pytest.raises(Forbidden):
        expire_clip(clip, reason="", actor=scene.cast.alice.actor)
    expire_clip(clip, reason="its date", actor=RETENTION)
    expire_clip(clip, reason="its date", actor=RETENTION)
    with studio_scope(scene.cast.studio.id):
        assert KeyTombstone.objects.filter(kind=TombstoneKind.CLIP).count() == 1
        assert Entry.objects.filter(action="clip.expired").count() == 1


def test_the_integrity_scan_reads_what_a_clip_keeps(scene: Scene) -> None:
    clip = clip_of(scene)
    expire(scene)
    needed = objects_of(scene, clip)
    seen = [
        one.item.key
        for chunk in scan_segments(scene.cast.studio.id, None, ScanDepth.HASH)
        for one in chunk.seen
    ]
    assert set(seen) == needed
    with studio_scope(scene.cast.studio.id):
        assert not ObjectDeletion.objects.filter(object_key__in=needed).exists()
