"""What the platform's own keys are derived from: the names and signatures that boxes, addresses and checkpoints know.

It outlives every root key. With a root key in a file it lies in that file; else in the database, wrapped under the root
key (`PlatformSecret`), and is read once in each process, before it serves.
"""

import hmac
from functools import cache
from typing import TYPE_CHECKING

from django.apps import apps
from django.conf import settings

from control_plane.keys import key_wrapping
from control_plane.keys.configured import root_key
from control_plane.keys.errors import KeyRefused
from control_plane.keys.roots.root import RootRing

if TYPE_CHECKING:
    from control_plane.keys.models import PlatformSecret

NAME, KIND = "seed", "platform-seed"


def derived(purpose: str) -> bytes:
    """Returns 32 bytes that only this installation gives for `purpose`: the seed of a key pair of the platform, say.

    Raises:
        KeyRefused: there is no seed yet, or it does not open.
        KeysUnavailable: the root key's holder does not answer.
    """
    own = root_key().current.seed()
    return key_wrapping.derived(own if own is not None else _kept(settings.ROOT_KEY_URL), purpose)


def create_seed() -> bool:
    """Makes the platform's seed where there is none, from an older root key that is a file where one is named.

    Raises:
        KeyRefused, KeysUnavailable: the root key cannot be used.
    """
    ring = root_key()
    if ring.current.seed() is not None or _model().objects.filter(name=NAME).exists():
        return False
    inherited = next((seed for root in ring.older if (seed := root.seed()) is not None), None)
    row = _model()(name=NAME)
    _put(row, inherited or key_wrapping.new_key(), ring)
    row.save(force_insert=True)
    return True


def stored_seed() -> bytes | None:
    """Returns the seed in the database; None where there is none.

    Raises:
        KeyRefused, KeysUnavailable: it does not open.
    """
    row: PlatformSecret | None = _model().objects.filter(name=NAME).first()
    if row is None:
        return None
    return root_key().unwrap(bytes(row.wrapped), root_key_id=row.root_key_id, kind=KIND, id_=row.id)


def rewrap_seed() -> bool:
    """Puts the seed in the database under the root key that wraps now; says whether anything was to be done.

    Raises:
        KeyRefused, KeysUnavailable: it does not open under the old one, or the new one does not answer.
    """
    ring = root_key()
    row: PlatformSecret | None = _model().objects.select_for_update().filter(name=NAME).first()
    if row is None or row.root_key_id == ring.id:
        return False
    seed = ring.unwrap(bytes(row.wrapped), root_key_id=row.root_key_id, kind=KIND, id_=row.id)
    _put(row, seed, ring)
    row.save(update_fields=["root_key_id", "wrapped"])
    return True


def _put(row: "PlatformSecret", seed: bytes, ring: RootRing) -> None:
    row.root_key_id = ring.id
    row.wrapped = ring.wrap(seed, kind=KIND, id_=row.id)
    unwrapped = ring.unwrap(bytes(row.wrapped), root_key_id=row.root_key_id, kind=KIND, id_=row.id)
    if not hmac.compare_digest(unwrapped, seed):
        raise KeyRefused(f"the root key {row.root_key_id} does not give back what it was given")


def _model() -> "type[PlatformSecret]":
    # By name: the checks of a start import this before the tables are there.
    model: type[PlatformSecret] = apps.get_model("keys", "PlatformSecret")
    return model


@cache
def _kept(url: str) -> bytes:
    seed = stored_seed()
    if seed is None:
        raise KeyRefused("the platform has no seed yet: `threedance manage init_keys` makes one")
    return seed
