"""The platform's seed. Its own secrets are derived from it: names, hashes of pairing codes, keys of checkpoints.

The seed outlives every root key. With a root key in a file, it is in the same file. Otherwise it is in the database,
wrapped under the root key (`PlatformSecret`), and each process reads it once before it serves.
"""

import hmac
from functools import cache
from typing import TYPE_CHECKING

from django.apps import apps
from django.conf import settings

from control_plane.keys import key_wrapping
from control_plane.keys.configured import root_key
from control_plane.keys.errors import KeyRefused
from control_plane.keys.roots.root_key import RootKeyring

if TYPE_CHECKING:
    from control_plane.keys.models import PlatformSecret

NAME, KIND = "seed", "platform-seed"


def derive_secret(purpose: str) -> bytes:
    """Returns 32 bytes derived for `purpose`, unique to this installation; for example, the seed of a key pair.

    Raises:
        KeyRefused: there is no seed yet, or it does not open.
        KeysUnavailable: the root key's holder does not answer.
    """
    own = root_key().current.seed()
    return key_wrapping.derive(
        own if own is not None else _stored_in_database(settings.ROOT_KEY_URL), purpose
    )


def create_seed() -> bool:
    """Makes the platform's seed unless there is one; takes it over from an older root key file if one is configured.

    Raises:
        KeyRefused, KeysUnavailable: the root key cannot be used.
    """
    ring = root_key()
    if ring.current.seed() is not None or _model().objects.filter(name=NAME).exists():
        return False
    inherited = next((seed for root in ring.older if (seed := root.seed()) is not None), None)
    row = _model()(name=NAME)
    _wrap_into(row, inherited or key_wrapping.new_key(), ring)
    row.save(force_insert=True)
    return True


def stored_seed() -> bytes | None:
    """Returns the seed in the database, or None.

    Raises:
        KeyRefused, KeysUnavailable: it does not open.
    """
    row: PlatformSecret | None = _model().objects.filter(name=NAME).first()
    if row is None:
        return None
    return root_key().unwrap(bytes(row.wrapped), root_key_id=row.root_key_id, kind=KIND, id_=row.id)


def rewrap_seed() -> bool:
    """Re-wraps the seed in the database under the current root key; returns whether it had to.

    Raises:
        KeyRefused, KeysUnavailable: it does not open under the old root key, or the new one does not answer.
    """
    ring = root_key()
    row: PlatformSecret | None = _model().objects.select_for_update().filter(name=NAME).first()
    if row is None or row.root_key_id == ring.id:
        return False
    seed = ring.unwrap(bytes(row.wrapped), root_key_id=row.root_key_id, kind=KIND, id_=row.id)
    _wrap_into(row, seed, ring)
    row.save(update_fields=["root_key_id", "wrapped"])
    return True


def _wrap_into(row: "PlatformSecret", seed: bytes, ring: RootKeyring) -> None:
    row.root_key_id = ring.id
    row.wrapped = ring.wrap(seed, kind=KIND, id_=row.id)
    unwrapped = ring.unwrap(bytes(row.wrapped), root_key_id=row.root_key_id, kind=KIND, id_=row.id)
    if not hmac.compare_digest(unwrapped, seed):
        raise KeyRefused(f"the root key {row.root_key_id} does not return the secret that it wrapped")


def _model() -> "type[PlatformSecret]":
    # By name: system checks import this module before the models are loaded.
    model: type[PlatformSecret] = apps.get_model("keys", "PlatformSecret")
    return model


@cache
def _stored_in_database(url: str) -> bytes:
    seed = stored_seed()
    if seed is None:
        raise KeyRefused("the platform has no seed yet: `threedance manage init_keys` makes one")
    return seed
