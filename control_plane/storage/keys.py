"""Wrapping of keys, without database: AES-256-GCM whose authenticated data says what the key is for.

A wrapped key opens only as the kind and for the id that it was wrapped for, so two rows cannot be swapped.
Source: NIST SP 800-38D (GCM), RFC 5869 (HKDF).
"""

import base64
import os
import secrets
from pathlib import Path
from typing import Protocol
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from control_plane.storage.errors import KeyRefused

KEY_BYTES = 32
_FORM = b"\x01"
_NONCE_BYTES = 12


def new_key() -> bytes:
    """Returns 32 random bytes."""
    return secrets.token_bytes(KEY_BYTES)


def wrap(key: bytes, secret: bytes, *, kind: str, id_: UUID) -> bytes:
    """Returns `secret` under `key` (32 bytes), bound to what it is (`kind`) and whose (`id_`)."""
    nonce = os.urandom(_NONCE_BYTES)
    return _FORM + nonce + AESGCM(key).encrypt(nonce, secret, _bound(kind, id_))


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
        return AESGCM(key).decrypt(nonce, sealed, _bound(kind, id_))
    except (InvalidTag, ValueError) as error:
        raise KeyRefused(f"a wrapped {kind} key does not open for {id_}") from error


class RootKey(Protocol):
    """The key above all keys: a file here, a KMS or a Vault elsewhere. It never leaves its holder."""

    @property
    def id(self) -> str:
        """Names the key, so that a later one can be told from it."""
        ...

    def wrap(self, secret: bytes, *, kind: str, id_: UUID) -> bytes:
        """Returns `secret` under the root key."""
        ...

    def unwrap(self, wrapped: bytes, *, kind: str, id_: UUID) -> bytes:
        """Returns what `wrap` wrapped.

        Raises:
            KeyRefused: another key, kind or id, or damaged bytes.
        """
        ...

    def derive(self, purpose: str) -> bytes:
        """Returns 32 bytes that only this root key gives for `purpose`: the seed of a key pair of the platform."""
        ...


class _RootFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    key: str


class FileRootKey:
    """A root key in a file of mode 0600, read once."""

    def __init__(self, id_: str, key: bytes) -> None:
        self._id = id_
        self._key = key

    def __repr__(self) -> str:
        return f"FileRootKey({self._id})"

    @classmethod
    def read(cls, path: Path) -> "FileRootKey":
        """Returns the key in `path`.

        Raises:
            KeyRefused: the file cannot be read, others can read it, or it holds no root key.
        """
        try:
            if path.stat().st_mode & 0o077:
                raise KeyRefused(f"the root key file {path} can be read by others: chmod 600 it")
            file = msgspec.json.decode(path.read_bytes(), type=_RootFile)
            key = base64.b64decode(file.key, validate=True)
        except OSError as error:
            raise KeyRefused(
                f"the root key file {path} cannot be read ({error.strerror}): `threedance manage init_keys` makes one"
            ) from error
        except (msgspec.MsgspecError, ValueError) as error:
            raise KeyRefused(f"the root key file {path} holds no root key") from error
        if len(key) != KEY_BYTES:
            raise KeyRefused(f"the root key file {path} holds a key of {len(key)} bytes, not {KEY_BYTES}")
        return cls(file.id, key)

    @property
    def id(self) -> str:
        """See `RootKey.id`."""
        return self._id

    def wrap(self, secret: bytes, *, kind: str, id_: UUID) -> bytes:
        """See `RootKey.wrap`."""
        return wrap(self._key, secret, kind=kind, id_=id_)

    def unwrap(self, wrapped: bytes, *, kind: str, id_: UUID) -> bytes:
        """See `RootKey.unwrap`."""
        return unwrap(self._key, wrapped, kind=kind, id_=id_)

    def derive(self, purpose: str) -> bytes:
        """See `RootKey.derive`."""
        info = b"threedance/derive/" + purpose.encode()
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(self._key)


def create_root_key(path: Path) -> bool:
    """Writes a new root key to `path` (mode 0600) where there is none; says whether it did.

    Raises:
        OSError: the file cannot be written; nothing is left.
    """
    if path.exists():
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = msgspec.json.encode(
        _RootFile(id=f"root-{secrets.token_hex(4)}", key=base64.b64encode(new_key()).decode())
    )
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)
    except FileExistsError:
        return False
    finally:
        part.unlink(missing_ok=True)
    return True


def _bound(kind: str, id_: UUID) -> bytes:
    return b"threedance/1/" + kind.encode() + b"/" + id_.bytes
