"""Looks whether root key, shelf and database fit together; mends what a restored database no longer knows."""

from dataclasses import dataclass, field
from uuid import UUID

from control_plane.access import access
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.keys import keyring
from control_plane.keys.configured import key_shelf
from control_plane.keys.errors import KeyDestroyed, KeyRefused
from control_plane.keys.models import Shredded, StudioKey
from control_plane.keys.services.generations import (
    destroy_generation,
    follow_with,
    left_on_older,
    wrapped_columns,
)
from control_plane.keys.services.tombstones import record_tombstone, settle_shelf
from control_plane.tenancy.models import Studio
from control_plane.tenancy.selectors import studio_ids

RESTORED = "destroyed before this database was restored"
LONGEST_LIST = 100


@dataclass
class Found:
    """Result of a check. `lost`: the first ids that are missing on the shelf or do not open."""

    open: int = 0
    destroyed: int = 0
    mended: bool = False
    older: int = 0
    lost: list[str] = field(default_factory=list)


def check_all_keys(*, actor: Actor, mend: bool = False) -> Found:
    """Looks at every key of every studio; `mend` marks as destroyed what the shelf says is.

    Raises:
        KeysUnavailable: root key or shelf do not answer.
        Forbidden: `actor` may not maintain studios.
    """
    found = Found(mended=mend)
    for studio_id in studio_ids("check of keys"):
        with studio_scope(UUID(str(studio_id))):
            studio = Studio.objects.get()
            access.require(actor, access.Action.MAINTAIN, studio)
            settle_shelf(again=True)
            _look_at_generations(found, actor, mend, studio)
            _look_at_rows(found, actor, mend, studio)
            found.older += left_on_older()
    return found


def _look_at_generations(found: Found, actor: Actor, mend: bool, studio: Studio) -> None:
    for key in StudioKey.objects.filter(destroyed_at=None):
        try:
            keyring.secret_of(key)
            found.open += 1
        except KeyDestroyed:
            found.destroyed += 1
            if mend:
                destroy_generation(key, actor=actor, reason=RESTORED)
                if key.retired_at is None:
                    # Else boxes would go on sealing to it, and nobody could open what they send.
                    follow_with(studio, actor=actor)
        except KeyRefused:
            _lost(found, f"keys {key.id}")


def _look_at_rows(found: Found, actor: Actor, mend: bool, studio: Studio) -> None:
    for model, column, kind in wrapped_columns():
        rows = model._default_manager.exclude(**{column: b""}).order_by("pk").values_list("pk", column)
        for pk, wrapped in rows.iterator(chunk_size=500):
            try:
                keyring.unwrap(wrapped, kind=kind, id_=UUID(str(pk)))
                found.open += 1
            except KeyDestroyed:
                if kind == keyring.CLASS and _lives(UUID(str(pk))):
                    # Its generation has ended, as it does after a rotation: it is this database that is too old, and a
                    # newer one opens the class. To destroy its half now would be the end of it there too.
                    _lost(found, f"{kind} {pk}")
                    continue
                found.destroyed += 1
                if mend:
                    model._default_manager.filter(pk=pk).update(**{column: b""})
                    if kind == keyring.CLASS:
                        id_ = UUID(str(studio.id))
                        record_tombstone(
                            Shredded.CLASS, UUID(str(pk)), reason=RESTORED, actor=actor, studio_id=id_
                        )
            except KeyRefused:
                _lost(found, f"{kind} {pk}")


def _lives(id_: UUID) -> bool:
    try:
        key_shelf().take(id_)
    except KeyRefused:
        return False
    return True


def _lost(found: Found, what: str) -> None:
    if len(found.lost) < LONGEST_LIST:
        found.lost.append(what)
