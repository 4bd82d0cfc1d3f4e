"""Shredding: at once for everybody, on record, for good."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from control_plane.audit.models import Entry
from control_plane.audit.selectors import verify_chain
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.fleet.permissions import RECORD
from control_plane.ingest.models import PendingSegment
from control_plane.keys import keyring, vault
from control_plane.keys.configured import key_share_store
from control_plane.keys.errors import KeyDestroyed, KeysUnavailable
from control_plane.keys.models import KeyTombstone, StudioKey
from control_plane.keys.shares.folder import FolderShareStore
from control_plane.recordings import shredding
from control_plane.recordings.models import ClassSession, Gap, Segment, Track
from control_plane.recordings.shredding import count_pending_classes, remove_shredded, shred_studio
from control_plane.recordings.tasks import sweep_shredded
from control_plane.storage.models import ObjectDeletion, StudioStore
from control_plane.tenancy.sweeping import SweepIncomplete
from shared.protocol.errors import Code
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.keys.shredded import WHY, announced, shred, stopped
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import announce, codes, commit, upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_root")]


@pytest.fixture
def scene(committed: Cast, tmp_path: Path) -> Scene:
    return stopped(committed, tmp_path)


# --- who, and with what words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "error"), [("ivan", Forbidden), ("vera", Forbidden), ("sam", NotFound)])
def test_nobody_but_an_admin_of_the_studio_shreds(scene: Scene, who: str, error: Any) -> None:
    with pytest.raises(error):
        shred(scene, actor=getattr(scene.cast, who).actor)
    with pytest.raises(error):
        shred_studio(
            scene.cast.studio,
            confirmation=scene.cast.studio.name,
            reason="",
            actor=getattr(scene.cast, who).actor,
        )
    assert scene.reread().wrapped_key


def test_no_agent_and_no_part_of_the_platform_shreds(scene: Scene) -> None:
    for actor in (scene.caller.actor, Actor.system("job")):
        with pytest.raises(Forbidden):
            shred(scene, actor=actor)


def test_an_operator_who_is_let_in_does_not_shred(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break-glass may give everything else for a while; this is not undone when the while is over."""
    monkeypatch.setattr("control_plane.recordings.shredding.access.require", lambda *_: None)
    with pytest.raises(Forbidden, match="studio itself"):
        shred(scene, actor=scene.cast.sam.actor)


@pytest.mark.parametrize("typed", ["", "ballet", "Ballet 2"])
def test_the_title_is_typed_exactly(scene: Scene, typed: str) -> None:
    with pytest.raises(BadRequest, match="exactly"):
        shred(scene, confirmation=typed)
    assert scene.reread().wrapped_key


def test_a_class_that_is_recorded_is_stopped_first(committed: Cast) -> None:
    running = make_scene(committed)
    with pytest.raises(Conflict, match="Stop it first"):
        shred(running)
    with pytest.raises(Conflict, match="Stop it first"):
        shred_studio(
            committed.studio, confirmation=committed.studio.name, reason="", actor=committed.alice.actor
        )


# --- at once, for everybody -----------------------------------------------------------------------------------------


def test_a_shredded_class_is_gone_for_viewers_with_plain_words(scene: Scene) -> None:
    vera = as_person(scene.cast.vera)
    with studio_scope(scene.cast.studio.id):
        segment = Segment.objects.order_by("sequence")[0]
    folder = f"/studio/{scene.cast.studio.slug}/classes/{scene.session.id}"
    parts = (
        f"{folder}/segments/{segment.id}/key",
        f"{folder}/segments/{segment.id}/bytes.m4s",
        f"{folder}/tracks/{segment.track_id}/playlist.m3u8",
        f"{folder}/timeline.json",
    )
    assert vera.get(parts[0]).status_code == 200
    shred(scene)
    for part in parts:
        answer = vera.get(part)
        assert answer.status_code == 410, part
        assert answer.json()["code"] == "footage_destroyed"
    assert vera.get(f"{folder}/").status_code == 410
    assert as_person(scene.cast.sam).get(parts[0]).status_code == 404
    assert (
        str(scene.session.id) not in vera.get(f"/studio/{scene.cast.studio.slug}/classes/").content.decode()
    )


def test_it_is_on_record_and_the_rest_is_removed_by_a_job(scene: Scene) -> None:
    cast = scene.cast
    tombstone = shred(scene)
    with studio_scope(cast.studio.id):
        tombstone.refresh_from_db()
        assert tombstone.share_destroyed_at is not None
        assert (tombstone.reason, tombstone.actor_id) == (WHY, cast.alice.id)
        entry = Entry.objects.get(action="class.shredded")
        assert (entry.actor_id, entry.object_id) == (cast.alice.id, str(scene.session.id))
        assert WHY not in str(entry.details)
        with pytest.raises(KeyDestroyed):
            key_share_store().get(UUID(str(scene.session.id)))
        places = set(Segment.objects.values_list("object_key", flat=True))
        assert remove_shredded() == 1
        assert remove_shredded() == 0
        assert not any(model.objects.exists() for model in (Segment, Gap, Track))
        assert set(ObjectDeletion.objects.values_list("object_key", flat=True)) >= places
        assert scene.reread().title == "Destroyed"
        assert Entry.objects.filter(action="footage.removed").count() == 1
        with pytest.raises(Conflict, match="already"):
            shred(scene, confirmation="Destroyed")
    assert verify_chain(cast.studio.id)[1] is None


def test_what_an_agent_still_has_of_it_is_not_wanted(scene: Scene, tmp_path: Path) -> None:
    (made,) = scene.cuts(tmp_path / "late", "right", each=2)
    announced(scene, made)
    shred(scene)
    assert codes([*commit(scene, made), *announce(scene, made)]) == [Code.SEGMENT_NOT_WANTED] * 2
    with studio_scope(scene.cast.studio.id):
        assert remove_shredded() == 1
        assert not PendingSegment.objects.exists()
        assert ObjectDeletion.objects.filter(object_key__contains=str(made.manifest.segment_id)).exists()


def test_a_shelf_that_was_away_is_made_up_for_before_anything_is_removed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> int:
        raise KeysUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(FolderShareStore, "destroy", away)
        shred(scene)
        with studio_scope(scene.cast.studio.id):
            assert KeyTombstone.objects.get().share_destroyed_at is None
        with studio_scope(scene.cast.studio.id), pytest.raises(KeysUnavailable):
            remove_shredded()
        with studio_scope(scene.cast.studio.id):
            assert Segment.objects.exists(), "the key first"
    with studio_scope(scene.cast.studio.id):
        assert remove_shredded() == 1
        with pytest.raises(KeyDestroyed):
            key_share_store().get(UUID(str(scene.session.id)))


def test_a_shred_that_is_rolled_back_destroys_nothing(scene: Scene) -> None:
    class PowerCut(Exception):
        pass

    def cut_short() -> None:
        with studio_scope(scene.cast.studio.id):
            shred(scene)
            raise PowerCut

    with pytest.raises(PowerCut):
        cut_short()
    assert scene.reread().wrapped_key
    key_share_store().get(UUID(str(scene.session.id)))


# --- the whole studio -----------------------------------------------------------------------------------------------


def test_a_shredded_studio_has_nothing_left_and_may_begin_anew(scene: Scene, tmp_path: Path) -> None:
    cast = scene.cast
    with studio_scope(cast.studio.id):
        kept_id = UUID(str(cast.studio.id))
        old = StudioKey.objects.get()
        password = vault.wrap_secret(b"password", kind="store", id_=kept_id)
    shred_studio(cast.studio, confirmation=cast.studio.name, reason="closing", actor=cast.alice.actor)
    sweep_shredded()
    with studio_scope(cast.studio.id):
        assert not ClassSession.objects.exclude(wrapped_key=b"").exists()
        assert not StudioKey.objects.get(pk=old.pk).wrapped_key
        for id_ in (old.id, scene.session.id):
            with pytest.raises(KeyDestroyed):
                key_share_store().get(UUID(str(id_)))
        with pytest.raises(KeyDestroyed):
            vault.open_secret(password, kind="store", id_=kept_id)
        assert {row.kind for row in KeyTombstone.objects.all()} == {"class", "generation", "studio"}
        acts = set(Entry.objects.values_list("action", flat=True))
        assert {"studio.shredded", "studio.key_destroyed", "class.shredded", "studio.key_made"} <= acts
    again = make_scene(cast, name="Small room")
    again.stop()
    upload(again, *again.cuts(tmp_path))
    with studio_scope(cast.studio.id):
        assert Segment.objects.filter(class_session=again.session).exists()


def test_a_studio_of_many_classes_is_dark_at_once_and_cleared_by_a_job_that_may_die(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast, alice = scene.cast, scene.cast.alice.actor
    first = scene.reread()
    with studio_scope(cast.studio.id):
        for number in range(4):
            other = ClassSession(
                studio=cast.studio,
                room=scene.room,
                title=f"Class {number}",
                state="complete",
                requested_at=first.requested_at,
            )
            other.wrapped_key = vault.new_class_key(
                other.id, actor=alice, permission=RECORD, subject=cast.studio
            )
            other.save(force_insert=True)
        held = bytes(first.wrapped_key)
    with CaptureQueriesContext(connection) as few:
        shred_studio(cast.studio, confirmation=cast.studio.name, reason=WHY, actor=alice)
    assert len(few) < 80, "what the person waits for does not grow with the number of classes"
    with studio_scope(cast.studio.id):
        assert not ClassSession.objects.exclude(wrapped_key=b"").exists()
        assert not KeyTombstone.objects.filter(kind="class").exists()
        assert count_pending_classes() == 5
        # Not even somebody who has kept the class's wrapped key opens it: what it lies under has ended.
        with pytest.raises(KeyDestroyed):
            keyring.unwrap(held, kind=keyring.CLASS, id_=UUID(str(first.id)))
    assert (
        as_person(cast.alice).get(f"/studio/{cast.studio.slug}/classes/{first.id}/check").status_code == 410
    )
    assert (
        b"5 classes left to clean up"
        in as_person(cast.alice).get(f"/studio/{cast.studio.slug}/keys/").content
    )

    monkeypatch.setattr(shredding, "CLASSES_PER_BATCH", 2)
    real = shredding._record_class_tombstone
    died: list[UUID] = []

    def dies_once(locked: ClassSession, **values: Any) -> KeyTombstone:
        made = real(locked, **values)
        if not died and KeyTombstone.objects.filter(kind="class").count() == 4:
            died.append(locked.id)
            raise OSError("the worker is gone")
        return made

    monkeypatch.setattr(shredding, "_record_class_tombstone", dies_once)
    with pytest.raises(SweepIncomplete):
        sweep_shredded()
    with studio_scope(cast.studio.id):
        assert (len(died), count_pending_classes()) == (1, 3)
        assert KeyTombstone.objects.get(kind="studio").removed_at is None
    sweep_shredded()
    with studio_scope(cast.studio.id):
        assert count_pending_classes() == 0
        assert KeyTombstone.objects.get(kind="studio").removed_at is not None
        rows = KeyTombstone.objects.filter(kind="class")
        assert [(row.reason, row.actor_id, row.share_destroyed_at is not None) for row in rows] == [
            (WHY, alice.id, True)
        ] * 5
        assert not Segment.objects.exists()
        told = Entry.objects.filter(action="class.shredded")
        assert sorted(told.values_list("object_id", flat=True)) == sorted(str(row.object_id) for row in rows)
        assert set(told.values_list("actor_id", flat=True)) == {alice.id}
        for row in rows:
            with pytest.raises(KeyDestroyed):
                key_share_store().get(row.object_id)


def test_a_stores_password_outlives_the_recordings_that_lay_there(scene: Scene) -> None:
    cast = scene.cast
    with studio_scope(cast.studio.id):
        store = StudioStore(
            studio=cast.studio, name="ours", endpoint="https://s3.example", bucket="b", region="eu"
        )
        store.wrapped_secret = vault.wrap_secret(b"password", kind="store", id_=UUID(str(store.id)))
        store.save(force_insert=True)
    shred_studio(cast.studio, confirmation=cast.studio.name, reason="", actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        store.refresh_from_db()
        assert vault.open_secret(store.wrapped_secret, kind="store", id_=UUID(str(store.id))) == b"password"
