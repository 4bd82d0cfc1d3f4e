"""The port of key share stores. Shares are never cached: a destroyed one is gone for every process at its next read."""

import secrets
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol
from uuid import UUID

from control_plane.keys.errors import KeyLost, KeyRefused

SHARE_BYTES = 32


class KeyShareStore(Protocol):
    """Random key shares by id. Every change is durable before the call returns. Several processes share one store."""

    def backup_risk(self) -> str:
        """Returns why backups would keep copies of destroyed shares; empty if they would not.

        Raises:
            KeysUnavailable: this cannot be determined.
        """
        ...

    def prepare(self) -> None:
        """Creates the store unless it exists.

        Raises:
            KeysUnavailable: it cannot be created.
        """
        ...

    def create(self, id_: UUID) -> bytes:
        """Makes a new random share and returns its 32 bytes.

        Raises:
            KeyDestroyed: a share with this id was destroyed.
            KeyRefused: there is one already.
            KeysUnavailable: the store cannot be written.
        """
        ...

    def get(self, id_: UUID) -> bytes:
        """Returns the 32 bytes of a share.

        Raises:
            KeyDestroyed: it was destroyed.
            KeyLost: it is missing or damaged.
            KeysUnavailable: the store cannot be read.
        """
        ...

    def destroy(self, ids: Iterable[UUID]) -> int:
        """Overwrites shares and marks each as destroyed, missing ones included; returns how many were alive.

        Idempotent.

        Raises:
            KeysUnavailable: not all were destroyed; some may be.
        """
        ...

    def entries(self) -> Iterator[tuple[UUID, bytes | None]]:
        """Yields every share with its id; None for a destroyed one.

        Raises:
            KeyLost: some are damaged; all others have been yielded before.
            KeysUnavailable: the store cannot be read.
        """
        ...

    def restore(self, id_: UUID, share: bytes) -> None:
        """Puts back a share from a copy. Does nothing if the share exists undamaged or was destroyed.

        Raises:
            KeysUnavailable: the store cannot be written.
        """
        ...


def new_share() -> bytes:
    """Returns 32 random bytes."""
    return secrets.token_bytes(SHARE_BYTES)


class Copied(NamedTuple):
    """Result of a copy: shares `kept` in the target, `destroyed` there, `spared` there but destroyed in the source."""

    kept: int
    destroyed: int
    spared: int


def copy_shares(source: KeyShareStore, target: KeyShareStore, *, destroying: bool = True) -> Copied:
    """Copies all shares from `source` to `target`, and destroys those in `target` that were destroyed in `source`.

    A share that was destroyed in `target` stays destroyed. Without `destroying`, a live share in `target` is kept even
    if it was destroyed in `source`.

    Raises:
        KeyLost: shares in `source` are damaged; all others were copied.
        KeysUnavailable: one of the stores cannot be used; what was copied stays.
    """
    kept, spared, ended, damaged = 0, 0, [], None
    try:
        for id_, share in source.entries():
            if share is not None:
                target.restore(id_, share)
                kept += 1
            elif not destroying and _lives(target, id_):
                spared += 1
            else:
                ended.append(id_)
    except KeyLost as error:
        damaged = error
    destroyed = target.destroy(ended)
    if damaged is not None:
        raise damaged
    return Copied(kept, destroyed, spared)


def _lives(share_store: KeyShareStore, id_: UUID) -> bool:
    try:
        share_store.get(id_)
    except KeyRefused:
        return False
    return True
