"""Faults of keys at a bad moment, and the data that nobody may lose by them."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict
from control_plane.common.scoping import studio_scope
from control_plane.keys import keyring, services, vault
from control_plane.keys.configured import key_share_store
from control_plane.keys.errors import KeyDestroyed, KeyLost, KeysUnavailable, RootRefused
from control_plane.keys.models import KeyTombstone, StudioKey
from control_plane.keys.roots.file import FileRootKey, create_root_key
from control_plane.keys.services import generations
from control_plane.keys.services.key_check import check_all_keys
from control_plane.keys.shares.folder import FolderShareStore
from control_plane.keys.tasks import sweep_keys
from control_plane.recordings import services as recordings
from control_plane.recordings import tasks as recording_tasks
from control_plane.recordings.models import ClassSession
from control_plane.recordings.shredding import remove_shredded, shred_class, shred_studio
from control_plane.tenancy.sweeping import SweepIncomplete
from tests.control_plane.conftest import Cast, make_cast
from tests.control_plane.lock_waits import wait_until_done_or_held
from tests.control_plane.scenes import Scene, make_scene

SYSTEM = Actor.system("tests")
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_root")]


def opens(session: ClassSession) -> bytes:
    row: ClassSession = ClassSession.objects.get(pk=session.pk)
    return keyring.unwrap(bytes(row.wrapped_key), kind=keyring.CLASS, id_=row.id)


def share_folder() -> Path:
    share_store = key_share_store()
    assert isinstance(share_store, FolderShareStore)
    return share_store.folder


def test_viewers_are_told_no_folder_of_the_server(committed: Cast, tmp_path: Path, caplog: Any) -> None:
    folder = share_folder()
    with pytest.raises(KeyLost) as lost:
        FolderShareStore(folder).get(UUID(int=1))
    with pytest.raises(RootRefused) as gone:
        FileRootKey(tmp_path / "gone.key")
    for error in (lost.value, gone.value, KeysUnavailable(f"{tmp_path} is away")):
        shown = str(error.problem())
        assert str(tmp_path) not in shown
        assert "threedance manage" not in shown
        assert "operator" in shown
        assert error.problem().status >= 500
    assert str(tmp_path) in caplog.text


# --- one studio's trouble is its own --------------------------------------------------------------------------------


def test_a_studio_whose_keys_are_lost_keeps_no_other_from_being_swept(committed: Cast) -> None:
    casts = [committed, make_cast(), make_cast()]
    for cast in casts:
        with studio_scope(cast.studio.id):
            make_scene(cast)
            services.rotate_studio_key(cast.studio, actor=cast.alice.actor)
    with studio_scope(casts[1].studio.id):
        lost = ClassSession.objects.get()
    next(share_folder().rglob(UUID(str(lost.id)).hex)).unlink()
    sweep_keys()
    for cast in casts:
        with studio_scope(cast.studio.id):
            assert generations.count_outdated() == (1 if cast is casts[1] else 0)


def test_a_class_that_cannot_be_removed_keeps_no_other_studio_waiting(
    committed: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    casts = [committed, make_cast(), make_cast()]
    for cast in casts:
        scene = make_scene(cast)
        scene.stop()
        shred_class(scene.reread(), confirmation="Ballet", reason="", actor=cast.alice.actor)
    real = remove_shredded

    def fails_for_one() -> int:
        if ClassSession.objects.filter(studio_id=casts[1].studio.id).exists():
            raise OSError("the disk")
        return real()

    monkeypatch.setattr(recording_tasks, "remove_shredded", fails_for_one)
    with pytest.raises(SweepIncomplete, match=r"shredding sweep failed in 1 of \d"):
        recording_tasks.sweep_shredded()
    for cast in casts:
        with studio_scope(cast.studio.id):
            removed = KeyTombstone.objects.get().removed_at is not None
            assert removed == (cast is not casts[1])


# --- a database that is older than it may be ------------------------------------------------------------------------


def aged_database(scene: Scene) -> tuple[bytes, StudioKey]:
    """Rotates, lets the old generation end, and puts the database back to before all of it; the share store stays."""
    cast = scene.cast
    with studio_scope(cast.studio.id):
        before, old = bytes(scene.reread().wrapped_key), StudioKey.objects.get()
        services.rotate_studio_key(cast.studio, actor=cast.alice.actor)
        while generations.rewrap_batch(actor=SYSTEM):
            pass
    with studio_scope(cast.studio.id):
        StudioKey.objects.filter(pk=old.pk).update(retired_at=timezone.now() - timedelta(days=400))
        assert generations.destroy_due_generations(actor=SYSTEM) == [old.id]
    with studio_scope(cast.studio.id):
        newest = bytes(scene.reread().wrapped_key)
        new = StudioKey.objects.get(retired_at=None)
        KeyTombstone.objects.all().delete()
        StudioKey.objects.filter(pk=new.pk).delete()
        StudioKey.objects.filter(pk=old.pk).update(
            wrapped_key=bytes(old.wrapped_key),
            wrapped_private_key=bytes(old.wrapped_private_key),
            retired_at=None,
            destroyed_at=None,
        )
        ClassSession.objects.filter(pk=scene.session.pk).update(wrapped_key=before)
    return newest, new


def test_mending_a_database_that_is_too_old_destroys_nothing_that_a_newer_one_opens(committed: Cast) -> None:
    scene = make_scene(committed)
    scene.stop()
    newest, new = aged_database(scene)
    found = check_all_keys(actor=SYSTEM, mark_destroyed=True)
    assert found.lost == [f"class {scene.session.id}"]
    with studio_scope(committed.studio.id):
        assert not KeyTombstone.objects.filter(kind="class").exists()
        assert scene.reread().wrapped_key, "it is not this database that may say that it is gone"
        key_share_store().get(UUID(str(scene.session.id)))
        # The newer backup, which somebody finds after all.
        StudioKey.objects.filter(retired_at=None).update(retired_at=timezone.now())
        new.save(force_insert=True)
        ClassSession.objects.filter(pk=scene.session.pk).update(wrapped_key=newest)
        assert opens(scene.session)


def test_a_studio_whose_current_keys_are_found_destroyed_gets_new_ones(committed: Cast) -> None:
    scene = make_scene(committed)
    scene.stop()
    aged_database(scene)
    check_all_keys(actor=SYSTEM, mark_destroyed=True)
    with studio_scope(committed.studio.id):
        current = StudioKey.objects.get(retired_at=None)
        assert current.destroyed_at is None
        keyring.generation_key(current)
        scene.agent.refresh_from_db()
        assert str(current.id) in scene.agent.desired.body, "agents seal to no destroyed key"


# --- two at once ----------------------------------------------------------------------------------------------------


def test_a_class_that_begins_while_the_studio_is_shredded_is_never_left_without_a_key(
    committed: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either it is there, and the studio is not shredded; or it begins under the new keys."""
    cast = committed
    scene = make_scene(cast)
    scene.stop()
    recordings.give_up_class(scene.reread(), actor=cast.alice.actor)
    wrapped, go_on = threading.Event(), threading.Event()
    real, ended = vault.new_class_key, []

    def slow(*args: Any, **values: Any) -> bytes:
        made = real(*args, **values)
        wrapped.set()
        assert go_on.wait(20)
        return made

    def begin() -> None:
        try:
            recordings.start_class(scene.room, title="Late", actor=cast.ivan.actor)
        finally:
            connection.close()

    def shred() -> None:
        try:
            shred_studio(cast.studio, confirmation=cast.studio.name, reason="", actor=cast.alice.actor)
            ended.append("shredded")
        except Conflict:
            ended.append("refused")
        finally:
            connection.close()

    monkeypatch.setattr(vault, "new_class_key", slow)
    first, second = threading.Thread(target=begin), threading.Thread(target=shred)
    first.start()
    assert wrapped.wait(20)
    second.start()
    wait_until_done_or_held(lambda: bool(ended))
    go_on.set()
    first.join(30)
    second.join(30)
    assert ended == ["refused"]
    with studio_scope(cast.studio.id):
        assert opens(ClassSession.objects.get(title="Late"))


# --- the root key ---------------------------------------------------------------------------------------------------


def test_an_old_root_key_goes_in_a_later_run_than_the_one_that_moved_rows(
    committed: Cast, capsys: Any
) -> None:
    """A studio that is being made at this moment is under the old key, in a row that nobody sees yet."""
    with pytest.raises(CommandError, match="run it again"):
        call_command("rotate_root", "--new-key", "--drop-old")
    assert "removed" not in capsys.readouterr().out
    call_command("rotate_root", "--drop-old")
    assert "removed from the file: root-" in capsys.readouterr().out
    with studio_scope(committed.studio.id):
        keyring.key_cache.forget()
        keyring.generation_key(StudioKey.objects.get())


def test_a_rotation_is_of_the_file_that_is_in_use(committed: Cast, settings: Any, tmp_path: Path) -> None:
    """`THREEDANCE_ROOT_KEY=file:///path` names it, not the file that lies where the default one would."""
    settings.ROOT_KEY_URL = f"file://{settings.ROOT_KEY_FILE}"
    settings.KEY_SHARES_URL = f"file://{share_folder()}"
    create_root_key(tmp_path / "elsewhere" / "root.key")
    settings.ROOT_KEY_FILE = tmp_path / "elsewhere" / "root.key"
    other = settings.ROOT_KEY_FILE.read_bytes()
    call_command("rotate_root", "--new-key")
    call_command("rotate_root", "--drop-old")
    assert settings.ROOT_KEY_FILE.read_bytes() == other
    with studio_scope(committed.studio.id):
        assert StudioKey.objects.get().root_key_id in (tmp_path / "keys" / "root.key").read_text()


# --- key shares ---------------------------------------------------------------------------------------------------------


def test_a_copy_from_elsewhere_destroys_nothing_that_lives_here(committed: Cast, tmp_path: Path) -> None:
    """A copy that was written by a trial installation, made of this one's backup, knows of ends that are not ours."""
    scene = make_scene(committed)
    call_command("key_shares", "copy", str(tmp_path / "copy"))
    FolderShareStore(tmp_path / "copy").destroy([UUID(str(scene.session.id))])
    with pytest.raises(CommandError, match="--destroy"):
        call_command("key_shares", "restore", str(tmp_path / "copy"))
    with studio_scope(committed.studio.id):
        assert opens(scene.session)
    call_command("key_shares", "restore", str(tmp_path / "copy"), "--destroy")
    with studio_scope(committed.studio.id), pytest.raises(KeyDestroyed):
        opens(scene.session)


def test_a_damaged_entry_stops_no_copy_and_comes_back_from_it(
    committed: Cast, tmp_path: Path, capsys: Any
) -> None:
    scenes = [make_scene(committed, name=f"Room {index}") for index in range(4)]
    call_command("key_shares", "copy", str(tmp_path / "copy"))
    damaged = next(share_folder().rglob(UUID(str(scenes[0].session.id)).hex))
    damaged.write_bytes(b"\x07" * 40)
    late = make_scene(committed, name="Late room")
    with pytest.raises(CommandError, match=damaged.name):
        call_command("key_shares", "copy", str(tmp_path / "copy"))
    copy = FolderShareStore(tmp_path / "copy")
    copy.get(UUID(str(late.session.id)))
    copy.get(UUID(damaged.name))
    with pytest.raises(KeyLost):
        key_share_store().get(UUID(damaged.name))
    call_command("key_shares", "restore", str(tmp_path / "copy"))
    with studio_scope(committed.studio.id):
        for scene in (*scenes, late):
            assert opens(scene.session)
