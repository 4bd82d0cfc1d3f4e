"""What a key shelf does. It is never cached: what is destroyed on it is gone for every process at the next request."""

import secrets
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol
from uuid import UUID

from control_plane.keys.errors import KeyLost, KeyRefused

HALF_BYTES = 32


class KeyShelf(Protocol):
    """Random halves of keys by id. Every change is durable before it returns; several processes use one shelf."""

    def misplaced(self) -> str:
        """Returns why what is destroyed here would live on elsewhere, in words; empty where all is well.

        Raises:
            KeysUnavailable: this cannot be told.
        """
        ...

    def prepare(self) -> None:
        """Makes the shelf where there is none.

        Raises:
            KeysUnavailable: it cannot be made.
        """
        ...

    def place(self, id_: UUID) -> bytes:
        """Makes a new entry and returns its 32 bytes.

        Raises:
            KeyDestroyed: there was one of this id, and it was destroyed.
            KeyRefused: there is one already.
            KeysUnavailable: the shelf cannot be written.
        """
        ...

    def take(self, id_: UUID) -> bytes:
        """Returns the 32 bytes of an entry.

        Raises:
            KeyDestroyed: it was destroyed.
            KeyLost: it was never here, or is damaged.
            KeysUnavailable: the shelf cannot be read.
        """
        ...

    def destroy(self, ids: Iterable[UUID]) -> int:
        """Overwrites entries and leaves a mark of each, also where there was none; returns how many lived.

        Once more is harmless.

        Raises:
            KeysUnavailable: not all could be destroyed; those before may be.
        """
        ...

    def entries(self) -> Iterator[tuple[UUID, bytes | None]]:
        """Yields every entry; None: destroyed.

        Raises:
            KeyLost: some are damaged; all others have been yielded before.
            KeysUnavailable: the shelf cannot be read.
        """
        ...

    def keep(self, id_: UUID, half: bytes) -> None:
        """Puts back an entry of a copy of this shelf; what is there and whole, or was destroyed, stays as it is.

        Raises:
            KeysUnavailable: the shelf cannot be written.
        """
        ...


def new_half() -> bytes:
    """Returns 32 random bytes."""
    return secrets.token_bytes(HALF_BYTES)


class Copied(NamedTuple):
    """Result of a copy: entries `kept` at the target, `destroyed` there, and `spared` there although destroyed here."""

    kept: int
    destroyed: int
    spared: int


def copy_shelf(source: KeyShelf, target: KeyShelf, *, destroying: bool = True) -> Copied:
    """Makes `target` hold what `source` holds, what was destroyed included.

    What was destroyed in `target` is never brought back to life. Without `destroying`, what lives in `target` is left
    alive though `source` says that it was destroyed.

    Raises:
        KeyLost: entries of `source` are damaged; all others were copied.
        KeysUnavailable: one of them cannot be used; what was copied stays.
    """
    kept, spared, ended, damaged = 0, 0, [], None
    try:
        for id_, half in source.entries():
            if half is not None:
                target.keep(id_, half)
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


def _lives(shelf: KeyShelf, id_: UUID) -> bool:
    try:
        shelf.take(id_)
    except KeyRefused:
        return False
    return True
