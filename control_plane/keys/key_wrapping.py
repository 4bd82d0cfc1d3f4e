"""Wrapping of keys, without database: AES-256-GCM whose authenticated data says what the key is for.

A wrapped key opens only as the kind and for the id that it was wrapped for, so two rows cannot be swapped.
Source: NIST SP 800-38D (GCM), RFC 5869 (HKDF).
"""

import os
import secrets
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from control_plane.keys.errors import KeyRefused

KEY_BYTES = 32
_FORM = b"\x01"
_NONCE_BYTES = 12


def new_key() -> bytes:
    """Returns 32 random bytes."""
    return secrets.token_bytes(KEY_BYTES)


def wrap(key: bytes, secret: bytes, *, kind: str, id_: UUID) -> bytes:
    """Returns `secret` under `key` (32 bytes), bound to what it is (`kind`) and whose (`id_`)."""
    nonce = os.urandom(_NONCE_BYTES)
    return _FORM + nonce + AESGCM(key).encrypt(nonce, secret, bound(kind, id_))


def unwrap(key: bytes, wrapped: bytes, *, kind: str, id_: UUID) -> bytes:
    """Returns what `wrap` wrapped.

    Raises:
        KeyRefused: another key, kind or id, or damaged bytes; it does not say which.
    """
    wrapped = bytes(wrapped)
    if wrapped[:1] != _FORM:
        raise KeyRefused(f"a wrapped {kind} key has an unknown form")
    nonce, sealed = wrapped[1 : 1 + _NONCE_BYTES], wrapped[1 + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, sealed, bound(kind, id_))
    except (InvalidTag, ValueError) as error:
        raise KeyRefused(f"a wrapped {kind} key does not open for {id_}") from error


def with_half(key: bytes, half: bytes, *, kind: str, id_: UUID) -> bytes:
    """Returns the 32-byte key that only both together give: one kept in the database's tree, one on the shelf."""
    return HKDF(SHA256(), KEY_BYTES, salt=half, info=b"half/" + bound(kind, id_)).derive(key)


def derived(seed: bytes, purpose: str) -> bytes:
    """Returns 32 bytes that only this seed gives for `purpose`."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"threedance/derive/" + purpose.encode()).derive(seed)


def bound(kind: str, id_: UUID) -> bytes:
    """Returns the authenticated data of one wrapped key."""
    return b"threedance/1/" + kind.encode() + b"/" + id_.bytes
