"""Writes that follow a change of the root key: every studio's keys, and the platform's seed, are put under the new one.

Old and new key both open meanwhile. What is left to do is what still names another key, so a run that dies is run again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from control_plane.access import access
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict
from control_plane.common.scoping import studio_scope
from control_plane.keys import keyring, platform_secret
from control_plane.keys.configured import root_key
from control_plane.keys.models import StudioKey
from control_plane.keys.roots.file import FileRootKey, set_seed
from control_plane.tenancy.models import Studio
from control_plane.tenancy.selectors import studio_ids

PASSES = 3
"""Rows that somebody else holds are looked for again, so often."""


@dataclass(frozen=True)
class Rotation:
    """Result of a run: `moved` rows were rewrapped, `checked` rows opened under the current key."""

    root_key_id: str
    moved: int
    checked: int


def rewrap_under_root(
    *, actor: Actor, on_studio: Callable[[int, int], object] = lambda done, of: None
) -> Rotation:
    """Puts everything under the root key that wraps now, and then sees of every row that it opens.

    Raises:
        KeyRefused, KeysUnavailable: a row does not open, or a holder does not answer; what was done stays, run it again.
        Conflict: rows were held by somebody else all the time; run it again.
        Forbidden: `actor` is not the system.
    """
    ids, moved = studio_ids("root key rotation"), 0
    _carry_seed()
    for done, studio_id in enumerate(ids, start=1):
        for _ in range(PASSES):
            with studio_scope(UUID(str(studio_id))):
                moved += _move(actor)
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
    if moved:
        with transaction.atomic():
            record(
                Act.ROOT_KEY_ROTATED,
                actor=actor,
                studio_id=None,
                object_type="storage.RootKey",
                object_id=wanted[:64],
                details={"moved": moved, "checked": checked},
            )
    return Rotation(wanted, moved, checked)


def _move(actor: Actor) -> int:
    wanted, moved = root_key().id, 0
    rows = StudioKey.objects.filter(destroyed_at=None).exclude(root_key_id=wanted)
    for key in rows.select_for_update(skip_locked=True).order_by("id"):
        if not moved:
            access.require(actor, access.Action.MAINTAIN, Studio.objects.get(pk=key.studio_id))
        keyring.rewrap_root(key)
        key.save(update_fields=["root_key_id", "wrapped_key"])
        moved += 1
    return moved


def _carry_seed() -> None:
    """Takes the platform's seed along: into the database, or into the file that the root key is now in."""
    current = root_key().current
    with transaction.atomic():
        if not isinstance(current, FileRootKey):
            platform_secret.create_seed()
        elif (stored := platform_secret.stored_seed()) is not None and stored != current.seed():
            set_seed(current.path, stored)
        platform_secret.rewrap_seed()
