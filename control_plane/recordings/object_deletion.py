"""Deletes the objects in the deletion queue. An object is deleted only if no segment and no answer to `ObjectsInUse` names
it; nothing relies on LIST.

The old copy of a migrated segment is deleted only if, at that moment, the new store has the object with the right size
and no damage is known: otherwise the old copy may be the last intact one.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import F, Q
from django.utils import timezone

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict, ControlPlaneError
from control_plane.common.scoping import studio_scope
from control_plane.recordings.damage_models import SegmentDamage
from control_plane.recordings.events import ObjectsInUse, StoreRetiring
from control_plane.recordings.models import Segment
from control_plane.storage import stores
from control_plane.storage.audit_events import STORE_RETIRED
from control_plane.storage.models import (
    DeletionReason,
    MigrationState,
    ObjectDeletion,
    StoreMigration,
    StudioStorage,
    StudioStore,
)
from control_plane.storage.objects import ObjectStore
from control_plane.storage.permissions import MANAGE_STORAGE

CLAIM_TIMEOUT = timedelta(minutes=10)
"""After this time a claimed deletion is retried: its worker died."""
MAX_RETRY_DELAY = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class _ClaimedDeletion:
    """An object to delete. `keeper` is the store with its new copy; None if there is no new copy."""

    id: UUID
    key: str
    store: ObjectStore
    keeper: ObjectStore | None
    size_bytes: int


def delete_due(studio_id: UUID, *, most: int) -> int:
    """Deletes up to `most` due objects of a studio; returns how many were deleted.

    A failed deletion keeps its error in the row and is retried later.
    """
    gone = 0
    for _ in range(most):
        with studio_scope(studio_id):
            row = _next_due()
            due = _claim(row) if row else None
        if row is None:
            break
        if due is None:
            continue
        error = _delete(due)
        with studio_scope(studio_id):
            mine = ObjectDeletion.objects.filter(pk=due.id)
            if error:
                wait = min(MAX_RETRY_DELAY, timedelta(minutes=1) * 2 ** min(row.tries, 12))
                mine.update(error=error, tries=F("tries") + 1, claimed_at=None, due_at=timezone.now() + wait)
            else:
                gone += mine.delete()[0]
    return gone


def retire_store(store: StudioStore, *, actor: Actor) -> StudioStore:
    """Retires a store that holds no footage, and erases its credentials.

    Raises:
        Conflict: it holds footage or objects to delete, or new footage goes there.
        NotFound, Forbidden: `actor` may not manage storage.
    """
    with studio_scope(store.studio_id):
        access.require(actor, MANAGE_STORAGE, store)
        if not StudioStorage.objects.filter(store=store).exists():
            # Committed even if the checks below refuse: withdrawn uploads queue deletions that must run first.
            StoreRetiring(store.id).publish()
    with studio_scope(store.studio_id):
        row: StudioStore = StudioStore.objects.select_for_update().get(pk=store.pk)
        if StudioStorage.objects.filter(store=row).exists():
            raise Conflict("New footage goes to this store. Migrate to another store first.")
        if Segment.objects.filter(store=row).exists():
            raise Conflict("This store holds footage. Migrate it to another store first.")
        if ObjectDeletion.objects.filter(store=row).exists():
            raise Conflict(
                "Old copies in this store are not deleted yet. Wait until their grace period is over."
            )
        if StoreMigration.objects.filter(
            Q(source=row) | Q(target=row), state=MigrationState.COPYING
        ).exists():
            raise Conflict("A migration from or to this store is in progress.")
        row.retired_at, row.wrapped_secret, row.access_key = timezone.now(), b"", "forgotten"
        row.revision += 1
        row.save()
        record_for(STORE_RETIRED, row, actor=actor)
    return row


def _next_due() -> ObjectDeletion | None:
    now = timezone.now()
    row: ObjectDeletion | None = (
        ObjectDeletion.objects.filter(
            Q(claimed_at=None) | Q(claimed_at__lt=now - CLAIM_TIMEOUT), due_at__lte=now
        )
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("due_at")
        .first()
    )
    return row


def _claim(row: ObjectDeletion) -> _ClaimedDeletion | None:
    """Claims a row for this worker; None if the object is still needed or its store cannot be opened now."""
    now = timezone.now()
    segment: Segment | None = Segment.objects.filter(object_key=row.object_key).first()
    if segment is not None and segment.store_id == row.store_id:
        # A segment names this object, so the queue entry is obsolete.
        row.delete()
        return None
    if segment is None and ObjectsInUse((row.object_key,)).all():
        # Not dropped: the answer does not name a store, and this may be an older copy in another one.
        ObjectDeletion.objects.filter(pk=row.pk).update(
            error="Something else still needs this object.", due_at=now + MAX_RETRY_DELAY
        )
        return None
    ObjectDeletion.objects.filter(pk=row.pk).update(claimed_at=now)
    try:
        keeper = None
        if segment is not None and row.reason == DeletionReason.MOVED:
            keeper = _store_with_copy(segment)
        store = stores.open_store(row.store_id)
    except ControlPlaneError as error:
        ObjectDeletion.objects.filter(pk=row.pk).update(
            claimed_at=None, error=error.detail, tries=F("tries") + 1, due_at=now + MAX_RETRY_DELAY
        )
        return None
    return _ClaimedDeletion(row.id, row.object_key, store, keeper, segment.size_bytes if segment else 0)


def _store_with_copy(segment: Segment) -> ObjectStore:
    """Returns the store with the new copy of a migrated segment.

    Raises:
        Conflict: that copy is damaged.
        ControlPlaneError: the store cannot be opened.
    """
    if SegmentDamage.objects.filter(segment=segment).exists():
        raise Conflict("The new copy is damaged. The old copy is kept.")
    return stores.open_store(segment.store_id)


def _delete(due: _ClaimedDeletion) -> str:
    """Deletes the object; returns the error, or an empty string."""
    try:
        if due.keeper is not None and due.keeper.head(due.key).size_bytes != due.size_bytes:
            return "The new copy has a wrong size. The old copy is kept."
        due.store.delete(due.key)
    except ControlPlaneError as error:
        return error.detail or type(error).__name__
    return ""
