"""A new generation and a new root key: rows are re-wrapped, footage is not, and nothing is lost on the way."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from control_plane.audit.models import Entry
from control_plane.common.actors import Actor
from control_plane.common.errors import Forbidden
from control_plane.common.scoping import capability_scope, studio_scope
from control_plane.fleet.permissions import RECORD
from control_plane.keys import keyring, platform_secret, services, vault
from control_plane.keys.configured import key_share_store, root_key
from control_plane.keys.errors import KeyDestroyed, KeyRefused
from control_plane.keys.models import KeyTombstone, StudioKey
from control_plane.keys.roots import file as files
from control_plane.keys.roots.file import create_root_key
from control_plane.keys.services import generations
from control_plane.keys.services.root_rotation import rewrap_under_root
from control_plane.keys.tasks import sweep_keys
from control_plane.recordings.models import ClassSession, ClassState
from shared.protocol.ids import new_id
from tests.control_plane.conftest import Cast
from tests.control_plane.scenes import Scene, make_scene
from tests.rigs.transit import transit

SYSTEM = Actor.system("tests")


def class_secret(session: ClassSession) -> bytes:
    row: ClassSession = ClassSession.objects.get(pk=session.pk)
    return keyring.unwrap(bytes(row.wrapped_key), kind=keyring.CLASS, id_=row.id)


def more_classes(scene: Scene, count: int) -> list[ClassSession]:
    made = []
    for index in range(count):
        id_ = new_id()
        made.append(
            ClassSession(
                id=id_,
                studio=scene.cast.studio,
                room=scene.room,
                title=f"Class {index}",
                state=ClassState.EMPTY,
                requested_at=timezone.now(),
                wrapped_key=vault.new_class_key(
                    id_, actor=scene.cast.ivan.actor, permission=RECORD, subject=scene.room
                ),
            )
        )
    return list(ClassSession.objects.bulk_create(made))


def generations_used() -> set[bytes]:
    return {
        keyring.split_wrapped(row)[1].bytes
        for row in ClassSession.objects.values_list("wrapped_key", flat=True)
        if row
    }


def test_all_classes_come_under_the_new_generation_in_batches_and_open_all_the_while(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        scene = make_scene(cast)
        classes = [scene.session, *more_classes(scene, 12)]
        before = [class_secret(item) for item in classes]
        old = vault.recipient()
        services.rotate_studio_key(cast.studio, actor=cast.alice.actor)
        assert generations.count_outdated() == 13
        assert generations.rewrap_batch(actor=SYSTEM, most=5) == 5
        assert generations.count_outdated() == 8
        assert generations_used() == {old.id.bytes, vault.recipient().id.bytes}
        assert [class_secret(item) for item in classes] == before
        assert Entry.objects.filter(action="studio.keys_rewrapped").count() == 0
        while generations.rewrap_batch(actor=SYSTEM, most=5):
            pass
        assert generations.count_outdated() == 0
        assert generations_used() == {vault.recipient().id.bytes}
        assert [class_secret(item) for item in classes] == before
        assert Entry.objects.filter(action="studio.keys_rewrapped").count() == 1
        with pytest.raises(Forbidden):
            generations.rewrap_batch(actor=cast.alice.actor)


def test_a_secret_of_the_studio_is_taken_along(cast: Cast) -> None:
    """Whatever is wrapped under a studio's key is listed; a column that is not would die with the old generation."""
    from django.apps import apps

    columns = generations.wrapped_columns()
    for model, column, _ in columns:
        model._meta.get_field(column)
    listed = {f"{model._meta.label}.{column}" for model, column, _ in columns}
    unlisted = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.name.startswith("wrapped_")
    } - listed
    # Under a key of its own, which goes along; under the generation's own, which ends with it; under the root key.
    assert unlisted == {
        "recordings.Segment.wrapped_key",
        "ingest.PendingSegment.wrapped_seal",
        "exports.Export.wrapped_content_key",
        "clips.ClipSegment.wrapped_key",
        "keys.StudioKey.wrapped_key",
        "keys.StudioKey.wrapped_private_key",
    }


@pytest.mark.django_db(transaction=True)
def test_a_sweep_goes_on_where_another_left_off_and_ends_what_is_due(committed: Cast, settings: Any) -> None:
    cast = committed
    with studio_scope(cast.studio.id):
        scene = make_scene(cast)
        more_classes(scene, 3)
        old = vault.recipient()
        services.rotate_studio_key(cast.studio, actor=cast.alice.actor)
    sweep_keys()
    with studio_scope(cast.studio.id):
        assert generations_used() == {vault.recipient().id.bytes}
        assert StudioKey.objects.get(pk=old.id).destroyed_at is None, "backups of today still need it"
        StudioKey.objects.filter(pk=old.id).update(
            retired_at=timezone.now() - timedelta(days=settings.RETIRED_KEYS_DAYS + 1)
        )
        ClassSession.objects.filter(pk=scene.session.pk).update(
            state=ClassState.FINISHING, requested_at=timezone.now() - timedelta(days=60)
        )
    sweep_keys()
    with studio_scope(cast.studio.id):
        assert StudioKey.objects.get(pk=old.id).destroyed_at is None, (
            "an agent still has footage that is sealed to it"
        )
        ClassSession.objects.update(state=ClassState.COMPLETE)
    sweep_keys()
    with studio_scope(cast.studio.id):
        gone = StudioKey.objects.get(pk=old.id)
        assert gone.destroyed_at is not None
        assert not gone.wrapped_key
        assert not gone.wrapped_private_key
        assert KeyTombstone.objects.get(kind="generation").share_destroyed_at is not None
        with pytest.raises(KeyDestroyed):
            key_share_store().get(old.id)
        class_secret(scene.session)
        assert Entry.objects.filter(action="studio.key_destroyed", object_id=str(old.id)).count() == 1


def test_agents_are_told_in_the_act_itself(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        scene = make_scene(cast)
        services.rotate_studio_key(cast.studio, actor=cast.alice.actor)
        scene.agent.refresh_from_db()
        assert str(vault.recipient().id) in scene.agent.desired.body


# --- the root key ---------------------------------------------------------------------------------------------------


def test_a_new_root_key_in_the_file_opens_everything_and_the_old_one_may_go(
    own_root: Path, cast: Cast, other: Cast
) -> None:
    with studio_scope(cast.studio.id):
        scene = make_scene(cast)
        secret = class_secret(scene.session)
    first, platform = root_key().id, platform_secret.derive_secret("fleet audience")
    files.add_root_key(own_root)
    with studio_scope(cast.studio.id):
        assert class_secret(scene.session) == secret, "both open meanwhile"
    done = rewrap_under_root(actor=SYSTEM)
    assert (done.rewrapped, done.checked) == (2, 2)
    assert rewrap_under_root(actor=SYSTEM).rewrapped == 0
    assert files.drop_older_keys(own_root) == [first]
    keyring.key_cache.forget()
    for one in (cast, other):
        with studio_scope(one.studio.id):
            assert {key.root_key_id for key in StudioKey.objects.all()} == {root_key().id}
    with studio_scope(cast.studio.id):
        assert class_secret(scene.session) == secret
    assert platform_secret.derive_secret("fleet audience") == platform, "agents know the platform by it"
    with capability_scope("platform_audit", "on"):
        assert Entry.objects.filter(action="root_key.rotated").count() == 1


def test_a_run_that_is_cut_short_goes_on(
    own_root: Path, cast: Cast, other: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.add_root_key(own_root)
    calls: list[StudioKey] = []
    real = keyring.rewrap_root

    def dies(key: StudioKey) -> None:
        calls.append(key)
        if len(calls) == 2:
            raise KeyRefused("the power went")
        real(key)

    monkeypatch.setattr(keyring, "rewrap_root", dies)
    with pytest.raises(KeyRefused):
        rewrap_under_root(actor=SYSTEM)
    left = 0
    for one in (cast, other):
        with studio_scope(one.studio.id):
            left += StudioKey.objects.exclude(root_key_id=root_key().id).count()
            keyring.generation_key(StudioKey.objects.get())
    assert left == 1
    monkeypatch.setattr(keyring, "rewrap_root", real)
    done = rewrap_under_root(actor=SYSTEM)
    assert (done.rewrapped, done.checked) == (1, 2)


def test_the_root_key_moves_from_the_file_to_a_vault_and_back(
    own_root: Path, cast: Cast, settings: Any, tmp_path: Path
) -> None:
    with studio_scope(cast.studio.id):
        scene = make_scene(cast)
        secret = class_secret(scene.session)
    platform = platform_secret.derive_secret("fleet audience")
    (tmp_path / "token").write_text("s.first")
    with transit() as server:
        settings.ROOT_KEY_URL, settings.ROOT_KEY_TOKEN_FILE = server.url, tmp_path / "token"
        settings.ROOT_KEY_OLDER_URLS = (f"file://{own_root}",)
        rewrap_under_root(actor=SYSTEM)
        settings.ROOT_KEY_OLDER_URLS = ()
        keyring.key_cache.forget()
        with studio_scope(cast.studio.id):
            assert bytes(StudioKey.objects.get().wrapped_key).startswith(b"vault:v1:")
            assert class_secret(scene.session) == secret
        assert platform_secret.derive_secret("fleet audience") == platform
        server.asked.clear()
        with studio_scope(cast.studio.id):
            for _ in range(50):
                class_secret(scene.session)
        assert len(server.asked) <= 2, "not once for each picture"
        # A new version there, and everything under it.
        server.rotate()
        settings.ROOT_KEY_URL = f"{server.url}?namespace=again"  # another client: it has not looked yet
        rewrap_under_root(actor=SYSTEM)
        server.least_version = 2
        keyring.key_cache.forget()
        with studio_scope(cast.studio.id):
            assert class_secret(scene.session) == secret
        # And back to a file of another seed, which takes the platform's.
        create_root_key(tmp_path / "new.key")
        settings.KEY_SHARES_URL = f"file://{own_root.parent / 'key-shares'}"
        settings.ROOT_KEY_OLDER_URLS = (settings.ROOT_KEY_URL,)
        settings.ROOT_KEY_URL, settings.ROOT_KEY_FILE = "", tmp_path / "new.key"
        rewrap_under_root(actor=SYSTEM)
        settings.ROOT_KEY_OLDER_URLS = ()
    keyring.key_cache.forget()
    with studio_scope(cast.studio.id):
        assert class_secret(scene.session) == secret
    assert platform_secret.derive_secret("fleet audience") == platform


def test_the_command_says_what_it_did_and_what_to_do(
    own_root: Path, cast: Cast, capsys: Any, settings: Any
) -> None:
    call_command("rotate_root", "--new-key")
    said = capsys.readouterr().out
    assert "1 re-wrapped under root-" in said
    assert "all 1 studio keys open under it" in said
    call_command("rotate_root", "--drop-old")
    assert "removed from the file: root-" in capsys.readouterr().out
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('threedance.studio_id', %s, true)", [str(cast.studio.id)])
        cursor.execute("UPDATE keys_studiokey SET root_key_id = 'root-gone'")
    with pytest.raises(CommandError, match=r"THREEDANCE_ROOT_KEY_OLDER.*run it again"):
        call_command("rotate_root")
