"""Key wrapping without a database: AES-256-GCM, with the key's kind and owner as authenticated data.

A wrapped key opens only for the kind and id that it was wrapped for, so two rows cannot be swapped.
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
    """Returns `secret` encrypted under `key` (32 bytes) and bound to its `kind` and owner `id_`."""
    nonce = os.urandom(_NONCE_BYTES)
    return _FORM + nonce + AESGCM(key).encrypt(nonce, secret, associated_data(kind, id_))


def unwrap(key: bytes, wrapped: bytes, *, kind: str, id_: UUID) -> bytes:
    """Returns the secret inside a wrapped key.

    Raises:
        KeyRefused: another key, kind or id, or damaged bytes; which of these is unknown.
    """
    wrapped = bytes(wrapped)
    if wrapped[:1] != _FORM:
        raise KeyRefused(f"a wrapped {kind} key has an unknown format")
    nonce, sealed = wrapped[1 : 1 + _NONCE_BYTES], wrapped[1 + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, sealed, associated_data(kind, id_))
    except (InvalidTag, ValueError) as error:
        raise KeyRefused(f"a wrapped {kind} key does not open for {id_}") from error


def combine_with_share(key: bytes, share: bytes, *, kind: str, id_: UUID) -> bytes:
    """Returns the 32-byte key derived from `key`, kept in the database, and `share`, kept in the share store."""
    return HKDF(SHA256(), KEY_BYTES, salt=share, info=b"share/" + associated_data(kind, id_)).derive(key)


def derive(seed: bytes, purpose: str) -> bytes:
    """Returns the 32 bytes derived from `seed` for `purpose`."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"threedance/derive/" + purpose.encode()).derive(seed)


def associated_data(kind: str, id_: UUID) -> bytes:
    """Returns the authenticated data of one wrapped key."""
    return b"threedance/1/" + kind.encode() + b"/" + id_.bytes
