"""Re-wraps all studio keys and the platform's seed after a change of the root key.

Both root keys open meanwhile. The remaining work is found by `root_key_id`, so an interrupted run is simply run again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from control_plane.access import access
from control_plane.access.permissions import MAINTAIN
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict
from control_plane.common.scoping import studio_scope
from control_plane.keys import keyring, platform_secret
from control_plane.keys.audit_events import ROOT_KEY_ROTATED
from control_plane.keys.configured import root_key
from control_plane.keys.models import StudioKey
from control_plane.keys.roots.file import FileRootKey, set_seed
from control_plane.tenancy.models import Studio
from control_plane.tenancy.selectors import studio_ids

PASSES = 3
"""Attempts for rows that another transaction has locked."""


@dataclass(frozen=True)
class Rotation:
    """Result of a run: `rewrapped` rows were changed, `checked` rows open under the current root key."""

    root_key_id: str
    rewrapped: int
    checked: int


def rewrap_under_root(
    *, actor: Actor, on_studio: Callable[[int, int], object] = lambda done, of: None
) -> Rotation:
    """Re-wraps everything under the current root key, then checks that every row opens.

    Raises:
        KeyRefused, KeysUnavailable: a row does not open, or a holder does not answer; finished rows stay, run it again.
        Conflict: other transactions kept rows locked; run it again.
        Forbidden: `actor` is not the system.
    """
    ids, rewrapped = studio_ids("root key rotation"), 0
    _rewrap_seed()
    for done, studio_id in enumerate(ids, start=1):
        for _ in range(PASSES):
            with studio_scope(UUID(str(studio_id))):
                rewrapped += _rewrap_studio(actor)
        on_studio(done, len(ids))
    checked, wanted = 0, root_key().id
    for studio_id in ids:
        with studio_scope(UUID(str(studio_id))):
            for key in StudioKey.objects.filter(destroyed_at=None):
                if key.root_key_id != wanted:
                    raise Conflict(f"the keys {key.id} are still under {key.root_key_id}; run this again")
                root_key().unwrap(
                    bytes(key.wrapped_key), root_key_id=wanted, kind=keyring.STUDIO, id_=UUID(str(key.id))
                )
                checked += 1
    if rewrapped:
        with transaction.atomic():
            record(
                ROOT_KEY_ROTATED,
                actor=actor,
                studio_id=None,
                object_type="storage.RootKey",
                object_id=wanted[:64],
                details={"rewrapped": rewrapped, "checked": checked},
            )
    return Rotation(wanted, rewrapped, checked)


def _rewrap_studio(actor: Actor) -> int:
    wanted, rewrapped = root_key().id, 0
    rows = StudioKey.objects.filter(destroyed_at=None).exclude(root_key_id=wanted)
    for key in rows.select_for_update(skip_locked=True).order_by("id"):
        if not rewrapped:
            access.require(actor, MAINTAIN, Studio.objects.get(pk=key.studio_id))
        keyring.rewrap_root(key)
        key.save(update_fields=["root_key_id", "wrapped_key"])
        rewrapped += 1
    return rewrapped


def _rewrap_seed() -> None:
    """Copies the platform's seed to the new place of the root key: the database, or the root key file."""
    current = root_key().current
    with transaction.atomic():
        if not isinstance(current, FileRootKey):
            platform_secret.create_seed()
        elif (stored := platform_secret.stored_seed()) is not None and stored != current.seed():
            set_seed(current.path, stored)
        platform_secret.rewrap_seed()
