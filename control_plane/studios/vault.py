"""What keys mean: root -> studio -> class -> segment. Every decryption of a content key happens in `_opened`.

A class key (32 bytes) is wrapped under the studio's key and stored with the class; the generation of the
studio's key stands in front of it. Forgetting it destroys the footage of the class wherever copies of it lie. A
segment's content key (16 bytes) arrives sealed to the studio's X25519 key and is kept wrapped under the class
key. Inside `studio_scope` only.
"""

import logging
from collections.abc import Callable
from enum import StrEnum
from uuid import UUID

from django.db.models import Model

from control_plane.common.actors import Actor
from control_plane.common.errors import NotFound
from control_plane.storage import keys, seal
from control_plane.storage.configured import root_key
from control_plane.storage.errors import KeyRefused
from control_plane.studios import access
from control_plane.studios.models import Studio, StudioKey
from control_plane.studios.selectors import current_key
from shared.protocol.config import RecipientKey
from shared.protocol.ids import RecipientKeyId

log = logging.getLogger(__name__)

_STUDIO, _PRIVATE, _CLASS, _SEGMENT = "studio", "studio-private", "class", "segment"
_GENERATION_BYTES = 16


class Purpose(StrEnum):
    """Why a key is opened; each purpose needs a right of the actor."""

    INGEST = "ingest"
    REPLAY = "replay"
    CHECK = "check"


NEEDED: dict[Purpose, access.Action] = {
    Purpose.INGEST: access.Action.UPLOAD,
    Purpose.REPLAY: access.Action.REPLAY,
    Purpose.CHECK: access.Action.MAINTAIN,
}


def new_studio_key(studio: Studio) -> StudioKey:
    """Returns a new, unsaved generation of a studio's keys; the caller saves it and retires the last."""
    root, pair, secret = root_key(), seal.new_pair(), keys.new_key()
    key = StudioKey(studio=studio, root_key_id=root.id, public_key=pair.public)
    key.wrapped_key = root.wrap(secret, kind=_STUDIO, id_=key.id)
    key.wrapped_private_key = keys.wrap(secret, pair.private, kind=_PRIVATE, id_=key.id)
    return key


def recipient() -> RecipientKey:
    """Returns the public key that boxes of the studio in scope seal content keys to."""
    key = current_key()
    return RecipientKey(id=RecipientKeyId(key.id), public_key=bytes(key.public_key))


def new_class_key(class_session_id: UUID, *, actor: Actor, subject: Model) -> bytes:
    """Returns a new class key, wrapped; store it with the class.

    Raises:
        NotFound, Forbidden: `actor` may not record for `subject` (the studio, room or class).
    """
    access.require(actor, access.Action.RECORD, subject)
    key = current_key()
    return bytes(key.id.bytes) + keys.wrap(
        _studio_secret(key), keys.new_key(), kind=_CLASS, id_=class_session_id
    )


def rewrap_segment_key(
    sealed_key: bytes,
    *,
    recipient_key_id: UUID,
    class_key: bytes,
    class_session_id: UUID,
    segment_id: UUID,
    actor: Actor,
    subject: Model,
) -> bytes:
    """Opens a content key as it came from a box, and returns it wrapped under its class's key.

    Args:
        sealed_key: the libsodium sealed box of the manifest.
        recipient_key_id: the generation it was sealed to.
        class_key: as `new_class_key` returned it.
        actor: the box or the job that takes segments in; needs `UPLOAD` on `subject`.

    Raises:
        KeyRefused: the seal, or the class key, does not open.
        NotFound, Forbidden: the actor may not.
    """

    def rewrap() -> bytes:
        key = _generation(recipient_key_id)
        private = keys.unwrap(_studio_secret(key), bytes(key.wrapped_private_key), kind=_PRIVATE, id_=key.id)
        content_key = seal.open_seal(private, sealed_key)
        class_secret = _class_secret(class_key, class_session_id)
        return keys.wrap(class_secret, content_key, kind=_SEGMENT, id_=segment_id)

    return _opened(rewrap, actor=actor, purpose=Purpose.INGEST, subject=subject)


def open_segment_key(
    segment_key: bytes,
    *,
    class_key: bytes,
    class_session_id: UUID,
    segment_id: UUID,
    actor: Actor,
    purpose: Purpose,
    subject: Model,
) -> bytes:
    """Returns the 16-byte content key of a segment.

    Args:
        segment_key: as `rewrap_segment_key` returned it.
        class_key: as `new_class_key` returned it.
        subject: the thing the right is asked on, the ClassSession as a rule.

    Raises:
        KeyRefused: a key does not open: it belongs elsewhere, or the bytes are damaged.
        NotFound, Forbidden: `actor` may not do what `purpose` needs to `subject`.
    """

    def unwrap() -> bytes:
        class_secret = _class_secret(class_key, class_session_id)
        return keys.unwrap(class_secret, segment_key, kind=_SEGMENT, id_=segment_id)

    return _opened(unwrap, actor=actor, purpose=purpose, subject=subject)


def _opened(decrypt: Callable[[], bytes], *, actor: Actor, purpose: Purpose, subject: Model) -> bytes:
    access.require(actor, NEEDED[purpose], subject)
    log.debug("key opened", extra={"actor": str(actor), "purpose": purpose.value, "subject": str(subject.pk)})
    return decrypt()


def _generation(key_id: UUID) -> StudioKey:
    try:
        key: StudioKey = StudioKey.objects.get(pk=key_id)
    except StudioKey.DoesNotExist as error:
        raise NotFound(f"the studio has no key {key_id}") from error
    return key


def _studio_secret(key: StudioKey) -> bytes:
    root = root_key()
    if key.root_key_id != root.id:
        raise KeyRefused(
            f"the studio's key is under root key {key.root_key_id}, but the file holds {root.id}"
        )
    return root.unwrap(bytes(key.wrapped_key), kind=_STUDIO, id_=key.id)


def _class_secret(class_key: bytes, class_session_id: UUID) -> bytes:
    class_key = bytes(class_key)
    if len(class_key) <= _GENERATION_BYTES:
        raise KeyRefused("the class has no key: its footage has been destroyed")
    key = _generation(UUID(bytes=class_key[:_GENERATION_BYTES]))
    return keys.unwrap(_studio_secret(key), class_key[_GENERATION_BYTES:], kind=_CLASS, id_=class_session_id)
