"""Backups from before a shred: a restore brings back no picture, and the share store is made up for."""

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.keys.configured import key_share_store
from control_plane.keys.errors import KeyDestroyed
from control_plane.keys.models import KeyTombstone
from control_plane.keys.roots.file import FileRootKey
from control_plane.keys.services.key_check import check_all_keys
from control_plane.keys.shares.folder import FolderShareStore
from control_plane.recordings.models import ClassSession
from control_plane.recordings.shredding import shred_studio
from launcher.postgres import find_binaries
from launcher.service_account import ServiceAccount
from tests.control_plane.conftest import Cast
from tests.control_plane.keys import thief
from tests.control_plane.keys.shredded import announced, shred, stopped
from tests.control_plane.scenes import Scene
from tests.servers import DATABASE, POSTGRES, drop_database

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_root")]


@pytest.fixture
def scene(committed: Cast, tmp_path: Path) -> Scene:
    return stopped(committed, tmp_path)


@pytest.fixture
def restored() -> Iterator[str]:
    """A database to restore into."""
    name = f"threedance_restored_{secrets.token_hex(4)}"
    POSTGRES.create_database(name)
    yield name
    drop_database(name)


def dump(path: Path) -> None:
    connection.close()
    program = find_binaries(ServiceAccount()) / "pg_dump"
    subprocess.run(
        [program, "--format=plain", "--no-owner", "--no-privileges", f"--file={path}", POSTGRES.urls(DATABASE).superuser],
        check=True, timeout=120, capture_output=True,
    )  # fmt: skip


def restore(path: Path, name: str) -> str:
    program = find_binaries(ServiceAccount()) / "psql"
    url = POSTGRES.urls(name).superuser
    done = subprocess.run(
        [program, "-v", "ON_ERROR_STOP=1", "-q", "-f", path, url],
        timeout=120,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return url


@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", ["class", "studio"])
def test_no_backup_from_before_a_shred_shows_a_picture(
    what: str, scene: Scene, tmp_path: Path, restored: str, settings: Any
) -> None:
    (waiting,) = scene.cuts(tmp_path / "late", "right", each=2)
    announced(scene, waiting)
    objects = Path(settings.OBJECT_STORE_URL.removeprefix("file://"))
    share_store = key_share_store()
    assert isinstance(share_store, FolderShareStore)
    dump(tmp_path / "before.sql")
    shutil.copytree(objects, tmp_path / "objects before")
    shutil.copytree(share_store.folder, tmp_path / "shares before")
    under, root = str(scene.session.id), FileRootKey(settings.ROOT_KEY_FILE)

    if what == "class":
        shred(scene)
    else:
        shred_studio(
            scene.cast.studio, confirmation=scene.cast.studio.name, reason="", actor=scene.cast.alice.actor
        )

    loot = thief.rifled(restore(tmp_path / "before.sql", restored))
    assert len(loot.segments) == 2
    # With the share store of that day everything is readable: the search is a good one, and so is the backup.
    whole = thief.stolen_keys(loot, root, FolderShareStore(tmp_path / "shares before"))
    assert thief.pictures(tmp_path / "objects before", whole, under=under) == 3
    # With the share store as it is now, and all else of then: nothing.
    left = thief.stolen_keys(loot, root, share_store)
    assert thief.pictures(tmp_path / "objects before", left, under=under) == 0
    assert not [key for key in left if len(key) == 16]
    # Nor with everything of now.
    connection.close()
    now = thief.rifled(POSTGRES.urls(DATABASE).superuser)
    assert (
        thief.pictures(tmp_path / "objects before", thief.stolen_keys(now, root, share_store), under=under)
        == 0
    )


def test_a_database_from_before_a_shred_learns_what_was_destroyed(scene: Scene) -> None:
    with studio_scope(scene.cast.studio.id):
        before = bytes(scene.reread().wrapped_key)
    shred(scene)
    with studio_scope(scene.cast.studio.id):
        # As a restored backup has it: the key is there, the tombstone is not.
        KeyTombstone.objects.all().delete()
        ClassSession.objects.filter(pk=scene.session.pk).update(wrapped_key=before, title="Ballet")
    found = check_all_keys(actor=Actor.system("tests"))
    assert (found.destroyed, found.lost) == (1, [])
    assert check_all_keys(actor=Actor.system("tests"), mark_destroyed=True).marked
    assert not scene.reread().wrapped_key
    assert check_all_keys(actor=Actor.system("tests")).destroyed == 0


def test_a_shelf_from_before_a_shred_is_destroyed_again(scene: Scene, tmp_path: Path) -> None:
    share_store = key_share_store()
    assert isinstance(share_store, FolderShareStore)
    shutil.copytree(share_store.folder, tmp_path / "older")
    shred(scene)
    shutil.rmtree(share_store.folder)
    shutil.copytree(tmp_path / "older", share_store.folder)
    key_share_store().get(UUID(str(scene.session.id)))
    check_all_keys(actor=Actor.system("tests"))
    with pytest.raises(KeyDestroyed):
        key_share_store().get(UUID(str(scene.session.id)))


def test_a_lost_shelf_is_named_and_comes_back_from_its_copy(scene: Scene, tmp_path: Path) -> None:
    share_store = key_share_store()
    assert isinstance(share_store, FolderShareStore)
    call_command("key_shares", "copy", str(tmp_path / "copy"))
    shutil.rmtree(share_store.folder)
    with pytest.raises(CommandError, match="key_shares restore"):
        call_command("check_keys")
    call_command("key_shares", "restore", str(tmp_path / "copy"))
    call_command("check_keys")
    key_share_store().get(UUID(str(scene.session.id)))
