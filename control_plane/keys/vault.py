"""Release of content keys, each for a purpose. Every content key of a recording is opened through a `KeyRelease`.

A `KeyRelease` belongs to one actor, one purpose, one class and one transaction. It requires the permission and the audit
event of its purpose, and no other function opens a content key. `keyring` has the key hierarchy. Inside `studio_scope`
only.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from django.db import connection
from django.db.models import Model

from control_plane.access import access
from control_plane.access.permissions import MAINTAIN
from control_plane.audit.events import AuditEvent
from control_plane.audit.models import ChainHead, Entry
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import ControlPlaneError
from control_plane.common.permissions import StudioPermission
from control_plane.common.rows import fetch_one
from control_plane.common.scoping import current_studio_id, flush_deferred
from control_plane.keys import key_wrapping, keyring, seal
from control_plane.keys.audit_events import KEY_OPENED
from control_plane.keys.configured import key_share_store
from control_plane.keys.errors import KeyDestroyed, KeyRefused
from control_plane.keys.selectors import current_key
from shared.protocol.config import RecipientKey
from shared.protocol.ids import RecipientKeyId

SEGMENT, SEALED = "segment", "segment-sealed"
CLIP, EXPORT = keyring.CLIP, keyring.EXPORT
RELEASED_KINDS = frozenset(
    {keyring.STUDIO, keyring.PRIVATE, *keyring.WITH_SHARE_OF_THEIR_OWN, SEGMENT, SEALED}
)


@dataclass(frozen=True)
class Purpose:
    """Why keys are released, and what that requires. Each app that opens keys declares its own.

    Attributes:
        name: its name in the audit event `key.opened`.
        permission: the permission that the actor needs on the class.
        audit_events: audit events one of which records the release.
        audited_before: whether such an event exists before the first key is released. Otherwise the same transaction writes
            it, and `key.opened` is written for the segments that it leaves out.
        segment_events: those of `audit_events` whose object is the segment; others list their segments in the details.
    """

    name: str
    permission: StudioPermission
    audit_events: frozenset[AuditEvent]
    audited_before: bool
    segment_events: frozenset[AuditEvent] = frozenset()


CHECK = Purpose("check", MAINTAIN, frozenset({KEY_OPENED}), audited_before=True)
"""Integrity checks of the platform; `release_keys` writes the event itself."""


class ReleaseNotAudited(ControlPlaneError):
    """Keys were requested without the required audit event: a programming error."""


class ClassWithKey(Protocol):
    """A class, or a clip. `wrapped_key` is the result of `new_class_key`, or empty once the key is destroyed.

    `studio_wrapped` names the kind of that key. A clip has a `class_session_id`: audit events about it name its class.
    """

    wrapped_key: Any

    @property
    def pk(self) -> Any:
        """Its id."""
        ...

    @property
    def studio_wrapped(self) -> Mapping[str, str]:
        """Its columns that are wrapped under the studio's key, each with its kind."""
        ...


class KeyRelease:
    """Permission to open the keys of one class now. Made by `release_keys`; ends with its `with` block."""

    def __init__(self, token: object, *, actor: Actor, purpose: Purpose, subject: ClassWithKey) -> None:
        if token is not _CONSTRUCTOR_TOKEN:
            raise ReleaseNotAudited("only vault.release_keys makes a KeyRelease")
        self.actor, self.purpose = actor, purpose
        self.segments: set[UUID] = set()
        self._subject, self._class_key = subject, bytes(subject.wrapped_key)
        self._secret = b""
        self._targets: dict[Any, bytes] = {}
        self._transaction: object | None = _transaction()

    def content_key(self, segment_key: bytes, *, segment_id: UUID) -> bytes:
        """Returns the 16-byte content key of a segment.

        Args:
            segment_key: the result of `rewrap`.

        Raises:
            KeyDestroyed: the class, or its studio, was shredded.
            KeyRefused: the key belongs to another class or segment, or is damaged.
            KeysUnavailable: the root key or the share store does not answer.
        """
        secret = self._class_secret()
        self.segments.add(segment_id)
        return key_wrapping.unwrap(secret, segment_key, kind=SEGMENT, id_=segment_id)

    def rewrap(self, sealed_key: bytes, *, recipient_key_id: UUID, segment_id: UUID) -> bytes:
        """Opens a content key that an agent sealed, and returns it wrapped under its class's key.

        Args:
            sealed_key: the libsodium sealed box of the manifest.
            recipient_key_id: the generation it is sealed to.

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

    def wrap_sealed(self, sealed_key: bytes, *, segment_id: UUID) -> bytes:
        """Wraps a sealed key, unopened, under the class's key, so that shredding the class destroys pending keys too."""
        return key_wrapping.wrap(self._class_secret(), sealed_key, kind=SEALED, id_=segment_id)

    def unwrap_sealed(self, wrapped: bytes, *, segment_id: UUID) -> bytes:
        """Returns the sealed key that `wrap_sealed` wrapped; reading it needs the studio's private key.

        Raises:
            KeyRefused: see `content_key`.
        """
        return key_wrapping.unwrap(self._class_secret(), wrapped, kind=SEALED, id_=segment_id)

    def wrap_for(self, target: ClassWithKey, segment_key: bytes, *, segment_id: UUID) -> bytes:
        """Returns the content key of a segment wrapped under the key of a clip (`target`) too.

        Raises:
            KeyDestroyed, KeyRefused, KeysUnavailable: as in `content_key`, of either key.
        """
        content_key = self.content_key(segment_key, segment_id=segment_id)
        if target.pk not in self._targets:
            self._targets[target.pk] = _open_own_key(target)
        return key_wrapping.wrap(self._targets[target.pk], content_key, kind=SEGMENT, id_=segment_id)

    def new_content_key(self) -> tuple[bytes, bytes]:
        """Returns a new 32-byte content key of the subject, an export, and the same wrapped under the subject's key.

        Raises:
            KeyDestroyed, KeyRefused, KeysUnavailable: as in `content_key`.
        """
        secret, made = self._class_secret(), key_wrapping.new_key()
        return made, key_wrapping.wrap(secret, made, kind=SEGMENT, id_=UUID(str(self._subject.pk)))

    def load_class_key(self) -> None:
        """Opens the class's key now, so that later calls do not wait for it.

        Raises:
            KeyDestroyed, KeyRefused, KeysUnavailable: as in `content_key`.
        """
        self._class_secret()

    def close(self) -> None:
        """Ends the release."""
        self._transaction, self._secret = None, b""
        self._targets.clear()

    def _class_secret(self) -> bytes:
        if self._transaction is None or self._transaction is not _transaction():
            raise ReleaseNotAudited("this KeyRelease has ended: its audit event is of another transaction")
        if not self._class_key:
            raise KeyDestroyed(keyring.DESTROYED)
        self._secret = self._secret or _open_own_key(self._subject)
        return self._secret


_CONSTRUCTOR_TOKEN = object()


@contextmanager
def release_keys(
    actor: Actor,
    purpose: Purpose,
    subject: Model,
    *,
    entry_id: UUID | None = None,
    reason: str = "",
    authorization: access.Authorization | None = None,
) -> Iterator[KeyRelease]:
    """Releases the keys of a class, or a clip (`subject`), within a `with` block.

    Args:
        entry_id: with `audited_before`: the audit event of this actor and class that records the release.
        reason: CHECK: the kind of check, in a word or two, for the audit event that is written.
        authorization: what `access.require` returned for the permission that `purpose` needs; None: it is required here.

    Raises:
        NotFound, Forbidden: `actor` lacks the permission that `purpose` needs on `subject`.
        NotAuthorized: the authorization is for something else, or of another transaction.
        ReleaseNotAudited: this actor has no such audit event for this class.
        KeyRefused, KeysUnavailable: with `audited_before`: the class's key cannot be opened.
    """
    if authorization is None:
        access.require(actor, purpose.permission, subject)
    else:
        authorization.confirm(actor, purpose.permission, subject)
    head = 0 if purpose.audited_before else _chain_position()
    release = KeyRelease(_CONSTRUCTOR_TOKEN, actor=actor, purpose=purpose, subject=subject)  # type: ignore[arg-type]
    if purpose is CHECK:
        reason = reason or "check"
        record_for(KEY_OPENED, subject, actor=actor, details={"purpose": purpose.name, "reason": reason})
    elif purpose.audited_before:
        # Open the key before the audit event is written: that locks the studio's audit chain until the transaction
        # ends, and the root key or the share store may be slow.
        release.load_class_key()
        _require_audit_event(entry_id, purpose, actor, subject)
    try:
        yield release
    finally:
        release.close()
    if not purpose.audited_before and (left := release.segments - _audited_since(head, purpose)):
        segments = sorted(str(id_) for id_ in left)
        record_for(KEY_OPENED, subject, actor=actor, details={"purpose": purpose.name, "segments": segments})


def recipient() -> RecipientKey:
    """Returns the public key that agents of the studio in scope seal content keys to."""
    key = current_key()
    return RecipientKey(id=RecipientKeyId(key.id), public_key=bytes(key.public_key))


def new_class_key(
    class_session_id: UUID,
    *,
    actor: Actor,
    permission: StudioPermission,
    subject: Model,
    kind: str = keyring.CLASS,
) -> bytes:
    """Makes a key with its share, for a class or a clip, and returns it wrapped; store it with the class or the clip.

    Args:
        kind: what the model declares in `studio_wrapped`.

    Raises:
        NotFound, Forbidden: `actor` lacks `permission` on `subject` (the studio, room or class).
        KeysUnavailable: the root key or the share store does not answer.
    """
    access.require(actor, permission, subject)
    keyring.lock_keys(current_studio_id())
    key_share_store().create(class_session_id)
    return keyring.wrap(key_wrapping.new_key(), kind=kind, id_=class_session_id)


def wrap_secret(secret: bytes, *, kind: str, id_: UUID) -> bytes:
    """Returns a secret of the studio other than footage, such as a store's password, wrapped under the studio's key.

    Declare its column in the model's `studio_wrapped`, so that a new generation of keys re-wraps it.
    """
    kind = _require_plain_secret(kind)
    keyring.lock_keys(current_studio_id())
    return keyring.wrap(secret, kind=kind, id_=id_)


def open_secret(wrapped: bytes, *, kind: str, id_: UUID) -> bytes:
    """Returns the secret that `wrap_secret` wrapped.

    Raises:
        KeyRefused, KeysUnavailable: it does not open.
    """
    return keyring.unwrap(wrapped, kind=_require_plain_secret(kind), id_=id_)


def _require_plain_secret(kind: str) -> str:
    if kind in RELEASED_KINDS:
        raise ReleaseNotAudited(f"keys of kind {kind} are opened by a KeyRelease only")
    return kind


def _open_own_key(subject: ClassWithKey) -> bytes:
    kind = subject.studio_wrapped["wrapped_key"]
    return keyring.unwrap(bytes(subject.wrapped_key), kind=kind, id_=UUID(str(subject.pk)))


def _transaction() -> object | None:
    blocks = connection.atomic_blocks
    return blocks[0] if blocks else None


def _chain_position() -> int:
    return ChainHead.objects.values_list("sequence", flat=True).first() or 0


def _require_audit_event(entry_id: UUID | None, purpose: Purpose, actor: Actor, subject: Model) -> None:
    flush_deferred()  # the event may still wait for its place in the chain
    found = fetch_one(
        Entry,
        "this.id = %s AND this.action = ANY(%s) AND this.actor_kind = %s AND this.actor_id = %s AND this.object_id = %s",
        [entry_id, list(purpose.audit_events), actor.kind.value, actor.id, _audited_as(subject)],
        only=("id",),
    )
    if entry_id is None or found is None:
        raise ReleaseNotAudited("keys are released only with an audit event")


def _audited_as(subject: Model) -> str:
    """Returns the id under which the log names a subject: the log of a class has what happens to its clips."""
    return str(getattr(subject, "class_session_id", subject.pk))


def _audited_since(head: int, purpose: Purpose) -> set[UUID]:
    rows = Entry.objects.filter(sequence__gt=head, action__in=list(purpose.audit_events))
    found: set[UUID] = set()
    for action, object_id, details in rows.values_list("action", "object_id", "details"):
        if action in purpose.segment_events:
            found.add(UUID(object_id))
        found.update(UUID(item["id"]) for item in details.get("segments", ()))
    return found
