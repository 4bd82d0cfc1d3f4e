"""Keys from root to segment: each opens for its own thing, for those who may, on record, and no longer than it should."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from control_plane.access import access
from control_plane.access.authorization import NotAuthorized
from control_plane.administration import services as administration_services
from control_plane.audit.models import Entry
from control_plane.audit.services import record
from control_plane.clips.replays import CLIP_KEYS
from control_plane.clips.services import COPY_KEYS
from control_plane.common.actors import Actor
from control_plane.common.errors import Forbidden, NotFound
from control_plane.common.permissions import StudioPermission
from control_plane.common.scoping import studio_scope
from control_plane.exports.keys import EXPORT_KEYS
from control_plane.fleet.permissions import RECORD
from control_plane.ingest.intents import INGEST_KEYS
from control_plane.keys import key_wrapping, keyring, seal, vault
from control_plane.keys import services as keys_services
from control_plane.keys.configured import key_share_store, root_key
from control_plane.keys.errors import KeyDestroyed, KeyLost, KeyRefused
from control_plane.keys.models import StudioKey
from control_plane.keys.roots.file import create_root_key
from control_plane.keys.services import generations as service_of_keys
from control_plane.keys.shares.folder import FolderShareStore
from control_plane.keys.vault import CHECK, KeyRelease, ReleaseNotAudited
from control_plane.recordings.audit_events import CLASS_CHANGED, CLASS_REPLAYED, FOOTAGE_COMMITTED
from control_plane.recordings.models import ClassSession
from control_plane.recordings.permissions import REPLAY, VIEW_CLASS
from control_plane.recordings.playback.view_sessions import REPLAY_KEYS
from control_plane.sharing.openings import SHARE_KEYS
from shared.protocol.ids import new_id
from tests.control_plane.conftest import Cast
from tests.repo.tracked import ROOT

CONTENT_KEY = os.urandom(16)


@pytest.fixture
def scope(cast: Cast) -> Iterator[Cast]:
    with studio_scope(cast.studio.id):
        yield cast


class Footage:
    """One class and one segment of it, with their wrapped keys; the class stands in no table."""

    def __init__(self, cast: Cast, content_key: bytes = CONTENT_KEY) -> None:
        self.cast, self.segment_id = cast, new_id()
        self.session = ClassSession(id=new_id(), studio=cast.studio)
        self.session.wrapped_key = vault.new_class_key(
            self.session.id, actor=cast.ivan.actor, permission=RECORD, subject=cast.studio
        )
        self.segment_key = self.arrive(content_key)

    def arrive(self, content_key: bytes, **changes: Any) -> bytes:
        recipient = changes.get("recipient") or vault.recipient()
        with vault.release_keys(self.cast.agent, INGEST_KEYS, self.session) as release:
            return release.rewrap(
                changes.get("sealed") or seal.seal(recipient.public_key, content_key),
                recipient_key_id=changes.get("recipient_key_id") or recipient.id,
                segment_id=self.segment_id,
            )

    def on_record(self, actor: Actor) -> UUID:
        entry = record(
            CLASS_REPLAYED,
            actor=actor,
            studio_id=self.cast.studio.id,
            object_type="recordings.ClassSession",
            object_id=self.session.id,
        )
        return UUID(str(entry.id))

    def open(self, **changes: Any) -> bytes:
        actor = changes.get("actor", self.cast.vera.actor)
        session = changes.get("session", self.session)
        entry_id = changes["entry_id"] if "entry_id" in changes else self.on_record(actor)
        with vault.release_keys(actor, REPLAY_KEYS, session, entry_id=entry_id) as release:
            return release.content_key(
                changes.get("segment_key", self.segment_key),
                segment_id=changes.get("segment_id", self.segment_id),
            )


def acts() -> list[str]:
    return list(Entry.objects.order_by("sequence").values_list("action", flat=True))


def test_a_content_key_comes_back_to_a_viewer(scope: Cast) -> None:
    assert Footage(scope).open() == CONTENT_KEY


@pytest.mark.parametrize(
    ("who", "errors"), [("gita", (Forbidden, NotFound)), ("pat", (Forbidden, NotFound)), ("sam", NotFound)]
)
def test_a_key_is_not_opened_for_those_who_may_not(scope: Cast, who: str, errors: Any) -> None:
    footage = Footage(scope)
    with pytest.raises(errors):
        footage.open(actor=getattr(scope, who).actor)


def test_an_agent_and_the_system_open_no_key_for_replay(scope: Cast) -> None:
    footage = Footage(scope)
    for actor in (scope.agent, Actor.system("job")):
        with pytest.raises(Forbidden):
            footage.open(actor=actor)


def test_an_authorization_releases_keys_for_its_own_actor_permission_and_class_alone(scope: Cast) -> None:
    footage, other = Footage(scope), Footage(scope)
    vera, entry_id = scope.vera.actor, footage.on_record(scope.vera.actor)
    good = access.require(vera, REPLAY, footage.session)
    with vault.release_keys(
        vera, REPLAY_KEYS, footage.session, entry_id=entry_id, authorization=good
    ) as release:
        assert release.content_key(footage.segment_key, segment_id=footage.segment_id) == CONTENT_KEY
    wrong = (
        access.require(scope.ivan.actor, REPLAY, footage.session),
        access.require(vera, VIEW_CLASS, footage.session),
        access.require(vera, REPLAY, other.session),
        replace(good, _transaction=object()),
    )
    for authorization in wrong:
        with (
            pytest.raises(NotAuthorized),
            vault.release_keys(
                vera, REPLAY_KEYS, footage.session, entry_id=entry_id, authorization=authorization
            ),
        ):
            pass


# --- what has to be on record ---------------------------------------------------------------------------------------


def test_no_replay_without_its_own_entry(scope: Cast) -> None:
    mine, other = Footage(scope), Footage(scope)
    strangers = mine.on_record(scope.ivan.actor), other.on_record(scope.vera.actor)
    wrong_act = record(
        CLASS_CHANGED,
        actor=scope.vera.actor,
        studio_id=scope.studio.id,
        object_type="recordings.ClassSession",
        object_id=mine.session.id,
    )
    for entry_id in (None, new_id(), *strangers, wrong_act.id):
        with pytest.raises(ReleaseNotAudited):
            mine.open(entry_id=entry_id)


def test_an_opening_is_had_from_the_vault_alone_and_ends_with_its_transaction(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        footage = Footage(cast)
    given: dict[str, Any] = {"actor": cast.vera.actor, "purpose": REPLAY_KEYS, "subject": footage.session}
    for token in (None, object(), vault):
        with pytest.raises(ReleaseNotAudited):
            KeyRelease(token, **given)
    with studio_scope(cast.studio.id):
        entry_id = footage.on_record(cast.vera.actor)
        with vault.release_keys(cast.vera.actor, REPLAY_KEYS, footage.session, entry_id=entry_id) as release:
            assert release.content_key(footage.segment_key, segment_id=footage.segment_id) == CONTENT_KEY
        with pytest.raises(ReleaseNotAudited, match="ended"):
            release.content_key(footage.segment_key, segment_id=footage.segment_id)


@pytest.mark.django_db(transaction=True)
def test_an_opening_does_not_outlive_the_transaction_of_its_entry(committed: Cast) -> None:
    cast = committed
    with studio_scope(cast.studio.id):
        footage = Footage(cast)
        entry_id = footage.on_record(cast.vera.actor)
    manager = vault.release_keys(cast.vera.actor, REPLAY_KEYS, footage.session, entry_id=entry_id)
    with studio_scope(cast.studio.id):
        release = manager.__enter__()
        assert release.content_key(footage.segment_key, segment_id=footage.segment_id) == CONTENT_KEY
    release._secret = b""
    with studio_scope(cast.studio.id), pytest.raises(ReleaseNotAudited, match="another transaction"):
        release.content_key(footage.segment_key, segment_id=footage.segment_id)


def test_a_check_is_put_on_record_before_its_first_key(scope: Cast) -> None:
    footage = Footage(scope)
    before = len(acts())
    with vault.release_keys(Actor.system("fsck"), CHECK, footage.session, reason="fsck") as release:
        assert acts()[before:] == ["key.opened"]
        assert release.content_key(footage.segment_key, segment_id=footage.segment_id) == CONTENT_KEY
    with pytest.raises(Forbidden), vault.release_keys(scope.alice.actor, CHECK, footage.session):
        pass


def test_ingest_that_leaves_no_act_of_its_own_is_put_on_record_by_the_vault(scope: Cast) -> None:
    footage = Footage(scope)
    (last,) = Entry.objects.filter(action="key.opened")
    assert last.details == {"purpose": "ingest", "segments": [str(footage.segment_id)]}
    with vault.release_keys(scope.agent, INGEST_KEYS, footage.session) as release:
        sealed = seal.seal(vault.recipient().public_key, CONTENT_KEY)
        release.rewrap(sealed, recipient_key_id=vault.recipient().id, segment_id=footage.segment_id)
        record(
            FOOTAGE_COMMITTED,
            actor=scope.agent,
            studio_id=scope.studio.id,
            object_type="recordings.ClassSession",
            object_id=footage.session.id,
            details={"segments": [{"id": str(footage.segment_id)}]},
        )
    assert Entry.objects.filter(action="key.opened").count() == 1


def test_every_purpose_has_a_permission_and_audit_events() -> None:
    sources = [
        path for path in (ROOT / "control_plane").rglob("*.py") if re.search(r"\bPurpose\(", path.read_text())
    ]
    declaring = {str(path.relative_to(ROOT / "control_plane")) for path in sources}
    assert declaring == {
        "keys/vault.py",
        "clips/replays.py",
        "clips/services.py",
        "ingest/intents.py",
        "recordings/playback/view_sessions.py",
        "sharing/openings.py",
        "exports/keys.py",
    }
    for purpose in (CHECK, INGEST_KEYS, REPLAY_KEYS, SHARE_KEYS, COPY_KEYS, CLIP_KEYS, EXPORT_KEYS):
        assert purpose.permission in StudioPermission.all()
        assert purpose.audit_events
        assert purpose.segment_events <= purpose.audit_events


# --- what opens with what -------------------------------------------------------------------------------------------


def test_keys_of_two_classes_and_segments_cannot_be_swapped(scope: Cast) -> None:
    one, two = Footage(scope), Footage(scope)
    swapped = ClassSession(id=one.session.id, studio=scope.studio, wrapped_key=two.session.wrapped_key)
    for changes in (
        {"session": swapped},
        {"segment_id": two.segment_id},
        {"segment_key": two.segment_key},
        {"session": two.session, "entry_id": two.on_record(scope.vera.actor)},
    ):
        with pytest.raises(KeyRefused):
            one.open(**changes)


@pytest.mark.parametrize("gone", [b"", b"\2", b"\0" * 16])
def test_a_class_without_its_key_is_destroyed(scope: Cast, gone: bytes) -> None:
    footage = Footage(scope)
    footage.session.wrapped_key = gone
    with pytest.raises(KeyDestroyed, match="destroyed"):
        footage.open()


def test_a_class_opens_only_together_with_its_half_on_the_shelf(scope: Cast) -> None:
    footage = Footage(scope)
    assert footage.open() == CONTENT_KEY
    key_share_store().destroy([footage.session.id])
    with pytest.raises(KeyDestroyed):
        footage.open()
    lost = Footage(scope)
    next(Path(root_folder(scope)).rglob(lost.session.id.hex)).unlink()
    with pytest.raises(KeyLost, match="copy"):
        lost.open()
    # Asking for the share is not enough: with one that somebody made up it must not open either.
    key_share_store().restore(lost.session.id, os.urandom(32))
    with pytest.raises(KeyRefused, match="does not open"):
        lost.open()


def root_folder(scope: Cast) -> Path:
    folder: Path = key_share_store().folder  # type: ignore[attr-defined]
    return folder


def test_a_generation_opens_only_together_with_its_half_on_the_shelf(scope: Cast) -> None:
    footage = Footage(scope)
    key_share_store().destroy([vault.recipient().id])
    with pytest.raises(KeyDestroyed):
        footage.open()


def test_the_first_form_of_keys_without_a_shelf_still_opens_and_is_rewrapped_with_one(scope: Cast) -> None:
    key: StudioKey = StudioKey.objects.get()
    root, secret, class_secret = root_key(), key_wrapping.new_key(), key_wrapping.new_key()
    pair = seal.new_key_pair()
    StudioKey.objects.update(
        has_share=False,
        wrapped_key=root.wrap(secret, kind="studio", id_=key.id),
        wrapped_private_key=key_wrapping.wrap(secret, pair.private, kind="studio-private", id_=key.id),
        public_key=pair.public,
    )
    footage = Footage.__new__(Footage)
    footage.cast, footage.segment_id = scope, new_id()
    footage.session = ClassSession(id=new_id(), studio=scope.studio)
    footage.session.wrapped_key = key.id.bytes + key_wrapping.wrap(
        secret, class_secret, kind="class", id_=footage.session.id
    )
    footage.segment_key = footage.arrive(CONTENT_KEY)
    assert footage.open() == CONTENT_KEY
    room = administration_services.create_room(scope.studio, name="First room", actor=scope.alice.actor)
    footage.session.room, footage.session.requested_at = room, timezone.now()
    footage.session.save(force_insert=True)
    assert service_of_keys.rewrap_batch(actor=Actor.system("tests")) == 1
    assert service_of_keys.count_outdated() == 0
    key_share_store().get(footage.session.id)
    footage.session.refresh_from_db()
    assert footage.open() == CONTENT_KEY


def test_a_first_form_whose_half_was_placed_by_a_batch_that_died_is_rewrapped(scope: Cast) -> None:
    id_, secret = new_id(), key_wrapping.new_key()
    share = key_share_store().create(id_)
    wrapped = keyring.wrap(secret, kind="store", id_=id_)
    keyring.ensure_share(id_)
    assert key_share_store().get(id_) == share
    key_share_store().destroy([id_])
    with pytest.raises(KeyDestroyed):
        keyring.ensure_share(id_)
    assert keyring.unwrap(wrapped, kind="store", id_=id_) == secret


def test_a_key_costs_a_viewer_little(scope: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 viewers ask 400 times a second: two queries, of which one is for the record, and two small files."""
    footage, taken = Footage(scope), []
    entry_id, real = footage.on_record(scope.vera.actor), FolderShareStore.get
    footage.open(entry_id=entry_id)

    def take(share_store: FolderShareStore, id_: UUID) -> bytes:
        taken.append(id_)
        return real(share_store, id_)

    monkeypatch.setattr(FolderShareStore, "get", take)
    monkeypatch.setattr("control_plane.keys.vault.access.require", lambda *_: None)
    with CaptureQueriesContext(connection) as asked:
        footage.open(entry_id=entry_id)
    assert len(asked) <= 2, [query["sql"] for query in asked]
    assert len(taken) == 2


def test_an_agent_seals_to_an_old_generation_and_is_still_heard(scope: Cast) -> None:
    old = vault.recipient()
    footage = Footage(scope)
    keys_services.rotate_studio_key(scope.studio, actor=scope.alice.actor)
    new = vault.recipient()
    assert new.id != old.id
    assert new.public_key != old.public_key
    assert footage.open() == CONTENT_KEY
    late = footage.arrive(b"1" * 16, recipient=old)
    assert footage.open(segment_key=late) == b"1" * 16


def test_a_seal_to_somebody_else_is_refused(scope: Cast) -> None:
    footage = Footage(scope)
    stranger = seal.new_key_pair()
    with pytest.raises(KeyRefused):
        footage.arrive(b"", sealed=seal.seal(stranger.public, CONTENT_KEY))
    with pytest.raises(NotFound):
        footage.arrive(b"", sealed=b"x" * 64, recipient_key_id=new_id())


def test_what_waits_in_the_database_dies_with_its_class(scope: Cast) -> None:
    footage = Footage(scope)
    sealed = seal.seal(vault.recipient().public_key, CONTENT_KEY)
    with vault.release_keys(scope.agent, INGEST_KEYS, footage.session) as release:
        held = release.wrap_sealed(sealed, segment_id=footage.segment_id)
        assert sealed not in held
        assert release.unwrap_sealed(held, segment_id=footage.segment_id) == sealed
        with pytest.raises(KeyRefused):
            release.unwrap_sealed(held, segment_id=new_id())
    key_share_store().destroy([footage.session.id])
    with (
        vault.release_keys(scope.agent, INGEST_KEYS, footage.session) as release,
        pytest.raises(KeyDestroyed),
    ):
        release.unwrap_sealed(held, segment_id=footage.segment_id)


def test_a_key_does_not_open_in_another_studio(cast: Cast, other: Cast) -> None:
    with studio_scope(cast.studio.id):
        footage = Footage(cast)
    footage.session.studio = other.studio
    footage.cast = other
    with studio_scope(other.studio.id), pytest.raises(NotFound):
        footage.open(actor=other.alice.actor)


def test_another_root_key_opens_nothing_and_says_so(scope: Cast, tmp_path: Path, settings: Any) -> None:
    footage = Footage(scope)
    create_root_key(tmp_path / "other.key")
    settings.KEY_SHARES_URL = f"file://{settings.ROOT_KEY_FILE.parent / 'key-shares'}"
    settings.ROOT_KEY_FILE = tmp_path / "other.key"
    keyring.key_cache.forget()
    with pytest.raises(KeyRefused, match="root key root-"):
        footage.open()


def test_a_secret_of_the_studio_comes_back_and_is_no_way_to_footage(scope: Cast) -> None:
    id_ = new_id()
    wrapped = vault.wrap_secret(b"password", kind="store", id_=id_)
    assert vault.open_secret(wrapped, kind="store", id_=id_) == b"password"
    with pytest.raises(KeyRefused):
        vault.open_secret(wrapped, kind="store", id_=new_id())
    footage = Footage(scope)
    for kind in sorted(vault.RELEASED_KINDS):
        with pytest.raises(ReleaseNotAudited):
            vault.open_secret(bytes(footage.session.wrapped_key), kind=kind, id_=footage.session.id)


def test_no_key_stands_in_the_database_as_it_is(scope: Cast) -> None:
    Footage(scope)
    key: StudioKey = StudioKey.objects.get()
    secret = root_key().unwrap(
        bytes(key.wrapped_key), root_key_id=key.root_key_id, kind="studio", id_=UUID(str(key.id))
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT wrapped_key || wrapped_private_key || public_key FROM keys_studiokey")
        stored = bytes(cursor.fetchone()[0])
    assert secret not in stored
    assert keyring.generation_key(key) not in stored
    assert keyring.private_key(UUID(str(key.id))) not in stored
    with pytest.raises(KeyRefused):
        key_wrapping.unwrap(secret, bytes(key.wrapped_private_key), kind="studio-private", id_=key.id)
