"""Objects that nothing needs any more: noted, called back, deleted later. Inside `studio_scope`; part of another act.

Who is about to store an object under a key, or to count on one there, calls the key back first: what is being deleted
at this moment is answered, so that nobody ever points at an object that is about to go.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from control_plane.common.scoping import current_studio_id
from control_plane.storage.models import Disposal, DisposalReason, StoreMove


def dispose(
    objects: Iterable[tuple[UUID | None, str]],
    *,
    reason: DisposalReason,
    after: timedelta | None = timedelta(0),
    move: StoreMove | None = None,
) -> None:
    """Notes objects (store, key) to be deleted `after` a time; None: not before their move is through.

    Of what is shredded every other copy that is noted already goes at once: no time of grace holds it back.
    """
    studio_id = current_studio_id()
    due_at = None if after is None else timezone.now() + after
    objects = list(objects)
    if reason is DisposalReason.SHREDDED:
        noted = Disposal.objects.filter(object_key__in=[key for _, key in objects], claimed_at=None)
        noted.update(reason=reason, due_at=due_at)
    Disposal.objects.bulk_create(
        [
            Disposal(
                studio_id=studio_id,
                store_id=store_id,
                object_key=key,
                reason=reason,
                due_at=due_at,
                move=move,
            )
            for store_id, key in objects
        ],
        ignore_conflicts=True,
    )


def recall(store_id: UUID | None, keys: Sequence[str]) -> set[str]:
    """Takes keys of a store off the list; returns those that are being deleted now and cannot be counted on."""
    rows = Disposal.objects.filter(store_id=store_id, object_key__in=list(keys)).select_for_update()
    found = list(rows.values_list("object_key", "claimed_at"))
    if not found:
        return set()
    Disposal.objects.filter(store_id=store_id, object_key__in=list(keys), claimed_at=None).delete()
    return {key for key, claimed_at in found if claimed_at is not None}
