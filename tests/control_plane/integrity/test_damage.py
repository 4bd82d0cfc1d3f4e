"""Damage that an integrity scan finds: it becomes a gap, is served to nobody and is audited; nothing else is blamed."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from typer.testing import CliRunner

from control_plane.audit.models import Entry
from control_plane.common.scoping import studio_scope
from control_plane.fleet.events import HeartbeatReceived
from control_plane.integrity import inspect, scan
from control_plane.integrity.inspect import scan_segments
from control_plane.integrity.models import IntegrityScan, ScanDepth
from control_plane.recordings import heartbeats
from control_plane.recordings.damage_models import DamageKind, SegmentDamage
from control_plane.recordings.gap_reasons import InferredReason
from control_plane.recordings.models import Gap, Segment
from control_plane.recordings.object_deletion import delete_due
from control_plane.recordings.shredding import remove_shredded, shred_class
from control_plane.recordings.store_migration import start_migration
from control_plane.storage.configured import object_store
from control_plane.storage.local import LocalStore
from launcher.cli import app
from shared.protocol.status import RecordingState
from tests.control_plane.conftest import as_person
from tests.control_plane.footage import Cut
from tests.control_plane.scenes import Scene
from tests.control_plane.sending import upload
from tests.control_plane.stores import grace_is_over, named, replayed, run
from tests.rigs.lax_s3 import LaxServer

Spoil = Callable[[Path], object]


def remove(path: Path) -> None:
    path.unlink()


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-16])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(16))


def flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def file_of(scene: Scene, made: Cut) -> Path:
    """Returns the file of a segment in the platform's own store."""
    store = object_store()
    assert isinstance(store, LocalStore)
    with studio_scope(scene.cast.studio.id):
        return store.root / str(Segment.objects.get(pk=made.manifest.segment_id).object_key)


def faults(scene: Scene) -> dict[UUID, str]:
    with studio_scope(scene.cast.studio.id):
        return dict(SegmentDamage.objects.values_list("segment_id", "kind"))


def acts(scene: Scene, name: str = "footage.") -> list[str]:
    with studio_scope(scene.cast.studio.id):
        found = Entry.objects.filter(action__startswith=name).order_by("sequence")
        return [act for act in found.values_list("action", flat=True) if act != "footage.committed"]


def fsck(scene: Scene, *arguments: str) -> tuple[int, str]:
    """Returns exit code and output."""
    out = StringIO()
    try:
        call_command("fsck", "--studio", scene.cast.studio.slug, *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue() + str(error)
    return 0, out.getvalue()


def finish(scene: Scene) -> None:
    """The class ends, and all of it has arrived."""
    scene.stop()
    with studio_scope(scene.cast.studio.id):
        heartbeats.apply_heartbeat(
            HeartbeatReceived(scene.agent, scene.status(RecordingState.FINISHED), scene.caller.actor)
        )


DAMAGES: list[tuple[Spoil, DamageKind, set[ScanDepth]]] = [
    (remove, DamageKind.MISSING, {ScanDepth.PRESENCE, ScanDepth.SIZE, ScanDepth.HASH}),
    (shorten, DamageKind.SIZE, {ScanDepth.SIZE, ScanDepth.HASH}),
    (lengthen, DamageKind.SIZE, {ScanDepth.SIZE, ScanDepth.HASH}),
    (flip, DamageKind.HASH, {ScanDepth.HASH}),
]


@pytest.mark.parametrize("depth", list(ScanDepth))
def test_each_depth_finds_what_it_can_find_and_nothing_else(
    scene: Scene, tmp_path: Path, depth: ScanDepth
) -> None:
    cuts = scene.cuts(tmp_path, seconds=10)
    upload(scene, *cuts)
    assert fsck(scene, "--depth", depth)[0] == 0
    wanted = {}
    for made, (spoil, kind, found_at) in zip(cuts, DAMAGES, strict=False):
        spoil(file_of(scene, made))
        if depth in found_at:
            wanted[made.manifest.segment_id] = kind
    code, said = fsck(scene, "--depth", depth)
    assert (code, faults(scene)) == (1, wanted), said
    for segment_id in wanted:
        assert str(segment_id) in said
    assert f"{len(cuts)} segments checked ({depth})" in said
    assert acts(scene) == ["footage.damaged"], "one entry for the class"
    assert fsck(scene, "--depth", depth)[0] == 1, "it stays a finding"
    assert acts(scene) == ["footage.damaged"], "and is put on record once"


def test_bad_use_is_told_from_findings(scene: Scene) -> None:
    with pytest.raises(CommandError) as raised:
        call_command("fsck", "--studio", "no-such-studio")
    assert raised.value.returncode == 2
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("fsck", "--depth", "touch")


def test_a_control_plane_that_does_not_run_is_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("THREEDANCE_DATABASE_URL", raising=False)
    assert CliRunner().invoke(app, ["fsck", "--state", str(tmp_path)]).exit_code == 2


def part(scene: Scene, path: str) -> Any:
    """Returns the answer to Ivan, who may replay."""
    return as_person(scene.cast.ivan).get(
        f"/studio/{scene.cast.studio.slug}/classes/{scene.session.id}/{path}"
    )


def test_what_is_found_is_a_gap_until_it_is_intact_again(scene: Scene, tmp_path: Path) -> None:
    cuts = scene.cuts(tmp_path, seconds=5)
    upload(scene, *cuts)
    finish(scene)
    made = cuts[2]
    segment_id = made.manifest.segment_id
    with studio_scope(scene.cast.studio.id):
        track = Segment.objects.get(pk=segment_id).track_id
        gaps = set(Gap.objects.values_list("reason", flat=True))
    before = part(scene, f"tracks/{track}/playlist.m3u8").content.decode()
    assert (str(segment_id) in before, "EXT-X-GAP" in before) == (True, False)
    flip(file_of(scene, made))
    assert fsck(scene, "--depth", "hash")[0] == 1
    playlist = part(scene, f"tracks/{track}/playlist.m3u8").content.decode()
    assert (str(segment_id) in playlist, "EXT-X-GAP" in playlist) == (False, True)
    assert before.count("#EXTINF") == playlist.count("#EXTINF")
    (shown,) = next(t["gaps"] for t in part(scene, "timeline.json").json()["tracks"] if t["id"] == str(track))
    assert shown["label"] == "recorded, later damaged in the store"
    for path in ("bytes.m4s", "key"):
        assert part(scene, f"segments/{segment_id}/{path}").status_code == 404
    assert part(scene, f"tracks/{track}/init/{segment_id}.mp4").status_code == 404
    with studio_scope(scene.cast.studio.id):
        (gap,) = Gap.objects.filter(reason=InferredReason.STORE_DAMAGED)
        assert (gap.to_at - gap.from_at).total_seconds() == pytest.approx(shown["to_s"] - shown["from_s"])
    flip(file_of(scene, made))
    code, said = fsck(scene, "--depth", "presence")
    assert code == 0, said
    assert part(scene, f"tracks/{track}/playlist.m3u8").content.decode() == before
    assert part(scene, f"segments/{segment_id}/bytes.m4s").content == made.content
    with studio_scope(scene.cast.studio.id):
        assert set(Gap.objects.values_list("reason", flat=True)) == gaps
    assert acts(scene) == ["footage.damaged", "footage.repaired"]


def test_a_damaged_object_that_is_merely_there_again_is_no_good_news(scene: Scene, tmp_path: Path) -> None:
    (made, _) = scene.cuts(tmp_path, seconds=2)
    upload(scene, made)
    path = file_of(scene, made)
    path.unlink()
    assert fsck(scene)[0] == 1
    path.write_bytes(bytes(len(made.content)))
    assert fsck(scene, "--depth", "presence")[0] == 1
    assert list(faults(scene).values()) == [DamageKind.MISSING]


def test_what_was_destroyed_is_no_finding(scene: Scene, tmp_path: Path) -> None:
    cuts = scene.cuts(tmp_path, seconds=3)
    upload(scene, *cuts)
    finish(scene)
    remove(file_of(scene, cuts[0]))
    fsck(scene)
    shred_class(scene.reread(), confirmation="Ballet", reason="", actor=scene.cast.alice.actor)
    for made in cuts[1:]:
        remove(file_of(scene, made))
    assert fsck(scene)[0] == 0, "its key is gone: nothing of it could be damaged"
    with studio_scope(scene.cast.studio.id):
        while remove_shredded():
            pass
    assert (fsck(scene)[0], faults(scene)) == (0, {})
    assert acts(scene) == ["footage.damaged", "footage.removed"]


def test_a_move_and_the_end_of_old_copies_are_no_findings(
    scene: Scene, lax: LaxServer, stores: None, tmp_path: Path
) -> None:
    cuts = scene.cuts(tmp_path, seconds=12)
    for made in cuts[:10]:
        upload(scene, made)
    store = named(scene, lax.place())
    move = start_migration(scene.cast.studio, store, actor=scene.cast.alice.actor)
    upload(scene, cuts[10])
    for _ in range(4):
        move = run(scene, move, batches=1)
        assert fsck(scene, "--depth", "hash")[0] == 0
    grace_is_over(scene)
    assert delete_due(scene.cast.studio.id, most=100) == 10
    assert fsck(scene, "--depth", "hash")[0] == 0


def test_the_old_copy_stays_while_the_new_one_is_damaged(
    scene: Scene, lax: LaxServer, stores: None, tmp_path: Path
) -> None:
    (made, _) = scene.cuts(tmp_path, seconds=2)
    upload(scene, made)
    old = file_of(scene, made)
    run(scene, start_migration(scene.cast.studio, named(scene, lax.place()), actor=scene.cast.alice.actor))
    ((key, sound),) = lax.objects.items()
    lax.objects[key] = bytes(len(sound))
    assert fsck(scene, "--depth", "hash")[0] == 1
    grace_is_over(scene)
    assert delete_due(scene.cast.studio.id, most=100) == 0
    assert old.read_bytes() == made.content, "of the right size is not enough: this is the last good copy"
    lax.objects[key] = sound
    assert fsck(scene)[0] == 0
    grace_is_over(scene)
    assert delete_due(scene.cast.studio.id, most=100) == 1
    assert replayed(scene, made) == made.content


def test_what_moved_while_it_was_looked_at_is_no_finding(
    scene: Scene, lax: LaxServer, stores: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made, _) = scene.cuts(tmp_path, seconds=2)
    upload(scene, made)
    looked = inspect.inspect_objects

    def slow(*args: Any) -> Any:
        move = start_migration(scene.cast.studio, named(scene, lax.place()), actor=scene.cast.alice.actor)
        run(scene, move)
        grace_is_over(scene)
        assert delete_due(scene.cast.studio.id, most=100) == 1
        return looked(*args)

    monkeypatch.setattr(inspect, "inspect_objects", slow)
    (found,) = scan_segments(scene.cast.studio.id, None, ScanDepth.SIZE)
    assert found.seen[0].kind == DamageKind.MISSING
    assert (found.recorded, faults(scene), acts(scene)) == ([], {}, [])


def test_a_store_of_the_studio_is_looked_into_at_every_depth(
    scene: Scene, lax: LaxServer, stores: None, tmp_path: Path
) -> None:
    store = named(scene, lax.place(prefix="dance/"))
    start_migration(scene.cast.studio, store, actor=scene.cast.alice.actor)
    gone, short, other, _ = cuts = scene.cuts(tmp_path, seconds=4)
    upload(scene, *cuts)
    keys = {UUID(key.rpartition("/")[2].removesuffix(".seg")): key for key in lax.objects}
    of = {made.manifest.segment_id: keys[made.manifest.segment_id] for made in cuts}
    lax.objects.pop(of[gone.manifest.segment_id])
    key = of[short.manifest.segment_id]
    lax.objects[key] = lax.objects[key][:-16]
    key = of[other.manifest.segment_id]
    lax.objects[key] = bytes(len(lax.objects[key]))
    assert fsck(scene, "--depth", "presence")[0] == 1
    assert faults(scene) == {gone.manifest.segment_id: "missing"}
    fsck(scene, "--depth", "size")
    assert len(faults(scene)) == 2
    code, said = fsck(scene, "--depth", "hash")
    assert faults(scene) == {
        gone.manifest.segment_id: "missing", short.manifest.segment_id: "size", other.manifest.segment_id: "hash",
    }, said  # fmt: skip
    assert (code, "Our bucket" in said) == (1, True)


@pytest.mark.parametrize("status", [403, 503])
def test_a_store_that_refuses_blames_nothing(
    scene: Scene, lax: LaxServer, stores: None, tmp_path: Path, status: int
) -> None:
    store = named(scene, lax.place())
    start_migration(scene.cast.studio, store, actor=scene.cast.alice.actor)
    upload(scene, *scene.cuts(tmp_path, seconds=3))
    lax.ways.status = status
    code, said = fsck(scene, "--depth", "hash")
    assert (code, faults(scene), acts(scene)) == (1, {}, [])
    assert "Our bucket cannot be checked" in said
    scan.run_nightly_scan(scene.cast.studio.id)
    with studio_scope(scene.cast.studio.id):
        assert set(IntegrityScan.objects.values_list("after", "finished_at")) == {(None, None)}
    lax.ways.status = 0
    assert fsck(scene, "--depth", "hash")[0] == 0


def test_an_empty_store_is_not_believed(scene: Scene, tmp_path: Path, stores: None) -> None:
    cuts = scene.cuts(tmp_path, seconds=inspect.EMPTY_STORE_THRESHOLD + 1)
    upload(scene, *cuts)
    store = object_store()
    assert isinstance(store, LocalStore)
    aside = store.root.with_name("elsewhere")
    store.root.rename(aside)
    for said in ("does not exist", "has none of the"):
        code, output = fsck(scene)
        assert (code, faults(scene)) == (1, {})
        assert said in output
        store.root.mkdir(exist_ok=True)
    store.root.rmdir()
    aside.rename(store.root)
    assert fsck(scene)[0] == 0


def test_the_oldest_of_a_store_may_all_be_gone(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect, "EMPTY_STORE_THRESHOLD", 2)
    monkeypatch.setattr(inspect, "BATCH", dict.fromkeys(ScanDepth, 2))
    cuts = sorted(scene.cuts(tmp_path, seconds=5), key=lambda made: made.manifest.segment_id)
    upload(scene, *cuts)
    for made in cuts[:4]:
        remove(file_of(scene, made))
    code, said = fsck(scene)
    assert (code, set(faults(scene))) == (1, {made.manifest.segment_id for made in cuts[:4]}), said
