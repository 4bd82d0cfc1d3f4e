"""The object store as the control plane needs it: immutable objects by key, whole and verified, or not at all."""

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from control_plane.storage.errors import BadKey

CHUNK_BYTES = 1 << 18
LARGEST_BYTES = 256 << 20
"""The largest object there is: no box may announce a larger segment."""
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
    """A request that whoever holds it may make of the store, with exactly these headers, before `expires_at`."""

    method: str
    url: str
    expires_at: datetime
    headers: dict[str, str] = field(default_factory=dict, repr=False)


class ObjectStore(Protocol):
    """Immutable objects. Every method raises `BadKey` for a key no store takes, `StoreUnavailable` where a retry may
    help, and `StoreRefused` where it will not. Threads may share one store.
    """

    def require_there(self) -> None:
        """Returns where there is a store at all: its bucket or folder, whatever lies in it."""
        ...

    def put(self, key: str, chunks: Iterable[bytes], *, size_bytes: int, sha256: str) -> None:
        """Stores an object durably, or nothing.

        Raises:
            ObjectExists: the key is taken; the stored object is untouched.
            ObjectMismatch: the chunks are not of this size or hash (hex).
        """
        ...

    def open(
        self, key: str, *, offset_bytes: int = 0, size_bytes: int | None = None
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Opens an object, or a range of it (None: to its end), as chunks of at most `CHUNK_BYTES`.

        Raises:
            ObjectMissing: on entry.
            ObjectMismatch: on entry, where the object is shorter than the range.
        """
        ...

    def head(self, key: str) -> ObjectFacts:
        """Returns size and time of an object.

        Raises:
            ObjectMissing: there is none.
        """
        ...

    def sha256(self, key: str) -> str:
        """Returns the hash (hex) of an object, by reading all of it back.

        Raises:
            ObjectMissing: there is none.
        """
        ...

    def delete(self, key: str) -> None:
        """Removes an object; where there is none, all is well."""
        ...

    def presign_put(
        self, key: str, *, size_bytes: int, sha256: str, lifetime: timedelta
    ) -> SignedRequest | None:
        """Returns a request that stores exactly these bytes under a free key; None where we pass them on."""
        ...

    def presign_get(self, key: str, *, lifetime: timedelta) -> SignedRequest | None:
        """Returns a request that reads an object; None where we pass them on."""
        ...


def checked_key(key: str) -> str:
    """Returns `key` where every store takes it.

    Raises:
        BadKey: it is empty, too long, or has a part that is no plain file name.
    """
    if len(key) > KEY_LIMIT or not all(_PART.fullmatch(part) for part in key.split("/")):
        raise BadKey(f"{key[:80]!r} is no object key")
    return key
