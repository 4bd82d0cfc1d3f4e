"""The port of root keys, and the keyring of current and older ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from control_plane.keys.errors import RootRefused


class RootKey(Protocol):
    """One root key. The key stays in its holder; every wrapped secret is bound to its kind and owner."""

    @property
    def kind(self) -> str:
        """Describes where the key is kept, without secrets, for screens."""
        ...

    @property
    def id(self) -> str:
        """Names the key, and its version, that `wrap` uses now; at most 200 characters.

        Raises:
            KeysUnavailable, RootRefused: the holder does not return it.
        """
        ...

    def holds(self, id_: str) -> bool:
        """Returns whether this holder can unwrap what was wrapped under `id_`, earlier versions of its key included."""
        ...

    def wrap(self, secret: bytes, *, kind: str, id_: UUID) -> bytes:
        """Returns `secret` encrypted under the key and bound to its kind and owner.

        Raises:
            KeysUnavailable, RootRefused: the holder does not wrap it.
        """
        ...

    def unwrap(self, wrapped: bytes, *, kind: str, id_: UUID) -> bytes:
        """Returns the secret inside a wrapped one.

        Raises:
            KeyRefused: another key, kind or id, or damaged bytes.
            KeysUnavailable: the holder does not answer.
        """
        ...

    def seed(self) -> bytes | None:
        """Returns the platform's seed if it is kept with the key, else None."""
        ...


@dataclass(frozen=True)
class RootKeyring:
    """The current root key, which wraps, and older ones, which still unwrap until all rows are re-wrapped."""

    current: RootKey
    older: Sequence[RootKey] = ()

    @property
    def id(self) -> str:
        """The id of the current root key."""
        return self.current.id

    @property
    def kind(self) -> str:
        """Where the current root key is kept."""
        return self.current.kind

    def wrap(self, secret: bytes, *, kind: str, id_: UUID) -> bytes:
        """Returns `secret` wrapped under the current key. Read `id` before this call, and store it with the result."""
        return self.current.wrap(secret, kind=kind, id_=id_)

    def unwrap(self, wrapped: bytes, *, root_key_id: str, kind: str, id_: UUID) -> bytes:
        """Returns the secret that was wrapped under the key `root_key_id`.

        Raises:
            RootRefused: no configured root key has this id.
            KeyRefused: it does not open.
            KeysUnavailable: its holder does not answer.
        """
        for root in (self.current, *self.older):
            if root.holds(root_key_id):
                return root.unwrap(wrapped, kind=kind, id_=id_)
        raise RootRefused(
            f"this is wrapped under root key {root_key_id}, which is not configured: name it in"
            " THREEDANCE_ROOT_KEY_OLDER until `threedance manage rotate_root` has been run"
        )
