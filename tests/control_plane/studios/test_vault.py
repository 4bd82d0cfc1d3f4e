"""Keys from root to segment: each opens for its own thing, for those who may, and no longer than it should."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from control_plane.common.actors import Actor
from control_plane.common.errors import Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.storage import keys, seal
from control_plane.storage.configured import root_key
from control_plane.storage.errors import KeyRefused
from control_plane.storage.keys import create_root_key
from control_plane.studios import services, vault
from control_plane.studios.models import StudioKey
from control_plane.studios.vault import Purpose
from shared.protocol.ids import new_id
from tests.control_plane.conftest import Cast

CONTENT_KEY = os.urandom(16)


@pytest.fixture
def scope(cast: Cast) -> Iterator[Cast]:
    with studio_scope(cast.studio.id):
        yield cast


class Footage:
    """One class and one segment of it, with their wrapped keys."""

    def __init__(self, cast: Cast, content_key: bytes = CONTENT_KEY) -> None:
        self.cast = cast
        self.class_id, self.segment_id = new_id(), new_id()
        self.class_key = vault.new_class_key(self.class_id, actor=cast.ivan.actor, subject=cast.studio)
        recipient = vault.recipient()
        self.segment_key = vault.rewrap_segment_key(
            seal.seal(recipient.public_key, content_key),
            recipient_key_id=recipient.id,
            class_key=self.class_key,
            class_session_id=self.class_id,
            segment_id=self.segment_id,
            actor=cast.agent,
            subject=cast.studio,
        )

    def open(self, **changes: Any) -> bytes:
        given: dict[str, Any] = {
            "class_key": self.class_key,
            "class_session_id": self.class_id,
            "segment_id": self.segment_id,
            "actor": self.cast.vera.actor,
            "purpose": Purpose.REPLAY,
            "subject": self.cast.studio,
        }
        return vault.open_segment_key(changes.pop("segment_key", self.segment_key), **(given | changes))


def test_a_content_key_comes_back_to_a_viewer(scope: Cast) -> None:
    assert Footage(scope).open() == CONTENT_KEY


@pytest.mark.parametrize(("who", "error"), [("gita", Forbidden), ("pat", Forbidden), ("sam", NotFound)])
def test_a_key_is_not_opened_for_those_who_may_not(scope: Cast, who: str, error: type[Exception]) -> None:
    footage = Footage(scope)
    with pytest.raises(error):
        footage.open(actor=getattr(scope, who).actor)


def test_a_box_and_the_system_open_no_key_for_replay(scope: Cast) -> None:
    footage = Footage(scope)
    for actor in (scope.agent, Actor.system("job")):
        with pytest.raises(Forbidden):
            footage.open(actor=actor)


def test_keys_of_two_classes_and_segments_cannot_be_swapped(scope: Cast) -> None:
    one, two = Footage(scope), Footage(scope)
    for changes in (
        {"class_key": two.class_key},
        {"class_key": two.class_key, "class_session_id": two.class_id},
        {"segment_id": two.segment_id},
        {"segment_key": two.segment_key},
        {"class_session_id": two.class_id},
    ):
        with pytest.raises(KeyRefused):
            one.open(**changes)


@pytest.mark.parametrize("gone", [b"", b"\0" * 16])
def test_a_class_without_its_key_is_destroyed(scope: Cast, gone: bytes) -> None:
    with pytest.raises(KeyRefused, match="destroyed"):
        Footage(scope).open(class_key=gone)


def test_a_box_seals_to_an_old_generation_and_is_still_heard(scope: Cast) -> None:
    old = vault.recipient()
    footage = Footage(scope)
    services.rotate_studio_key(scope.studio, actor=scope.alice.actor)
    new = vault.recipient()
    assert new.id != old.id
    assert new.public_key != old.public_key
    assert footage.open() == CONTENT_KEY
    late = vault.rewrap_segment_key(
        seal.seal(old.public_key, b"1" * 16),
        recipient_key_id=old.id,
        class_key=footage.class_key,
        class_session_id=footage.class_id,
        segment_id=footage.segment_id,
        actor=scope.agent,
        subject=scope.studio,
    )
    assert footage.open(segment_key=late) == b"1" * 16


def test_a_seal_to_somebody_else_is_refused(scope: Cast) -> None:
    footage = Footage(scope)
    stranger = seal.new_pair()
    given: dict[str, Any] = {
        "class_key": footage.class_key,
        "class_session_id": footage.class_id,
        "segment_id": footage.segment_id,
        "actor": scope.agent,
        "subject": scope.studio,
    }
    with pytest.raises(KeyRefused):
        vault.rewrap_segment_key(
            seal.seal(stranger.public, CONTENT_KEY), recipient_key_id=vault.recipient().id, **given
        )
    with pytest.raises(NotFound):
        vault.rewrap_segment_key(b"x" * 64, recipient_key_id=new_id(), **given)


def test_a_key_does_not_open_in_another_studio(cast: Cast, other: Cast) -> None:
    with studio_scope(cast.studio.id):
        footage = Footage(cast)
    with studio_scope(other.studio.id), pytest.raises(NotFound):
        footage.open(actor=other.alice.actor, subject=other.studio)


def test_another_root_key_opens_nothing_and_says_so(scope: Cast, tmp_path: Path, settings: Any) -> None:
    footage = Footage(scope)
    create_root_key(tmp_path / "other.key")
    settings.ROOT_KEY_FILE = tmp_path / "other.key"
    with pytest.raises(KeyRefused, match="root key root-"):
        footage.open()


def test_no_key_stands_in_the_database_as_it_is(scope: Cast) -> None:
    Footage(scope)
    key: StudioKey = StudioKey.objects.get()
    root = root_key()
    secret = root.unwrap(bytes(key.wrapped_key), kind="studio", id_=UUID(str(key.id)))
    with connection.cursor() as cursor:
        cursor.execute("SELECT wrapped_key || wrapped_private_key || public_key FROM studios_studiokey")
        stored = bytes(cursor.fetchone()[0])
    assert secret not in stored
    assert (
        keys.unwrap(secret, bytes(key.wrapped_private_key), kind="studio-private", id_=key.id) not in stored
    )
