"""Writes of tombstones: a key is destroyed for good. What follows from it is its own service's.

First the row: the wrapped key is emptied and the tombstone written, in one transaction with the audit entry. Then, at
its commit, the half on the shelf, which no backup has. Whatever dies in between, `settle_shelf` does it again.
"""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.keys import keyring
from control_plane.keys.configured import key_shelf
from control_plane.keys.models import KeyTombstone, Shredded

ACTS: dict[Shredded, tuple[Act, str]] = {
    Shredded.CLASS: (Act.CLASS_SHREDDED, "recordings.ClassSession"),
    Shredded.GENERATION: (Act.STUDIO_KEY_DESTROYED, "keys.StudioKey"),
    Shredded.STUDIO: (Act.STUDIO_SHREDDED, "tenancy.Studio"),
}


def record_tombstone(
    what: Shredded, object_id: UUID, *, reason: str, actor: Actor, studio_id: UUID
) -> KeyTombstone:
    """Puts the end of a key on record, and has its half destroyed at the commit. Part of another service's act."""
    tombstone: KeyTombstone
    tombstone, made = KeyTombstone.objects.get_or_create(
        what=what.value,
        object_id=object_id,
        defaults={
            "studio_id": studio_id,
            "reason": reason[:300],
            "actor_kind": actor.kind.value,
            "actor_id": actor.id,
        },
    )
    if made:
        act, label = ACTS[what]
        details = {"reason_given": bool(reason), "tombstone": str(tombstone.id)}
        acted_on = studio_id if what is Shredded.STUDIO else object_id
        record(act, actor=actor, studio_id=studio_id, object_type=label, object_id=acted_on, details=details)
        transaction.on_commit(lambda: _settle(studio_id), robust=True)
    return tombstone


def settle_shelf(*, again: bool = False) -> int:
    """Destroys on the shelf what tombstones of the studio in scope name and is not known to be; returns how many.

    Args:
        again: all that they name, as after the shelf was brought back from a copy.

    Raises:
        KeysUnavailable: the shelf cannot be used; the rest is done the next time.
    """
    rows = KeyTombstone.objects.all() if again else KeyTombstone.objects.filter(shelf_at=None)
    open_ = list(rows.select_for_update(skip_locked=not again))
    if open_:
        # A studio has no half of its own: its generations have.
        key_shelf().destroy([row.object_id for row in open_ if row.what != Shredded.STUDIO])
        KeyTombstone.objects.filter(pk__in=[row.pk for row in open_]).update(shelf_at=timezone.now())
        keyring.unwrapped.forget()
    return len(open_)


def _settle(studio_id: UUID) -> None:
    with studio_scope(studio_id):
        settle_shelf()
