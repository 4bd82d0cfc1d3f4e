"""The end of a class's retention: what shredding does, by the system alone, and without what others still need."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from control_plane.audit.models import Entry
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict, Forbidden
from control_plane.common.scoping import studio_scope
from control_plane.keys.configured import key_share_store
from control_plane.keys.errors import KeyDestroyed
from control_plane.keys.models import KeyTombstone
from control_plane.recordings.events import ClassShredded, ObjectsInUse
from control_plane.recordings.models import Segment
from control_plane.recordings.object_deletion import delete_due
from control_plane.recordings.shredding import expire_class, remove_shredded
from control_plane.storage.deletion_queue import schedule_deletion
from control_plane.storage.models import DeletionReason, ObjectDeletion
from control_plane.storage.stores import open_store
from tests.control_plane.conftest import Cast
from tests.control_plane.keys.shredded import shred, stopped
from tests.control_plane.scenes import Scene, make_scene

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_root", "stores")]
SYSTEM = Actor.system("retention.run")


@pytest.fixture
def scene(committed: Cast, tmp_path: Path) -> Scene:
    return stopped(committed, tmp_path)


@pytest.fixture
def needed() -> Iterator[set[str]]:
    """Objects that a subscriber needs, as a clip would."""
    held: set[str] = set()
    ObjectsInUse.answer_with(lambda question: held & set(question.object_keys))
    yield held
    ObjectsInUse._handlers.pop()


@pytest.fixture
def published() -> Iterator[list[ClassShredded]]:
    events: list[ClassShredded] = []
    ClassShredded.subscribe(events.append)
    yield events
    ClassShredded._handlers.pop()


def _expire(scene: Scene, actor: Actor = SYSTEM) -> KeyTombstone:
    return expire_class(scene.reread(), reason="7 days after the class", actor=actor)


def _keys(scene: Scene) -> set[str]:
    with studio_scope(scene.cast.studio.id):
        return set(Segment.objects.values_list("object_key", flat=True))


def test_key_rows_and_objects_go_with_an_event_of_their_own(
    scene: Scene, published: list[ClassShredded]
) -> None:
    keys = _keys(scene)
    tombstone = _expire(scene)
    assert _expire(scene).id == tombstone.id
    studio = scene.cast.studio.id
    with studio_scope(studio):
        with pytest.raises(KeyDestroyed):
            key_share_store().get(UUID(str(scene.session.id)))
        assert not scene.reread().wrapped_key
        assert list(Entry.objects.filter(action__in=("class.expired", "class.shredded"))) == list(
            Entry.objects.filter(action="class.expired", object_id=str(scene.session.id))
        )
        assert Entry.objects.filter(action="class.expired").count() == 1
        assert remove_shredded() == 1
        assert not Segment.objects.exists()
        store = open_store(None)
        assert all(store.head(key).size_bytes for key in keys), "a job deletes the objects, after the key"
    assert published == [ClassShredded(scene.session.id, expired=True)]
    assert delete_due(studio, most=10) == len(keys)


def test_a_deliberate_destruction_says_so(scene: Scene, published: list[ClassShredded]) -> None:
    shred(scene)
    with studio_scope(scene.cast.studio.id):
        assert remove_shredded() == 1
    assert published == [ClassShredded(scene.session.id, expired=False)]


def test_only_the_system_ends_a_retention(scene: Scene) -> None:
    for actor in (scene.cast.alice.actor, scene.caller.actor):
        with pytest.raises(Forbidden):
            _expire(scene, actor)
    assert scene.reread().wrapped_key


def test_a_class_that_is_recorded_does_not_expire(committed: Cast) -> None:
    running = make_scene(committed)
    with pytest.raises(Conflict, match="being recorded"):
        _expire(running)


def test_what_something_else_needs_is_not_queued(scene: Scene, needed: set[str]) -> None:
    first, *rest = sorted(_keys(scene))
    needed.add(first)
    _expire(scene)
    with studio_scope(scene.cast.studio.id):
        assert remove_shredded() == 1
        assert set(ObjectDeletion.objects.values_list("object_key", flat=True)) == set(rest)
        assert Entry.objects.get(action="footage.removed").details == {"objects": len(rest), "kept": 1}


def test_what_something_else_needs_is_not_deleted(scene: Scene, needed: set[str]) -> None:
    """It was queued before somebody needed it, or a subscriber queued it by mistake."""
    studio = scene.cast.studio.id
    keys = _keys(scene)
    _expire(scene)
    with studio_scope(studio):
        assert remove_shredded() == 1
    needed.add(min(keys))
    assert delete_due(studio, most=10) == len(keys) - 1
    with studio_scope(studio):
        assert open_store(None).head(min(keys)).size_bytes
        assert "needs" in ObjectDeletion.objects.get().error
    needed.clear()
    with studio_scope(studio):
        schedule_deletion([(None, min(keys))], reason=DeletionReason.SHREDDED)
    assert delete_due(studio, most=10) == 1
