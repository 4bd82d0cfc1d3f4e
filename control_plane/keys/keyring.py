"""How the keys of one studio lie inside each other. Without rights: only `vault` and the services of keys come here.

    root key + shelf half of the generation  ->  the generation's key
    the generation's key + shelf half of the class  ->  what wraps the class's key
    the generation's key  ->  what wraps its own private key, and secrets of the studio that are no footage

In front of what is wrapped stand a byte for its form and the generation. Inside `studio_scope` only.
"""

import hmac
from uuid import UUID

from control_plane.common.errors import NotFound
from control_plane.common.rows import one
from control_plane.keys import key_wrapping, seal
from control_plane.keys.configured import key_shelf, root_key
from control_plane.keys.errors import KeyDestroyed, KeyLost, KeyRefused
from control_plane.keys.key_cache import UnwrappedKeys
from control_plane.keys.models import StudioKey
from control_plane.keys.selectors import current_key
from control_plane.tenancy.models import Studio

STUDIO, PRIVATE, CLASS = "studio", "studio-private", "class"
_SHELVED, _PLAIN = b"\x02", b"\x03"
FORMS = (_SHELVED, _PLAIN)
"""Prefixes of a wrapped key: with a share on the shelf, and without."""
_GENERATION_BYTES = 16
DESTROYED = "the class has no key: its footage has been destroyed"

unwrapped = UnwrappedKeys()
"""The root key's answers of the last seconds, in this process."""


def new_generation(studio: Studio) -> StudioKey:
    """Returns a new, unsaved generation of a studio's keys; the caller saves it and retires the last."""
    root, pair, secret = root_key(), seal.new_pair(), key_wrapping.new_key()
    key = StudioKey(studio=studio, root_key_id=root.id, public_key=pair.public, shelved=True)
    key.wrapped_key = root.wrap(secret, kind=STUDIO, id_=key.id)
    own = key_wrapping.with_half(secret, key_shelf().place(key.id), kind=STUDIO, id_=key.id)
    key.wrapped_private_key = key_wrapping.wrap(own, pair.private, kind=PRIVATE, id_=key.id)
    return key


def private_key(generation_id: UUID) -> bytes:
    """Returns the private half that boxes seal to.

    Raises:
        NotFound: the studio has no such generation.
        KeyRefused: it does not open, or was destroyed.
    """
    key = generation(generation_id)
    return key_wrapping.unwrap(secret_of(key), bytes(key.wrapped_private_key), kind=PRIVATE, id_=key.id)


def wrap(secret: bytes, *, kind: str, id_: UUID, key: StudioKey | None = None) -> bytes:
    """Returns `secret` under the studio's current generation (or `key`), together with its shelf half for a class.

    Raises:
        KeyRefused, KeysUnavailable: the generation's key, or the half, is not to be had.
    """
    key = key or current_key()
    form = _SHELVED if kind == CLASS else _PLAIN
    wrapping = _wrapping(key, form, kind, id_)
    return form + bytes(key.id.bytes) + key_wrapping.wrap(wrapping, secret, kind=kind, id_=id_)


def unwrap(wrapped: bytes, *, kind: str, id_: UUID) -> bytes:
    """Returns what `wrap` wrapped.

    Raises:
        KeyDestroyed: there is nothing left of it.
        KeyRefused: another kind or id, or damaged.
        KeysUnavailable: root key or shelf do not answer.
    """
    form, generation_id, inner = parts(wrapped)
    key = generation(generation_id)
    return key_wrapping.unwrap(_wrapping(key, form, kind, id_), inner, kind=kind, id_=id_)


def alone(studio_id: UUID) -> Studio:
    """Locks the keys of a studio until the transaction ends: who makes, ends, or wraps under a generation meets nobody.

    Else the one would wrap under what the other is destroying, in rows that it does not see yet.
    """
    studio: Studio = Studio.objects.select_for_update(no_key=True).get(pk=studio_id)
    return studio


def shelve(id_: UUID) -> None:
    """Sees that a class has its half: one from before there was a shelf gets it now, before it is wrapped anew.

    Raises:
        KeyDestroyed: its half was destroyed.
        KeyRefused, KeysUnavailable: the shelf does not give it, or cannot be written.
    """
    try:
        key_shelf().take(id_)
    except KeyLost:
        key_shelf().place(id_)


def is_shelved(wrapped: bytes) -> bool:
    """Returns whether a wrapped key opens only with its share."""
    return bytes(wrapped[:1]) == _SHELVED


def parts(wrapped: bytes) -> tuple[bytes, UUID, bytes]:
    """Returns form, generation and what is wrapped.

    Raises:
        KeyDestroyed: it is empty.
    """
    wrapped = bytes(wrapped)
    if wrapped[:1] in FORMS:
        form, rest = wrapped[:1], wrapped[1:]
    else:
        # From before there was a shelf: the generation stands first.
        form, rest = _PLAIN, wrapped
    if len(rest) <= _GENERATION_BYTES:
        raise KeyDestroyed(DESTROYED)
    return form, UUID(bytes=rest[:_GENERATION_BYTES]), rest[_GENERATION_BYTES:]


def generation(key_id: UUID) -> StudioKey:
    """Returns a generation of the studio in scope.

    Raises:
        NotFound: it has none of this id.
    """
    key = one(StudioKey, "this.id = %s", [key_id])
    if key is None:
        raise NotFound(f"the studio has no key {key_id}")
    return key


def secret_of(key: StudioKey) -> bytes:
    """Returns a generation's key. The root key's answer is kept for seconds, the shelf is asked each time.

    Raises:
        KeyDestroyed: it was destroyed.
        KeyRefused, KeysUnavailable: root key or shelf do not give it.
    """
    wrapped = bytes(key.wrapped_key)
    if not wrapped:
        raise KeyDestroyed("these keys of the studio were destroyed: what they opened is gone")
    ring = root_key()
    secret = unwrapped.get(
        key.root_key_id,
        wrapped,
        lambda: ring.unwrap(wrapped, root_key_id=key.root_key_id, kind=STUDIO, id_=key.id),
    )
    return (
        key_wrapping.with_half(secret, key_shelf().take(key.id), kind=STUDIO, id_=key.id)
        if key.shelved
        else secret
    )


def rewrap_root(key: StudioKey) -> None:
    """Puts a generation under the root key that wraps now, and sees that it opens; the caller saves it.

    Raises:
        KeyRefused, KeysUnavailable: it does not open under the old one, or the new one does not answer.
    """
    ring = root_key()
    secret = ring.unwrap(bytes(key.wrapped_key), root_key_id=key.root_key_id, kind=STUDIO, id_=key.id)
    id_ = ring.id
    wrapped = ring.wrap(secret, kind=STUDIO, id_=key.id)
    unwrapped = ring.unwrap(wrapped, root_key_id=id_, kind=STUDIO, id_=key.id)
    if not hmac.compare_digest(unwrapped, secret):
        raise KeyRefused(f"the root key {id_} does not give back what it was given")
    key.root_key_id, key.wrapped_key = id_, wrapped


def _wrapping(key: StudioKey, form: bytes, kind: str, id_: UUID) -> bytes:
    secret = secret_of(key)
    return (
        key_wrapping.with_half(secret, key_shelf().take(id_), kind=kind, id_=id_)
        if form == _SHELVED
        else secret
    )
