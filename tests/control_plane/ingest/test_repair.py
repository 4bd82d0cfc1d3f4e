"""An agent sends a damaged segment again: to a key of its own, verified before a row points there, and audited once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from control_plane.audit.models import Entry
from control_plane.common.scoping import studio_scope
from control_plane.fleet import services as fleet
from control_plane.fleet.events import ResendAnswered, ResendWanted
from control_plane.ingest import services
from control_plane.ingest.models import PendingSegment, QuarantinedSegment
from control_plane.ingest.targets import LIFETIME
from control_plane.integrity import repairs
from control_plane.integrity.inspect import SYSTEM
from control_plane.recordings.damage_models import DamageKind, RepairState, SegmentDamage
from control_plane.recordings.models import Segment
from control_plane.recordings.object_deletion import delete_due
from control_plane.recordings.shredding import remove_shredded, shred_class
from control_plane.recordings.store_migration import start_migration
from control_plane.storage.configured import object_store
from control_plane.storage.errors import ObjectMissing
from control_plane.storage.models import ObjectDeletion
from shared.protocol.errors import Code
from shared.protocol.messages import SEND_AGAIN_MOST, SendingAgain
from shared.protocol.upload import AlreadyCommitted, PutTarget
from tests.control_plane.conftest import Cast
from tests.control_plane.footage import Cut
from tests.control_plane.integrity.test_damage import acts, faults, file_of, finish, flip, fsck, part, remove
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import announce, arrived, codes, commit, item_of, put, send, upload
from tests.control_plane.stores import named, replayed, run, where
from tests.rigs.lax_s3 import LaxServer


def receipt(made: Cut) -> AlreadyCommitted:
    return AlreadyCommitted(segment_id=made.manifest.segment_id)


def states(scene: Scene) -> dict[Any, str]:
    with studio_scope(scene.cast.studio.id):
        return dict(SegmentDamage.objects.values_list("segment_id", "repair"))


def asked(scene: Scene) -> tuple[Any, ...]:
    with studio_scope(scene.cast.studio.id):
        return repairs.wanted_segments(ResendWanted(scene.agent.id))


def answer(scene: Scene, **said: tuple[Any, ...]) -> None:
    with studio_scope(scene.cast.studio.id):
        repairs.apply_answer(ResendAnswered(scene.agent, SendingAgain(**said), scene.caller.actor))


def later(scene: Scene, time: timedelta = LIFETIME) -> int:
    """Lets time pass for what is to be deleted; returns how many objects are gone."""
    with studio_scope(scene.cast.studio.id):
        for row in ObjectDeletion.objects.exclude(due_at=None):
            ObjectDeletion.objects.filter(pk=row.pk).update(due_at=row.due_at - time)
    return delete_due(scene.cast.studio.id, most=100)


@pytest.mark.parametrize("spoil", [remove, flip])
def test_a_damaged_segment_comes_back_and_is_once_in_the_record(
    scene: Scene, tmp_path: Path, spoil: Any
) -> None:
    made, other, *_ = scene.cuts(tmp_path, seconds=3)
    upload(scene, made, other)
    finish(scene)
    assert announce(scene, made) == [receipt(made)], "what is well is not taken again"
    old = file_of(scene, made)
    spoil(old)
    code, said = fsck(scene, "--depth", "hash", "--repair")
    assert (code, "1 segments requested again" in said) == (1, True)
    assert asked(scene) == (made.manifest.segment_id,)
    answer(scene, coming=asked(scene))
    assert (states(scene), asked(scene)) == ({made.manifest.segment_id: RepairState.COMING}, ())
    (target,) = announce(scene, made)
    assert isinstance(target, PutTarget)
    assert (target.headers["If-None-Match"], str(old.stem) + ".seg" in target.url) == ("*", False)
    assert announce(scene, made)[0].url.partition("?")[0] == target.url.partition("?")[0], (
        "the same place each time"
    )
    assert put(target, made.content).status_code == 201
    assert old.exists() is (spoil is flip), "the old object stays until the new one is verified"
    assert part(scene, f"segments/{made.manifest.segment_id}/bytes.m4s").status_code == 404, "not yet"
    assert commit(scene, made) == [receipt(made)]
    assert (faults(scene), fsck(scene, "--depth", "hash")[0]) == ({}, 0)
    assert replayed(scene, made) == made.content
    assert acts(scene) == ["footage.damaged", "footage.repaired"]
    for _ in range(2):
        assert commit(scene, made) == announce(scene, made) == [receipt(made)], "it is idempotent"
    assert acts(scene) == ["footage.damaged", "footage.repaired"]
    assert len(arrived(scene)) == 2, "one row"
    assert later(scene) == 1
    assert not old.exists()
    assert replayed(scene, made) == made.content
    with studio_scope(scene.cast.studio.id):
        assert not PendingSegment.objects.exists()
        assert not QuarantinedSegment.objects.exists()


def test_other_bytes_are_no_repair(scene: Scene, tmp_path: Path) -> None:
    made, _ = scene.cuts(tmp_path, seconds=2)
    upload(scene, made)
    flip(file_of(scene, made))
    fsck(scene, "--depth", "hash", "--repair")
    (target,) = announce(scene, made)
    assert put(target, bytes(len(made.content))).status_code == 422
    assert codes(commit(scene, made)) == [Code.SEGMENT_MISSING]
    assert list(faults(scene).values()) == [DamageKind.HASH]
    assert file_of(scene, made).exists(), "the last copy is not touched"


def test_a_late_commit_of_the_first_time_is_no_receipt(scene: Scene, tmp_path: Path) -> None:
    made, _ = scene.cuts(tmp_path, seconds=2)
    upload(scene, made)
    remove(file_of(scene, made))
    fsck(scene)
    assert codes(commit(scene, made)) == [Code.SEGMENT_MISSING], "or the agent would let go of the only copy"
    assert send(scene, made) == [receipt(made)]


def test_commits_at_the_same_time_repair_once(committed: Cast, tmp_path: Path) -> None:
    scene = make_scene(committed)
    made, _ = scene.cuts(tmp_path, seconds=2)
    upload(scene, made)
    remove(file_of(scene, made))
    fsck(scene)
    (target,) = announce(scene, made)
    put(target, made.content)

    def once(_: int) -> Any:
        try:
            # As in processes of their own: in one process an agent has one commit under way.
            return services._commit_segments([item_of(made)], scene.caller)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(once, range(4))) == [[receipt(made)]] * 4
    assert acts(scene) == ["footage.damaged", "footage.repaired"]
    assert replayed(scene, made) == made.content
    later(scene)
    assert replayed(scene, made) == made.content


def test_a_second_damage_gets_a_third_key(scene: Scene, tmp_path: Path) -> None:
    made, _ = scene.cuts(tmp_path, seconds=2)
    upload(scene, made)
    keys = {arrived(scene)[0].object_key}
    for _ in range(2):
        flip(file_of(scene, made))
        fsck(scene, "--depth", "hash")
        assert send(scene, made) == [receipt(made)]
        keys.add(arrived(scene)[0].object_key)
    assert len(keys) == 3
    assert later(scene) == 2
    assert replayed(scene, made) == made.content


def test_what_is_intact_again_before_its_copy_comes_keeps_its_object(scene: Scene, tmp_path: Path) -> None:
    made, _ = scene.cuts(tmp_path, seconds=2)
    upload(scene, made)
    path = file_of(scene, made)
    remove(path)
    fsck(scene)
    (target,) = announce(scene, made)
    put(target, made.content)
    path.write_bytes(made.content)
    assert fsck(scene)[0] == 0
    assert commit(scene, made) == [receipt(made)]
    assert file_of(scene, made) == path
    assert replayed(scene, made) == made.content


def test_the_new_copy_goes_where_new_footage_goes(
    scene: Scene, lax: LaxServer, stores: None, tmp_path: Path
) -> None:
    """Announced for the old store, the studio moves, and the mover has the old object in its hands."""
    made, _ = scene.cuts(tmp_path, seconds=2)
    upload(scene, made)
    remove(file_of(scene, made))
    fsck(scene)
    announce(scene, made)
    store = named(scene, lax.place())
    move = run(scene, start_migration(scene.cast.studio, store, actor=scene.cast.alice.actor))
    assert send(scene, made) == [receipt(made)]
    assert where(scene) == {made.manifest.segment_id: store.id}
    run(scene, move)
    assert replayed(scene, made) == made.content
    later(scene, timedelta(days=3))
    assert replayed(scene, made) == made.content
    assert fsck(scene, "--depth", "hash")[0] == 0


def test_nothing_of_a_destroyed_class_comes_back(scene: Scene, tmp_path: Path) -> None:
    made, _ = scene.cuts(tmp_path, seconds=2)
    upload(scene, made)
    finish(scene)
    remove(file_of(scene, made))
    fsck(scene, "--repair")
    (target,) = announce(scene, made)
    put(target, made.content)
    shred_class(scene.reread(), confirmation="Ballet", reason="", actor=scene.cast.alice.actor)
    commit(scene, made)
    with studio_scope(scene.cast.studio.id):
        while remove_shredded():
            pass
    later(scene)
    assert (arrived(scene), asked(scene), acts(scene)[-1]) == ([], (), "footage.removed")
    store = object_store()
    with pytest.raises(ObjectMissing):
        store.head(target.url.partition("?")[0].rpartition("objects/")[2])


def test_what_an_agent_has_no_more_stays_a_gap_and_is_asked_for_again_only_by_hand(
    scene: Scene, tmp_path: Path
) -> None:
    first, second, third, *_ = made = scene.cuts(tmp_path, seconds=4)[:3]
    upload(scene, *made)
    for item in made:
        remove(file_of(scene, item))
    fsck(scene, "--repair")
    assert set(asked(scene)) == {item.manifest.segment_id for item in made}
    answer(scene, gone=(first.manifest.segment_id,), damaged=(second.manifest.segment_id,))
    assert asked(scene) == (third.manifest.segment_id,), "until each is answered"
    assert states(scene)[first.manifest.segment_id] == RepairState.LOST
    with studio_scope(scene.cast.studio.id):
        repairs.request_resends(actor=SYSTEM)
    assert asked(scene) == (third.manifest.segment_id,)
    answer(scene, coming=(third.manifest.segment_id,))
    with studio_scope(scene.cast.studio.id):
        SegmentDamage.objects.update(answered_at=timezone.now() - timedelta(days=2))
        repairs.request_resends(actor=SYSTEM)
    assert asked(scene) == (third.manifest.segment_id,), "it said that it comes, and it has not come"
    fsck(scene, "--repair")
    assert len(asked(scene)) == 3
    answer(scene, coming=(first.manifest.segment_id,))
    answer(scene, gone=(first.manifest.segment_id,))
    assert states(scene)[first.manifest.segment_id] == RepairState.COMING, "it is not asked for any more"


def test_an_agent_that_was_revoked_is_not_asked_and_one_is_asked_for_a_bounded_number(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scene.cuts(tmp_path, seconds=4)
    upload(scene, *made)
    for item in made:
        remove(file_of(scene, item))
    fsck(scene, "--repair")
    assert SEND_AGAIN_MOST >= len(asked(scene)) == len(made)
    monkeypatch.setattr(repairs, "SEND_AGAIN_MOST", 2)
    assert len(asked(scene)) == 2
    with studio_scope(scene.cast.studio.id):
        SegmentDamage.objects.update(repair=RepairState.OPEN)
    fleet.revoke_agent(scene.agent, reason="stolen", actor=scene.cast.alice.actor)
    assert "0 segments requested again" in fsck(scene, "--repair")[1]
    assert asked(scene) == ()


def test_another_agent_neither_answers_nor_repairs(cast: Cast, scene: Scene, tmp_path: Path) -> None:
    made, _ = scene.cuts(tmp_path, seconds=2)
    upload(scene, made)
    remove(file_of(scene, made))
    fsck(scene, "--repair")
    stranger = make_scene(cast, name="Small room")
    answer(stranger, gone=(made.manifest.segment_id,))
    assert states(scene) == {made.manifest.segment_id: RepairState.ASKED}
    assert codes(announce(stranger, made)) == [Code.SEGMENT_NOT_WANTED]
    with studio_scope(cast.studio.id):
        assert Segment.objects.get().damage.repair == RepairState.ASKED
        assert not Entry.objects.filter(action="footage.repaired").exists()
