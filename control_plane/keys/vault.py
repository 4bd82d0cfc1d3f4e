"""What keys are for, and for whom they are opened. Every content key of a recording is opened by an `Opening`.

An `Opening` is one actor's, for one purpose, of one class, in one transaction. It cannot be had without the right
that the purpose needs, nor without the entry in the audit log that the purpose needs; and there is no function that
opens a content key without one. How keys lie inside each other is `keyring`'s. Inside `studio_scope` only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from django.db import connection
from django.db.models import Model

from control_plane.access import access
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.models import ChainHead, Entry
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import ControlPlaneError
from control_plane.common.rows import one
from control_plane.common.scoping import current_studio_id, write_the_last
from control_plane.keys import key_wrapping, keyring, seal
from control_plane.keys.configured import key_shelf
from control_plane.keys.errors import KeyDestroyed, KeyRefused
from control_plane.keys.selectors import current_key
from shared.protocol.config import RecipientKey
from shared.protocol.ids import RecipientKeyId

SEGMENT, SEALED = "segment", "segment-sealed"
OURS = frozenset({keyring.STUDIO, keyring.PRIVATE, keyring.CLASS, SEGMENT, SEALED})


class Purpose(StrEnum):
    """Why keys are opened."""

    INGEST = "ingest"
    REPLAY = "replay"
    CHECK = "check"


@dataclass(frozen=True)
class Rule:
    """Requirements of a purpose: a permission of the actor on the class, and one of these audit events.

    `before`: the entry is there before the first key; else the same transaction writes it, or `KEY_OPENED` is written
    for what it leaves out.
    """

    right: access.Action
    acts: frozenset[Act]
    before: bool


RULES: dict[Purpose, Rule] = {
    Purpose.INGEST: Rule(
        access.Action.UPLOAD, frozenset({Act.FOOTAGE_COMMITTED, Act.SEGMENT_QUARANTINED}), before=False
    ),
    Purpose.REPLAY: Rule(access.Action.REPLAY, frozenset({Act.CLASS_REPLAYED}), before=True),
    Purpose.CHECK: Rule(access.Action.MAINTAIN, frozenset({Act.KEY_OPENED}), before=True),
}


class NotOnRecord(ControlPlaneError):
    """Keys were asked for without the entry in the audit log that has to be there: a fault of the program."""


class HasKey(Protocol):
    """A class: `wrapped_key` as `new_class_key` returned it, empty when it was destroyed."""

    wrapped_key: Any

    @property
    def pk(self) -> Any:
        """Its id."""
        ...


class Opening:
    """The permission to open the keys of one class now. `opening` makes one; it ends with the `with`."""

    def __init__(self, made_by: object, *, actor: Actor, purpose: Purpose, subject: HasKey) -> None:
        if made_by is not _MADE_HERE:
            raise NotOnRecord("an Opening is had from vault.opening alone")
        self.actor, self.purpose = actor, purpose
        self.segments: set[UUID] = set()
        self._class_id, self._class_key = UUID(str(subject.pk)), bytes(subject.wrapped_key)
        self._secret = b""
        self._transaction: object | None = _transaction()

    def content_key(self, segment_key: bytes, *, segment_id: UUID) -> bytes:
        """Returns the 16-byte content key of a segment.

        Args:
            segment_key: as `rewrapped` returned it.

        Raises:
            KeyDestroyed: the class, or its studio, was shredded.
            KeyRefused: it is another class's or segment's, or damaged.
            KeysUnavailable: root key or shelf do not answer.
        """
        secret = self._class_secret()
        self.segments.add(segment_id)
        return key_wrapping.unwrap(secret, segment_key, kind=SEGMENT, id_=segment_id)

    def rewrapped(self, sealed_key: bytes, *, recipient_key_id: UUID, segment_id: UUID) -> bytes:
        """Opens a content key as it came from a box, and returns it wrapped under its class's key.

        Args:
            sealed_key: the libsodium sealed box of the manifest.
            recipient_key_id: the generation it was sealed to.

        Raises:
            NotFound: the studio has no such generation.
            KeyRefused: the seal does not open; see `content_key`.
        """
        secret = self._class_secret()
        try:
            private = keyring.private_key(recipient_key_id)
        except KeyDestroyed as error:
            raise KeyRefused("it was sealed to keys of the studio that have been destroyed since") from error
        content_key = seal.open_seal(private, sealed_key)
        self.segments.add(segment_id)
        return key_wrapping.wrap(secret, content_key, kind=SEGMENT, id_=segment_id)

    def held(self, sealed_key: bytes, *, segment_id: UUID) -> bytes:
        """Returns a sealed key, unopened, under the class's key: what waits in the database dies with the class."""
        return key_wrapping.wrap(self._class_secret(), sealed_key, kind=SEALED, id_=segment_id)

    def let_go(self, held: bytes, *, segment_id: UUID) -> bytes:
        """Returns the sealed key that `held` was given; nobody reads it without the studio's private key.

        Raises:
            KeyRefused: see `content_key`.
        """
        return key_wrapping.unwrap(self._class_secret(), held, kind=SEALED, id_=segment_id)

    def fetch(self) -> None:
        """Has the class's key brought, so that nothing waits for it later.

        Raises:
            KeyDestroyed, KeyRefused, KeysUnavailable: as `content_key`.
        """
        self._class_secret()

    def close(self) -> None:
        """Ends it."""
        self._transaction, self._secret = None, b""

    def _class_secret(self) -> bytes:
        if self._transaction is None or self._transaction is not _transaction():
            raise NotOnRecord("this Opening has ended: its entry is of another transaction")
        if not self._class_key:
            raise KeyDestroyed(keyring.DESTROYED)
        self._secret = self._secret or keyring.unwrap(self._class_key, kind=keyring.CLASS, id_=self._class_id)
        return self._secret


_MADE_HERE = object()


@contextmanager
def opening(
    actor: Actor, purpose: Purpose, subject: Model, *, entry_id: UUID | None = None, reason: str = ""
) -> Iterator[Opening]:
    """Opens the keys of a class (`subject`) for the length of a `with`.

    Args:
        entry_id: REPLAY: the audit entry that the actor's replay of this class was put on record with.
        reason: CHECK: what is checked, in a word or two; it stands in the entry that is written.

    Raises:
        NotFound, Forbidden: `actor` may not do what `purpose` needs to `subject`.
        NotOnRecord: there is no such entry of this actor and class.
        KeyRefused, KeysUnavailable: REPLAY: the class's key is not to be had.
    """
    rule = RULES[purpose]
    access.require(actor, rule.right, subject)
    head = 0 if rule.before else _head()
    opened = Opening(_MADE_HERE, actor=actor, purpose=purpose, subject=subject)  # type: ignore[arg-type]
    if purpose is Purpose.CHECK:
        reason = reason or "check"
        record_for(Act.KEY_OPENED, subject, actor=actor, details={"purpose": purpose.value, "reason": reason})
    elif rule.before:
        # Asked for now and given out later: writing the entry locks the studio's chain to the end of the transaction,
        # and the root key or the shelf may be slow to answer.
        opened.fetch()
        _must_be_on_record(entry_id, rule, actor, subject)
    try:
        yield opened
    finally:
        opened.close()
    if not rule.before and (left := opened.segments - _on_record_since(head, rule)):
        segments = sorted(str(id_) for id_ in left)
        record_for(
            Act.KEY_OPENED, subject, actor=actor, details={"purpose": purpose.value, "segments": segments}
        )


def recipient() -> RecipientKey:
    """Returns the public key that boxes of the studio in scope seal content keys to."""
    key = current_key()
    return RecipientKey(id=RecipientKeyId(key.id), public_key=bytes(key.public_key))


def new_class_key(class_session_id: UUID, *, actor: Actor, subject: Model) -> bytes:
    """Returns a new class key, wrapped, its half on the shelf; store it with the class.

    Raises:
        NotFound, Forbidden: `actor` may not record for `subject` (the studio, room or class).
        KeysUnavailable: root key or shelf do not answer.
    """
    access.require(actor, access.Action.RECORD, subject)
    keyring.alone(current_studio_id())
    key_shelf().place(class_session_id)
    return keyring.wrap(key_wrapping.new_key(), kind=keyring.CLASS, id_=class_session_id)


def wrap_secret(secret: bytes, *, kind: str, id_: UUID) -> bytes:
    """Returns a secret of the studio that is no footage (a store's password, say) under the studio's key.

    Declare its column in `studio_wrapped` of the model: a new generation of keys re-wraps it.
    """
    kind = _foreign(kind)
    keyring.alone(current_studio_id())
    return keyring.wrap(secret, kind=kind, id_=id_)


def open_secret(wrapped: bytes, *, kind: str, id_: UUID) -> bytes:
    """Returns what `wrap_secret` wrapped.

    Raises:
        KeyRefused, KeysUnavailable: it does not open.
    """
    return keyring.unwrap(wrapped, kind=_foreign(kind), id_=id_)


def _foreign(kind: str) -> str:
    if kind in OURS:
        raise NotOnRecord(f"keys of kind {kind} are opened by an Opening")
    return kind


def _transaction() -> object | None:
    blocks = connection.atomic_blocks
    return blocks[0] if blocks else None


def _head() -> int:
    return ChainHead.objects.values_list("sequence", flat=True).first() or 0


def _must_be_on_record(entry_id: UUID | None, rule: Rule, actor: Actor, subject: Model) -> None:
    write_the_last()  # the entry may be one that still waits for its place in the chain
    found = one(
        Entry,
        "this.id = %s AND this.action = ANY(%s) AND this.actor_kind = %s AND this.actor_id = %s AND this.object_id = %s",
        [entry_id, [act.value for act in rule.acts], actor.kind.value, actor.id, str(subject.pk)],
        only=("id",),
    )
    if entry_id is None or found is None:
        raise NotOnRecord("no key without an entry in the audit log")


def _on_record_since(head: int, rule: Rule) -> set[UUID]:
    rows = Entry.objects.filter(sequence__gt=head, action__in=[act.value for act in rule.acts])
    found: set[UUID] = set()
    for action, object_id, details in rows.values_list("action", "object_id", "details"):
        if action == Act.SEGMENT_QUARANTINED.value:
            found.add(UUID(object_id))
        found.update(UUID(item["id"]) for item in details.get("segments", ()))
    return found
