"""The port of holders of a root key, and the succession of root keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from control_plane.keys.errors import RootRefused


class RootKey(Protocol):
    """One holder. Its key never leaves it, or never leaves this module's reach; every wrapped key is bound."""

    @property
    def kind(self) -> str:
        """Describes where the key is, without secrets, for screens."""
        ...

    @property
    def id(self) -> str:
        """Names the key, and its version, that `wrap` uses now; at most 200 characters.

        Raises:
            KeysUnavailable, RootRefused: the holder does not say.
        """
        ...

    def holds(self, id_: str) -> bool:
        """Returns whether what was wrapped under `id_` is this holder's to open; a later version opens an earlier's."""
        ...

    def wrap(self, secret: bytes, *, kind: str, id_: UUID) -> bytes:
        """Returns `secret` under the key, bound to what it is and whose.

        Raises:
            KeysUnavailable, RootRefused: the holder does not.
        """
        ...

    def unwrap(self, wrapped: bytes, *, kind: str, id_: UUID) -> bytes:
        """Returns what `wrap` wrapped.

        Raises:
            KeyRefused: another key, kind or id, or damaged bytes.
            KeysUnavailable: the holder does not answer.
        """
        ...

    def seed(self) -> bytes | None:
        """Returns the secret that the platform's own keys are derived from, where it lies with the key; else None."""
        ...


@dataclass(frozen=True)
class RootRing:
    """The holder that wraps now, and those that wrapped before it: while rows are re-wrapped, all of them open."""

    current: RootKey
    older: Sequence[RootKey] = ()

    @property
    def id(self) -> str:
        """The id of the key that wraps now."""
        return self.current.id

    @property
    def kind(self) -> str:
        """Where the key is that wraps now."""
        return self.current.kind

    def wrap(self, secret: bytes, *, kind: str, id_: UUID) -> bytes:
        """Returns `secret` under the current key; store `id` beside it, read before."""
        return self.current.wrap(secret, kind=kind, id_=id_)

    def unwrap(self, wrapped: bytes, *, root_key_id: str, kind: str, id_: UUID) -> bytes:
        """Returns what was wrapped under the key `root_key_id`.

        Raises:
            RootRefused: no holder here has this key.
            KeyRefused: it does not open.
            KeysUnavailable: its holder does not answer.
        """
        for root in (self.current, *self.older):
            if root.holds(root_key_id):
                return root.unwrap(wrapped, kind=kind, id_=id_)
        raise RootRefused(
            f"this is under root key {root_key_id}, which is not here: name its holder in"
            " THREEDANCE_ROOT_KEY_OLDER until `threedance manage rotate_root` has been run"
        )
