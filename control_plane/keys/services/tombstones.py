"""Writes of tombstones, which record that a key was destroyed for good. What a key opened is removed by other services.

One transaction empties the wrapped key and writes tombstone and audit event. Only after its commit is the key share
destroyed, which no backup has. If the process dies in between, the sweep calls `destroy_recorded_shares` again.
"""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from control_plane.audit.events import AuditEvent
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.keys import keyring
from control_plane.keys.audit_events import CLASS_SHREDDED, STUDIO_KEY_DESTROYED, STUDIO_SHREDDED
from control_plane.keys.configured import key_share_store
from control_plane.keys.errors import KeyDestroyed, KeyLost
from control_plane.keys.models import KeyTombstone, TombstoneKind

ACTS: dict[TombstoneKind, tuple[AuditEvent, str]] = {
    TombstoneKind.CLASS: (CLASS_SHREDDED, "recordings.ClassSession"),
    TombstoneKind.GENERATION: (STUDIO_KEY_DESTROYED, "keys.StudioKey"),
    TombstoneKind.STUDIO: (STUDIO_SHREDDED, "tenancy.Studio"),
}


def record_tombstone(
    kind: TombstoneKind,
    object_id: UUID,
    *,
    reason: str,
    actor: Actor,
    studio_id: UUID,
    event: AuditEvent | None = None,
) -> KeyTombstone:
    """Records that a key is destroyed, and destroys its share after the commit. Called within another service's write.

    The caller writes the audit event of a kind that is not in `ACTS`.

    Args:
        event: the audit event to record; None: that of `kind`.
    """
    tombstone: KeyTombstone
    tombstone, made = KeyTombstone.objects.get_or_create(
        kind=kind.value,
        object_id=object_id,
        defaults={
            "studio_id": studio_id,
            "reason": reason[:300],
            "actor_kind": actor.kind.value,
            "actor_id": actor.id,
        },
    )
    if made:
        if kind in ACTS:
            act, label = ACTS[kind]
            record(
                event or act,
                actor=actor,
                studio_id=studio_id,
                object_type=label,
                object_id=studio_id if kind is TombstoneKind.STUDIO else object_id,
                details={"reason_given": bool(reason), "tombstone": str(tombstone.id)},
            )
        transaction.on_commit(lambda: _settle(studio_id), robust=True)
    return tombstone


def destroy_recorded_shares(*, again: bool = False) -> int:
    """Destroys the shares of tombstones of the studio in scope that are still to be destroyed; returns their number.

    Args:
        again: repeat it for every tombstone, because the share store was restored from a copy.

    Raises:
        KeysUnavailable: the share store cannot be used; the next call does the rest.
    """
    rows = KeyTombstone.objects.all() if again else KeyTombstone.objects.filter(share_destroyed_at=None)
    open_ = list(rows.select_for_update(skip_locked=not again))
    if open_:
        # The tombstone of a studio has no share: those of its generations have.
        key_share_store().destroy([row.object_id for row in open_ if row.kind != TombstoneKind.STUDIO])
        KeyTombstone.objects.filter(pk__in=[row.pk for row in open_]).update(
            share_destroyed_at=timezone.now()
        )
        keyring.key_cache.forget()
    return len(open_)


def is_marked_destroyed(object_id: UUID) -> bool:
    """Returns whether the key share store remembers that this object was destroyed, whatever the database says.

    Raises:
        KeysUnavailable: the share store cannot be read.
    """
    try:
        key_share_store().get(object_id)
    except KeyDestroyed:
        return True
    except KeyLost:
        return False
    return False


def _settle(studio_id: UUID) -> None:
    with studio_scope(studio_id):
        destroy_recorded_shares()
