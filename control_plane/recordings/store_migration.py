"""Migrates a studio's footage from one store to another while classes are recorded and replayed.

New footage goes to the target immediately. Each segment is copied, read back from the target, and only then its row is
repointed; the old copy stays until the whole migration and a grace period are over. Before a copy is made its deletion
is scheduled, and cancelled when a row points at it. So a copy that a dead worker or a cancelled migration leaves is
either verified by the next one or deleted. Bytes are transferred outside of transactions.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Count, F, Sum
from django.utils import timezone

from control_plane.access import access
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import Conflict, ControlPlaneError, StoreUnavailable
from control_plane.common.leases import claim, release, renew
from control_plane.common.scoping import studio_scope
from control_plane.common.tasks import enqueue_by_name
from control_plane.recordings.models import Segment
from control_plane.storage import stores
from control_plane.storage.audit_events import (
    STORE_MOVE_CANCELLED,
    STORE_MOVE_COPIED,
    STORE_MOVE_FINISHED,
    STORE_MOVE_RETRIED,
    STORE_MOVE_STARTED,
)
from control_plane.storage.deletion_queue import cancel_deletion, schedule_deletion
from control_plane.storage.errors import ObjectExists, ObjectMismatch, ObjectMissing, StoreRefused
from control_plane.storage.models import (
    OPEN_MIGRATION_STATES,
    DeletionReason,
    MigrationFailure,
    MigrationState,
    ObjectDeletion,
    StoreMigration,
    StudioStore,
)
from control_plane.storage.objects import ObjectStore
from control_plane.storage.permissions import MANAGE_STORAGE
from control_plane.storage.services import lock_storage, unfit_reason
from control_plane.tenancy.models import Studio
from shared.protocol.errors import Code

SYSTEM = Actor.system("recordings.continue_migration")
BATCH_SIZE = 8
COPY_THREADS = 4
MAX_ATTEMPTS = 6
"""Per object. After that it stays in the source until an admin retries."""
FIRST_RETRY_DELAY = timedelta(seconds=30)
MAX_RETRY_DELAY = timedelta(hours=1)
UNFINISHED_COPY_GRACE = timedelta(hours=6)
"""After this time a copy that no row points at is deleted. A batch takes minutes."""


@dataclass(frozen=True, slots=True)
class _SourceObject:
    """One object to be copied."""

    segment_id: UUID
    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _CopyResult:
    """The result of one copy; an empty `code` means that the target holds a verified copy."""

    item: _SourceObject
    code: str = ""
    detail: str = ""
    is_general: bool = False
    """The error concerns the store as a whole, not this object."""


def start_migration(studio: Studio, target: StudioStore | None, *, actor: Actor) -> StoreMigration:
    """Sends new footage to `target` (None: the platform's own) from now on, and migrates all older footage there.

    Raises:
        Conflict: all footage is there already, another migration is in progress, the store has not passed its probe, or
            it is outside the studio's region.
        NotFound, Forbidden: `actor` may not manage storage.
    """
    with studio_scope(studio.id):
        access.require(actor, MANAGE_STORAGE, studio)
        chosen = lock_storage(studio.id)
        if target is not None:
            target = StudioStore.objects.get(pk=target.pk)
        target_id = target.id if target else None
        if StoreMigration.objects.filter(state=MigrationState.COPYING).exists():
            raise Conflict("A migration is in progress. Cancel it, or wait until everything is copied.")
        if chosen.store_id == target_id and not Segment.objects.exclude(store=target_id).exists():
            raise Conflict("All footage is there already.")
        if fault := unfit_reason(target) or stores.region_mismatch(target, chosen.region):
            raise Conflict(fault)
        remainder_only = chosen.store_id == target_id
        source_id = _leftover_store(target_id) if remainder_only else chosen.store_id
        # The objects of an earlier migration are copied: its old copies are deleted at their scheduled time.
        StoreMigration.transition_rows(
            StoreMigration.objects.all(), MigrationState.DONE, finished_at=timezone.now()
        )
        found = Segment.objects.filter(store=source_id).aggregate(count=Count("id"), size=Sum("size_bytes"))
        migration = StoreMigration(
            studio=studio,
            source_id=source_id,
            target_id=target_id,
            remainder_only=remainder_only,
            total_segments=found["count"],
            total_bytes=found["size"] or 0,
            requested_by=actor.id if actor.kind is ActorKind.USER else None,
        )
        migration.save(force_insert=True)
        chosen.store = target
        chosen.save(update_fields=["store"])
        record_for(
            STORE_MOVE_STARTED,
            migration,
            actor=actor,
            details={**_stores(migration), "segments": migration.total_segments},
        )
        enqueue_by_name(
            "control_plane.recordings.tasks.continue_migration", studio=studio.id, migration_id=migration.id
        )
    return migration


def cancel_migration(migration: StoreMigration, *, actor: Actor) -> StoreMigration:
    """Cancels a migration: new footage goes to the previous store again. Migrated segments stay in the target and can be
    replayed.

    Raises:
        Conflict: everything is copied already.
        NotFound, Forbidden: `actor` may not manage storage.
    """
    with studio_scope(migration.studio_id):
        access.require(actor, MANAGE_STORAGE, migration)
        chosen = lock_storage(migration.studio_id)
        if not migration.remainder_only and (
            fault := stores.region_mismatch(migration.source, chosen.region)
        ):
            raise Conflict(fault)
        now = timezone.now()
        mine, end = StoreMigration.objects.filter(pk=migration.pk), MigrationState.CANCELLED
        if not StoreMigration.transition_rows(mine, end, finished_at=now, lease_token=None, lease_until=None):
            raise Conflict("This migration has finished copying. Migrate the footage back instead.")
        if not migration.remainder_only:
            chosen.store_id = migration.source_id
            chosen.save(update_fields=["store"])
        ObjectDeletion.objects.filter(migration=migration, due_at=None).update(
            due_at=now + settings.STORE_GRACE
        )
        migration.refresh_from_db()
        record_for(
            STORE_MOVE_CANCELLED,
            migration,
            actor=actor,
            details={**_stores(migration), "moved": migration.moved_segments},
        )
    return migration


def retry_failures(migration: StoreMigration, *, actor: Actor) -> None:
    """Retries all failed objects at once.

    Raises:
        Conflict: the migration is over.
        NotFound, Forbidden: `actor` may not manage storage.
    """
    with studio_scope(migration.studio_id):
        access.require(actor, MANAGE_STORAGE, migration)
        now = timezone.now()
        open_ = StoreMigration.objects.filter(pk=migration.pk, state__in=OPEN_MIGRATION_STATES)
        if not open_.update(retry_at=None, tries=0, error=""):
            raise Conflict("This migration is over. Start another one for the remaining footage.")
        MigrationFailure.objects.filter(migration=migration).update(retry_at=now, given_up=False, tries=0)
        record_for(STORE_MOVE_RETRIED, migration, actor=actor, details=_stores(migration))


def due_migrations() -> list[UUID]:
    """Returns the migrations of the studio in scope with work to do now."""
    now = timezone.now()
    rows = StoreMigration.objects.filter(state__in=OPEN_MIGRATION_STATES)
    rows = rows.exclude(retry_at__gt=now).exclude(lease_until__gt=now)
    return list(rows.values_list("id", flat=True))


def advance_migration(studio_id: UUID, migration_id: UUID, *, batches: int) -> int:
    """Copies up to `batches` batches of a migration; returns the number of migrated segments, 0 if nothing is left to do.

    Returns at once if another worker holds the lease. Every write is fenced by the lease.
    """
    with studio_scope(studio_id):
        rows = StoreMigration.objects.filter(pk=migration_id, state__in=OPEN_MIGRATION_STATES)
        token = claim(rows)
        if token is None:
            return 0
        migration: StoreMigration = StoreMigration.objects.get(pk=migration_id)
        try:
            source, target = stores.open_store(migration.source_id), stores.open_store(migration.target_id)
        except ControlPlaneError as error:
            _suspend(migration, token, error.detail or type(error).__name__)
            return 0
    moved = 0
    try:
        for _ in range(batches):
            with studio_scope(studio_id):
                items = _next_batch(migration)
            if not items:
                break
            copied = _copy_batch(items, source, target)
            with studio_scope(studio_id):
                done = _repoint_segments(migration, token, copied)
            if done is None:
                return moved
            moved += done
            if any(item.is_general for item in copied):
                return moved
        with studio_scope(studio_id):
            _advance_state(migration)
    finally:
        with studio_scope(studio_id):
            release(StoreMigration.objects.filter(pk=migration_id), token)
    return moved


def _leftover_store(target_id: UUID | None) -> UUID | None:
    """Returns a store other than the target that still holds footage, left by a cancelled migration."""
    found: UUID | None = (
        Segment.objects.exclude(store=target_id).order_by("id").values_list("store_id", flat=True).first()
    )
    return found


def _next_batch(migration: StoreMigration) -> list[_SourceObject]:
    waiting = MigrationFailure.objects.filter(migration=migration).exclude(
        given_up=False, retry_at__lte=timezone.now()
    )
    rows = (
        Segment.objects.filter(store=migration.source_id)
        .exclude(pk__in=waiting.values("segment_id"))
        .order_by("id")
        .values_list("id", "object_key", "size_bytes", "sha256")[:BATCH_SIZE]
    )
    items = [_SourceObject(*row) for row in rows]
    # Cancel scheduled deletions of older copies in the target before relying on them; skip those being deleted.
    going = cancel_deletion(migration.target_id, [item.key for item in items])
    items = [item for item in items if item.key not in going]
    schedule_deletion(
        [(migration.target_id, item.key) for item in items],
        reason=DeletionReason.UNFINISHED,
        after=UNFINISHED_COPY_GRACE,
    )
    return items


def _copy_batch(
    items: Sequence[_SourceObject], source: ObjectStore, target: ObjectStore
) -> list[_CopyResult]:
    with ThreadPoolExecutor(COPY_THREADS) as pool:
        return list(pool.map(lambda item: _copy(item, source, target), items))


def _copy(item: _SourceObject, source: ObjectStore, target: ObjectStore) -> _CopyResult:
    try:
        _put(item, source, target)
        # Not every store verifies checksums on upload, so the copy is read back before a row points at it.
        if target.sha256(item.key) != item.sha256:
            target.delete(item.key)
            _put(item, source, target)
            if target.sha256(item.key) != item.sha256:
                target.delete(item.key)
                return _CopyResult(item, Code.SEGMENT_CORRUPT.value, "The copy does not match the hash.")
        if text := stores.encryption_mismatch(target, target.head(item.key)):
            target.delete(item.key)
            return _CopyResult(item, Code.STORE_UNAVAILABLE.value, text, is_general=True)
    except _SourceDamaged as error:
        return _CopyResult(item, Code.SEGMENT_CORRUPT.value, str(error))
    except ObjectMissing:
        return _CopyResult(item, Code.SEGMENT_MISSING.value, "The object is missing in the source store.")
    except (StoreUnavailable, StoreRefused) as error:
        return _CopyResult(item, error.code.value, error.detail, is_general=True)
    except ControlPlaneError as error:
        return _CopyResult(item, error.code.value, error.detail)
    return _CopyResult(item)


class _SourceDamaged(Exception):
    """The source object does not have the committed hash."""


def _put(item: _SourceObject, source: ObjectStore, target: ObjectStore) -> None:
    try:
        with source.open(item.key) as chunks:
            target.put(item.key, chunks, size_bytes=item.size_bytes, sha256=item.sha256)
    except ObjectExists:
        return  # from an earlier attempt or a migration back; the caller verifies its hash
    except ObjectMismatch as error:
        raise _SourceDamaged(_describe_source(item, source)) from error


def _describe_source(item: _SourceObject, source: ObjectStore) -> str:
    digest, size = hashlib.sha256(), 0
    with source.open(item.key) as chunks:
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
    if digest.hexdigest() == item.sha256:
        return "The object could not be read completely; it is intact now."
    return f"Damaged in the source store: {size} of {item.size_bytes} bytes with a wrong hash."


def _repoint_segments(migration: StoreMigration, token: UUID, copied: Sequence[_CopyResult]) -> int | None:
    """Repoints the rows of verified copies to the target; None if another worker holds the lease now."""
    rows = StoreMigration.objects.filter(pk=migration.pk, state__in=OPEN_MIGRATION_STATES)
    if not renew(rows, token):
        return None
    good = [item.item for item in copied if not item.code]
    going = cancel_deletion(migration.target_id, [item.key for item in good])
    good = [item for item in good if item.key not in going]
    pointed = [
        item
        for item in good
        if Segment.objects.filter(store=migration.source_id, pk=item.segment_id, object_key=item.key).update(
            store_id=migration.target_id
        )
    ]
    schedule_deletion(
        [(migration.source_id, item.key) for item in pointed],
        reason=DeletionReason.MOVED,
        after=None if migration.state == MigrationState.COPYING else settings.STORE_GRACE,
        migration=migration,
    )
    # A segment whose row is gone belongs to a class destroyed meanwhile: its copy must not outlive it.
    left = {item.key for item in good} - {item.key for item in pointed}
    left -= set(Segment.objects.filter(object_key__in=left).values_list("object_key", flat=True))
    schedule_deletion([(migration.target_id, key) for key in sorted(left)], reason=DeletionReason.SHREDDED)
    MigrationFailure.objects.filter(
        migration=migration, segment_id__in=[item.segment_id for item in good]
    ).delete()
    for item in copied:
        if item.code and not item.is_general:
            _record_failure(migration, item)
    values: dict[str, object] = {
        "moved_segments": F("moved_segments") + len(pointed),
        "moved_bytes": F("moved_bytes") + sum(item.size_bytes for item in pointed),
    }
    general = next((item for item in copied if item.is_general), None)
    if general is None:
        rows.update(**values, error="", tries=0, retry_at=None)
    else:
        rows.update(**values)
        _suspend(migration, token, general.detail)
    return len(pointed)


def _record_failure(migration: StoreMigration, item: _CopyResult) -> None:
    fault, _ = MigrationFailure.objects.get_or_create(
        migration=migration,
        segment_id=item.item.segment_id,
        defaults={
            "studio_id": migration.studio_id,
            "object_key": item.item.key,
            "code": item.code,
            "retry_at": timezone.now(),
        },
    )
    fault.code, fault.detail, fault.tries = item.code, item.detail, fault.tries + 1
    fault.retry_at, fault.given_up = timezone.now() + _retry_delay(fault.tries), fault.tries >= MAX_ATTEMPTS
    fault.save(update_fields=["code", "detail", "tries", "retry_at", "given_up"])


def _suspend(migration: StoreMigration, token: UUID, error: str) -> None:
    row: StoreMigration = StoreMigration.objects.get(pk=migration.pk)
    release(
        StoreMigration.objects.filter(pk=migration.pk),
        token,
        error=error,
        tries=row.tries + 1,
        retry_at=timezone.now() + _retry_delay(row.tries + 1),
    )


def _retry_delay(tries: int) -> timedelta:
    return min(MAX_RETRY_DELAY, FIRST_RETRY_DELAY * (1 << min(tries - 1, 10)))


def _advance_state(migration: StoreMigration) -> None:
    """Advances the migration when its current phase is complete: all copied, then all old copies deleted."""
    left = Segment.objects.filter(store=migration.source_id)
    given_up = MigrationFailure.objects.filter(migration=migration, given_up=True)
    if left.exclude(pk__in=given_up.values("segment_id")).exists():
        return
    now = timezone.now()
    rows = StoreMigration.objects.filter(pk=migration.pk)
    if StoreMigration.transition_rows(rows, MigrationState.GRACE, copied_at=now):
        ObjectDeletion.objects.filter(migration=migration, due_at=None).update(
            due_at=now + settings.STORE_GRACE
        )
        record_for(
            STORE_MOVE_COPIED,
            migration,
            actor=SYSTEM,
            details={**_stores(migration), "left_behind": given_up.count()},
        )
        return
    through = rows.get()
    grace_over = through.copied_at is None or through.copied_at + settings.STORE_GRACE <= now
    if not grace_over or ObjectDeletion.objects.filter(migration=migration).exists():
        return
    if StoreMigration.transition_rows(rows, MigrationState.DONE, finished_at=now):
        record_for(
            STORE_MOVE_FINISHED,
            migration,
            actor=SYSTEM,
            details={**_stores(migration), "left_behind": given_up.count()},
        )


def _stores(migration: StoreMigration) -> dict[str, object]:
    """Returns the ids of both stores, as audit events hold them; empty: the studio's configured store."""
    return {"source": str(migration.source_id or ""), "target": str(migration.target_id or "")}
