"""The end of objects that nothing needs any more. An object goes only when no segment lies there, never by a LIST.

The old copy of a moved segment goes only when the new store shows the object, of the right size, at that moment, and
nothing was found to be wrong with it: else the old copy may be the last good one.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import F, Q
from django.utils import timezone

from control_plane.access import access
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict, ControlPlaneError
from control_plane.common.scoping import studio_scope
from control_plane.recordings.events import StoreRetiring
from control_plane.recordings.fault_models import SegmentFault
from control_plane.recordings.models import Segment
from control_plane.storage import stores
from control_plane.storage.models import (
    Disposal,
    DisposalReason,
    MoveState,
    StoreMove,
    StudioStorage,
    StudioStore,
)
from control_plane.storage.objects import ObjectStore

STALE = timedelta(minutes=10)
"""After so long a deletion that was begun is begun again: whoever did it is gone."""
LONGEST_WAIT = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class _Due:
    """One object to delete. `keeper` holds its new copy; None where there is to be none."""

    id: UUID
    key: str
    store: ObjectStore
    keeper: ObjectStore | None
    size_bytes: int


def delete_due(studio_id: UUID, *, most: int) -> int:
    """Deletes up to `most` objects of a studio whose time has come; returns how many are gone.

    What fails is tried again later and keeps its reason in the row; a failed delete is never forgotten.
    """
    gone = 0
    for _ in range(most):
        with studio_scope(studio_id):
            row = _next()
            due = _claim(row) if row else None
        if row is None:
            break
        if due is None:
            continue
        error = _delete(due)
        with studio_scope(studio_id):
            mine = Disposal.objects.filter(pk=due.id)
            if error:
                wait = min(LONGEST_WAIT, timedelta(minutes=1) * 2 ** min(row.tries, 12))
                mine.update(error=error, tries=F("tries") + 1, claimed_at=None, due_at=timezone.now() + wait)
            else:
                gone += mine.delete()[0]
    return gone


def retire_store(store: StudioStore, *, actor: Actor) -> StudioStore:
    """Puts a store that holds nothing of the studio out of use, and forgets its credentials.

    Raises:
        Conflict: footage lies there or is to be deleted there, or new footage goes there.
        NotFound, Forbidden: `actor` may not manage storage.
    """
    with studio_scope(store.studio_id):
        access.require(actor, access.Action.MANAGE_STORAGE, store)
        if not StudioStorage.objects.filter(store=store).exists():
            # Stays done also where the store has to wait: what follows may find that old copies are left.
            StoreRetiring(store.id).publish()
    with studio_scope(store.studio_id):
        row: StudioStore = StudioStore.objects.select_for_update().get(pk=store.pk)
        if StudioStorage.objects.filter(store=row).exists():
            raise Conflict("New footage goes to this store. Move to another one first.")
        if Segment.objects.filter(store=row).exists():
            raise Conflict("Footage lies in this store. Move it to another one first.")
        if Disposal.objects.filter(store=row).exists():
            raise Conflict(
                "Old copies are still to be deleted there. Wait until their time of grace is over."
            )
        if StoreMove.objects.filter(Q(source=row) | Q(target=row), state=MoveState.COPYING).exists():
            raise Conflict("A move from or to this store is under way.")
        row.retired_at, row.wrapped_secret, row.access_key = timezone.now(), b"", "forgotten"
        row.revision += 1
        row.save()
        record(
            Act.STORE_RETIRED,
            actor=actor,
            studio_id=row.studio_id,
            object_type="storage.StudioStore",
            object_id=row.id,
        )
    return row


def _next() -> Disposal | None:
    now = timezone.now()
    row: Disposal | None = (
        Disposal.objects.filter(Q(claimed_at=None) | Q(claimed_at__lt=now - STALE), due_at__lte=now)
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("due_at")
        .first()
    )
    return row


def _claim(row: Disposal) -> _Due | None:
    """Makes a row this worker's; None where there is nothing to delete, or not now: the others do not wait for it."""
    now = timezone.now()
    segment: Segment | None = Segment.objects.filter(object_key=row.object_key).first()
    if segment is not None and segment.store_id == row.store_id:
        # It is needed after all. The row was wrong, and says nothing of the object.
        row.delete()
        return None
    Disposal.objects.filter(pk=row.pk).update(claimed_at=now)
    try:
        keeper = None
        if segment is not None and row.reason == DisposalReason.MOVED:
            keeper = _keeper(segment)
        store = stores.open_store(row.store_id)
    except ControlPlaneError as error:
        Disposal.objects.filter(pk=row.pk).update(
            claimed_at=None, error=error.detail, tries=F("tries") + 1, due_at=now + LONGEST_WAIT
        )
        return None
    return _Due(row.id, row.object_key, store, keeper, segment.size_bytes if segment else 0)


def _keeper(segment: Segment) -> ObjectStore:
    """Returns the store with the new copy of a segment that was moved.

    Raises:
        Conflict: that copy is damaged.
        ControlPlaneError: the store cannot be opened.
    """
    if SegmentFault.objects.filter(segment=segment).exists():
        raise Conflict("The new copy is damaged. The old one is kept.")
    return stores.open_store(segment.store_id)


def _delete(due: _Due) -> str:
    """Returns why the object could not be deleted; empty where it is gone."""
    try:
        if due.keeper is not None and due.keeper.head(due.key).size_bytes != due.size_bytes:
            return "The new copy is not of the right size. The old one is kept."
        due.store.delete(due.key)
    except ControlPlaneError as error:
        return error.detail or type(error).__name__
    return ""
