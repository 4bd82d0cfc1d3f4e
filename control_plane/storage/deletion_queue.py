"""Queue of object deletions: schedule and cancel. Call inside `studio_scope`, as part of another transaction.

Code that stores an object under a key, or relies on one there, cancels its deletion first. `cancel_deletion` returns the
keys that are being deleted at that moment, so that no row ever points at an object that is about to vanish.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from control_plane.common.scoping import current_studio_id
from control_plane.storage.models import DeletionReason, ObjectDeletion, StoreMigration


def schedule_deletion(
    objects: Iterable[tuple[UUID | None, str]],
    *,
    reason: DeletionReason,
    after: timedelta | None = timedelta(0),
    migration: StoreMigration | None = None,
) -> None:
    """Schedules deletion of objects (store, key) `after` a time; None: when their migration has finished copying.

    For shredded objects, already scheduled copies in other stores become due at once: no grace period applies.
    """
    studio_id = current_studio_id()
    due_at = None if after is None else timezone.now() + after
    objects = list(objects)
    if reason is DeletionReason.SHREDDED:
        noted = ObjectDeletion.objects.filter(object_key__in=[key for _, key in objects], claimed_at=None)
        noted.update(reason=reason, due_at=due_at)
    ObjectDeletion.objects.bulk_create(
        [
            ObjectDeletion(
                studio_id=studio_id,
                store_id=store_id,
                object_key=key,
                reason=reason,
                due_at=due_at,
                migration=migration,
            )
            for store_id, key in objects
        ],
        ignore_conflicts=True,
    )


def cancel_deletion(store_id: UUID | None, keys: Sequence[str]) -> set[str]:
    """Cancels the deletion of keys; returns those that a worker is deleting now: do not rely on them."""
    rows = ObjectDeletion.objects.filter(store_id=store_id, object_key__in=list(keys)).select_for_update()
    found = list(rows.values_list("object_key", "claimed_at"))
    if not found:
        return set()
    ObjectDeletion.objects.filter(store_id=store_id, object_key__in=list(keys), claimed_at=None).delete()
    return {key for key, claimed_at in found if claimed_at is not None}
