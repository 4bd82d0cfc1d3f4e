"""The interface of object stores: immutable objects by key, complete and verified."""

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from control_plane.storage.errors import BadKey

CHUNK_BYTES = 1 << 18
LARGEST_BYTES = 256 << 20
"""The largest object: an agent may not announce a larger segment."""
KEY_LIMIT = 512
_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """Metadata of an object. `server_side` is the store's own encryption; empty: none."""

    size_bytes: int
    modified_at: datetime
    server_side: str = ""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A presigned request: its bearer may send it to the store with exactly these headers until `expires_at`."""

    method: str
    url: str
    expires_at: datetime
    headers: dict[str, str] = field(default_factory=dict, repr=False)


class ObjectStore(Protocol):
    """Immutable objects. Threads may share one store.

    Every method raises `BadKey` for an invalid key, `StoreUnavailable` if a retry may help, and `StoreRefused` if it will
    not.
    """

    def require_exists(self) -> None:
        """Checks that the bucket or folder of the store exists, whatever it contains."""
        ...

    def put(self, key: str, chunks: Iterable[bytes], *, size_bytes: int, sha256: str) -> None:
        """Stores an object durably, or nothing.

        Raises:
            ObjectExists: an object has this key; it is unchanged.
            ObjectMismatch: the chunks do not match the size or the hash (hex).
        """
        ...

    def open(
        self, key: str, *, offset_bytes: int = 0, size_bytes: int | None = None
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Opens an object, or a range of it (None: to its end), as chunks of at most `CHUNK_BYTES`.

        Raises:
            ObjectMissing: on entry; no object has this key.
            ObjectMismatch: on entry; the object is shorter than the range.
        """
        ...

    def head(self, key: str) -> ObjectFacts:
        """Returns size and time of an object.

        Raises:
            ObjectMissing: no object has this key.
        """
        ...

    def sha256(self, key: str) -> str:
        """Returns the hash (hex) of an object, by reading all of it back.

        Raises:
            ObjectMissing: no object has this key.
        """
        ...

    def delete(self, key: str) -> None:
        """Deletes an object; idempotent."""
        ...

    def presign_put(
        self, key: str, *, size_bytes: int, sha256: str, lifetime: timedelta
    ) -> SignedRequest | None:
        """Returns a request that stores exactly these bytes under a free key; None: the control plane must receive them."""
        ...

    def presign_get(self, key: str, *, lifetime: timedelta) -> SignedRequest | None:
        """Returns a request that reads an object; None: the control plane must send it."""
        ...


def checked_key(key: str) -> str:
    """Returns `key` if it is valid in every store.

    Raises:
        BadKey: it is empty, too long, or a part of it is not a plain file name.
    """
    if len(key) > KEY_LIMIT or not all(_PART.fullmatch(part) for part in key.split("/")):
        raise BadKey(f"{key[:80]!r} is not an object key")
    return key
