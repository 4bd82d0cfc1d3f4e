"""Key hierarchy of one studio. Checks no permissions, so only `vault` and the services of keys may import it.

    root key                                 wraps  the generation's secret
    generation's secret + generation's share   =    generation's key (HKDF)
    generation's key + class's share           =    key that wraps the class key (HKDF)
    generation's key                         wraps  its X25519 private key, and secrets of the studio other than footage
    class key                                wraps  the content keys of its segments (see `vault`)
    clip key, like a class key               wraps  the content keys of the segments that the clip touches
    export key, like a class key             wraps  the content key of its package

A wrapped key starts with a format byte and the id of its generation. Inside `studio_scope` only.
"""

import hmac
from uuid import UUID

from control_plane.common.errors import NotFound
from control_plane.common.rows import fetch_one
from control_plane.keys import key_wrapping, seal
from control_plane.keys.configured import key_share_store, root_key
from control_plane.keys.errors import KeyDestroyed, KeyLost, KeyRefused
from control_plane.keys.key_cache import KeyCache
from control_plane.keys.models import StudioKey
from control_plane.keys.selectors import current_key
from control_plane.tenancy.models import Studio

STUDIO, PRIVATE, CLASS, CLIP, EXPORT = "studio", "studio-private", "class", "clip", "export"
WITH_SHARE_OF_THEIR_OWN = frozenset({CLASS, CLIP, EXPORT})
"""Kinds of keys that end with a share of their own."""
_WITH_SHARE, _WITHOUT_SHARE = b"\x02", b"\x03"
FORMS = (_WITH_SHARE, _WITHOUT_SHARE)
"""Format bytes of a wrapped key: with a key share, and without."""
_GENERATION_BYTES = 16
DESTROYED = "the class has no key: its footage has been destroyed"

key_cache = KeyCache()
"""Generation secrets that the root key unwrapped in the last seconds, in this process."""


def new_generation(studio: Studio) -> StudioKey:
    """Returns a new, unsaved generation of a studio's keys; the caller retires the current one and saves it."""
    root, pair, secret = root_key(), seal.new_key_pair(), key_wrapping.new_key()
    key = StudioKey(studio=studio, root_key_id=root.id, public_key=pair.public, has_share=True)
    key.wrapped_key = root.wrap(secret, kind=STUDIO, id_=key.id)
    own = key_wrapping.combine_with_share(secret, key_share_store().create(key.id), kind=STUDIO, id_=key.id)
    key.wrapped_private_key = key_wrapping.wrap(own, pair.private, kind=PRIVATE, id_=key.id)
    return key


def private_key(generation_id: UUID) -> bytes:
    """Returns the private key of a generation, which opens what agents sealed to it.

    Raises:
        NotFound: the studio has no such generation.
        KeyRefused: it does not open, or was destroyed.
    """
    key = generation(generation_id)
    return key_wrapping.unwrap(generation_key(key), bytes(key.wrapped_private_key), kind=PRIVATE, id_=key.id)


def wrap(secret: bytes, *, kind: str, id_: UUID, key: StudioKey | None = None) -> bytes:
    """Returns `secret` wrapped under the studio's current generation (or `key`); for a class or clip, with its share.

    Raises:
        KeyRefused, KeysUnavailable: the generation's key, or the share, cannot be read.
    """
    key = key or current_key()
    form = _WITH_SHARE if kind in WITH_SHARE_OF_THEIR_OWN else _WITHOUT_SHARE
    wrapping = _wrapping_key(key, form, kind, id_)
    return form + bytes(key.id.bytes) + key_wrapping.wrap(wrapping, secret, kind=kind, id_=id_)


def unwrap(wrapped: bytes, *, kind: str, id_: UUID) -> bytes:
    """Returns the secret inside a wrapped key.

    Raises:
        KeyDestroyed: the key was destroyed.
        KeyRefused: another kind or id, or damaged.
        KeysUnavailable: the root key or the share store does not answer.
    """
    form, generation_id, inner = split_wrapped(wrapped)
    key = generation(generation_id)
    return key_wrapping.unwrap(_wrapping_key(key, form, kind, id_), inner, kind=kind, id_=id_)


def lock_keys(studio_id: UUID) -> Studio:
    """Locks a studio's keys until the transaction ends. Everything that makes, ends or wraps under a generation does so.

    Otherwise one transaction could wrap under a generation that another destroys, in a row that the other cannot see yet.
    NO KEY UPDATE, because inserts of rows that refer to the studio need KEY SHARE and must not wait.
    """
    studio: Studio = Studio.objects.select_for_update(no_key=True).get(pk=studio_id)
    return studio


def ensure_share(id_: UUID) -> None:
    """Ensures that a class has a share: one from before key shares gets it now, before it is re-wrapped.

    Raises:
        KeyDestroyed: its share was destroyed.
        KeyRefused, KeysUnavailable: the share cannot be read or created.
    """
    try:
        key_share_store().get(id_)
    except KeyLost:
        key_share_store().create(id_)


def needs_share(wrapped: bytes) -> bool:
    """Returns whether a wrapped key opens only with its share."""
    return bytes(wrapped[:1]) == _WITH_SHARE


def split_wrapped(wrapped: bytes) -> tuple[bytes, UUID, bytes]:
    """Splits a wrapped key into format byte, id of the generation, and ciphertext.

    Raises:
        KeyDestroyed: it is empty.
    """
    wrapped = bytes(wrapped)
    if wrapped[:1] in FORMS:
        form, rest = wrapped[:1], wrapped[1:]
    else:
        # From before key shares: no format byte, the generation comes first.
        form, rest = _WITHOUT_SHARE, wrapped
    if len(rest) <= _GENERATION_BYTES:
        raise KeyDestroyed(DESTROYED)
    return form, UUID(bytes=rest[:_GENERATION_BYTES]), rest[_GENERATION_BYTES:]


def generation(key_id: UUID) -> StudioKey:
    """Returns a generation of the studio in scope.

    Raises:
        NotFound: the studio has no generation with this id.
    """
    key = fetch_one(StudioKey, "this.id = %s", [key_id])
    if key is None:
        raise NotFound(f"the studio has no key {key_id}")
    return key


def generation_key(key: StudioKey) -> bytes:
    """Returns a generation's key. The unwrapped secret is cached for seconds; the share is read each time.

    Raises:
        KeyDestroyed: it was destroyed.
        KeyRefused, KeysUnavailable: the root key or the share store does not provide it.
    """
    wrapped = bytes(key.wrapped_key)
    if not wrapped:
        raise KeyDestroyed("these keys of the studio were destroyed; what they opened is gone")
    ring = root_key()
    secret = key_cache.get(
        key.root_key_id,
        wrapped,
        lambda: ring.unwrap(wrapped, root_key_id=key.root_key_id, kind=STUDIO, id_=key.id),
    )
    return (
        key_wrapping.combine_with_share(secret, key_share_store().get(key.id), kind=STUDIO, id_=key.id)
        if key.has_share
        else secret
    )


def rewrap_root(key: StudioKey) -> None:
    """Re-wraps a generation under the current root key and checks that it opens; the caller saves it.

    Raises:
        KeyRefused, KeysUnavailable: it does not open under the old root key, or the new one does not answer.
    """
    ring = root_key()
    secret = ring.unwrap(bytes(key.wrapped_key), root_key_id=key.root_key_id, kind=STUDIO, id_=key.id)
    id_ = ring.id
    wrapped = ring.wrap(secret, kind=STUDIO, id_=key.id)
    unwrapped = ring.unwrap(wrapped, root_key_id=id_, kind=STUDIO, id_=key.id)
    if not hmac.compare_digest(unwrapped, secret):
        raise KeyRefused(f"the root key {id_} does not return the secret that it wrapped")
    key.root_key_id, key.wrapped_key = id_, wrapped


def _wrapping_key(key: StudioKey, form: bytes, kind: str, id_: UUID) -> bytes:
    secret = generation_key(key)
    return (
        key_wrapping.combine_with_share(secret, key_share_store().get(id_), kind=kind, id_=id_)
        if form == _WITH_SHARE
        else secret
    )
