"""The way of a studio's footage from one store to another, while classes are recorded and replayed.

New footage goes to the target from the first moment. Each segment is copied, read back from the target, and only then
does its row point there; the old copy stays until all is through and a time of grace is over. Before it is made a copy
is noted to be deleted, and the note goes when a row points at it: a worker that dies, or a move that is cancelled, leaves
a copy that the next one verifies, or that is cleared away. Bytes are handled outside of transactions.
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
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import Conflict, ControlPlaneError, StoreUnavailable
from control_plane.common.leases import claim, held, release
from control_plane.common.scoping import studio_scope
from control_plane.common.tasks import kick_named
from control_plane.recordings.models import Segment
from control_plane.storage import stores
from control_plane.storage.disposals import dispose, recall
from control_plane.storage.errors import ObjectExists, ObjectMismatch, ObjectMissing, StoreRefused
from control_plane.storage.models import (
    OPEN_MOVES,
    Disposal,
    DisposalReason,
    MoveFault,
    MoveState,
    StoreMove,
    StudioStore,
)
from control_plane.storage.objects import ObjectStore
from control_plane.storage.services import lock_storage, unfit
from control_plane.tenancy.models import Studio
from shared.protocol.errors import Code

SYSTEM = Actor.system("recordings.moves")
BATCH = 8
THREADS = 4
MOST_TRIES = 6
"""Of one object, before it is left where it is until somebody says otherwise."""
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
UNFINISHED = timedelta(hours=6)
"""After so long a copy that no row points at is deleted; a batch takes minutes."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One object to be copied."""

    segment_id: UUID
    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Copied:
    """How one copy went; `code` empty: it lies in the target, verified."""

    item: _Item
    code: str = ""
    detail: str = ""
    is_general: bool = False
    """The store as a whole does not answer or refuses: nothing is wrong with this object."""


def start_move(studio: Studio, target: StudioStore | None, *, actor: Actor) -> StoreMove:
    """Has new footage go to `target` (None: the platform's own) from now on, and all older footage follow.

    Raises:
        Conflict: it is there already, another move is under way, the store was not found fit, or it is outside the
            studio's region.
        NotFound, Forbidden: `actor` may not manage storage.
    """
    with studio_scope(studio.id):
        access.require(actor, access.Action.MANAGE_STORAGE, studio)
        chosen = lock_storage(studio.id)
        if target is not None:
            target = StudioStore.objects.get(pk=target.pk)
        target_id = target.id if target else None
        if StoreMove.objects.filter(state=MoveState.COPYING).exists():
            raise Conflict("A move is under way. Cancel it, or wait until everything is copied.")
        if chosen.store_id == target_id and not Segment.objects.exclude(store=target_id).exists():
            raise Conflict("All footage is there already.")
        if fault := unfit(target) or stores.region_fault(target, chosen.region):
            raise Conflict(fault)
        brings_rest = chosen.store_id == target_id
        source_id = _elsewhere(target_id) if brings_rest else chosen.store_id
        # What an earlier move still kept has been copied: its old copies go when their time comes, as noted.
        StoreMove.objects.filter(state=MoveState.GRACE).update(
            state=MoveState.DONE, finished_at=timezone.now()
        )
        found = Segment.objects.filter(store=source_id).aggregate(count=Count("id"), size=Sum("size_bytes"))
        move = StoreMove(
            studio=studio,
            source_id=source_id,
            target_id=target_id,
            brings_rest=brings_rest,
            total_segments=found["count"],
            total_bytes=found["size"] or 0,
            requested_by=actor.id if actor.kind is ActorKind.USER else None,
        )
        move.save(force_insert=True)
        chosen.store = target
        chosen.save(update_fields=["store"])
        _record(Act.STORE_MOVE_STARTED, move, actor, {"segments": move.total_segments})
        kick_named("control_plane.recordings.tasks.go_on_with_move", studio=studio.id, move_id=move.id)
    return move


def cancel_move(move: StoreMove, *, actor: Actor) -> StoreMove:
    """Ends the copying: new footage goes where it went before. What was moved stays where it is, and is replayed.

    Raises:
        Conflict: everything is copied already.
        NotFound, Forbidden: `actor` may not manage storage.
    """
    with studio_scope(move.studio_id):
        access.require(actor, access.Action.MANAGE_STORAGE, move)
        chosen = lock_storage(move.studio_id)
        if not move.brings_rest and (fault := stores.region_fault(move.source, chosen.region)):
            raise Conflict(fault)
        now = timezone.now()
        changed = StoreMove.objects.filter(pk=move.pk, state=MoveState.COPYING).update(
            state=MoveState.CANCELLED, finished_at=now, lease_token=None, lease_until=None
        )
        if not changed:
            raise Conflict("This move is not copying any more. Move the footage back instead.")
        if not move.brings_rest:
            chosen.store_id = move.source_id
            chosen.save(update_fields=["store"])
        Disposal.objects.filter(move=move, due_at=None).update(due_at=now + settings.STORE_GRACE)
        move.refresh_from_db()
        _record(Act.STORE_MOVE_CANCELLED, move, actor, {"moved": move.moved_segments})
    return move


def retry_faults(move: StoreMove, *, actor: Actor) -> None:
    """Has everything that could not be moved tried again at once.

    Raises:
        Conflict: the move is over.
        NotFound, Forbidden: `actor` may not manage storage.
    """
    with studio_scope(move.studio_id):
        access.require(actor, access.Action.MANAGE_STORAGE, move)
        now = timezone.now()
        open_ = StoreMove.objects.filter(pk=move.pk, state__in=OPEN_MOVES)
        if not open_.update(retry_at=None, tries=0, error=""):
            raise Conflict("This move is over. Begin another one to bring the rest along.")
        MoveFault.objects.filter(move=move).update(retry_at=now, given_up=False, tries=0)
        _record(Act.STORE_MOVE_RETRIED, move, actor, {})


def due_moves() -> list[UUID]:
    """Returns the moves of the studio in scope that something is to be done for now."""
    now = timezone.now()
    rows = StoreMove.objects.filter(state__in=OPEN_MOVES)
    rows = rows.exclude(retry_at__gt=now).exclude(lease_until__gt=now)
    return list(rows.values_list("id", flat=True))


def advance_move(studio_id: UUID, move_id: UUID, *, batches: int) -> int:
    """Copies up to `batches` batches of a move; returns how many segments were moved. 0 where nothing is to be done.

    Another worker on the same move is left alone. Every write is fenced by the lease.
    """
    with studio_scope(studio_id):
        rows = StoreMove.objects.filter(pk=move_id, state__in=OPEN_MOVES)
        token = claim(rows)
        if token is None:
            return 0
        move: StoreMove = StoreMove.objects.get(pk=move_id)
        try:
            source, target = stores.open_store(move.source_id), stores.open_store(move.target_id)
        except ControlPlaneError as error:
            _stand_still(move, token, error.detail or type(error).__name__)
            return 0
    moved = 0
    try:
        for _ in range(batches):
            with studio_scope(studio_id):
                items = _next(move)
            if not items:
                break
            copied = _copy_all(items, source, target)
            with studio_scope(studio_id):
                done = _point(move, token, copied)
            if done is None:
                return moved
            moved += done
            if any(item.is_general for item in copied):
                return moved
        with studio_scope(studio_id):
            _settle(move)
    finally:
        with studio_scope(studio_id):
            release(StoreMove.objects.filter(pk=move_id), token)
    return moved


def _elsewhere(target_id: UUID | None) -> UUID | None:
    """Returns a store, other than the target, that footage lies in: what a cancelled move left behind."""
    found: UUID | None = (
        Segment.objects.exclude(store=target_id).order_by("id").values_list("store_id", flat=True).first()
    )
    return found


def _next(move: StoreMove) -> list[_Item]:
    waiting = MoveFault.objects.filter(move=move).exclude(given_up=False, retry_at__lte=timezone.now())
    rows = (
        Segment.objects.filter(store=move.source_id)
        .exclude(pk__in=waiting.values("segment_id"))
        .order_by("id")
        .values_list("id", "object_key", "size_bytes", "sha256")[:BATCH]
    )
    items = [_Item(*row) for row in rows]
    # Older copies in the target are called back before anything counts on them; one that is going is passed over.
    going = recall(move.target_id, [item.key for item in items])
    items = [item for item in items if item.key not in going]
    dispose(
        [(move.target_id, item.key) for item in items], reason=DisposalReason.UNFINISHED, after=UNFINISHED
    )
    return items


def _copy_all(items: Sequence[_Item], source: ObjectStore, target: ObjectStore) -> list[_Copied]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda item: _copy(item, source, target), items))


def _copy(item: _Item, source: ObjectStore, target: ObjectStore) -> _Copied:
    try:
        _put(item, source, target)
        # Not every store checks what it is sent, so the copy is read back before anything points at it.
        if target.sha256(item.key) != item.sha256:
            target.delete(item.key)
            _put(item, source, target)
            if target.sha256(item.key) != item.sha256:
                target.delete(item.key)
                return _Copied(item, Code.SEGMENT_CORRUPT.value, "The copy came out as other bytes.")
        if text := stores.server_side_fault(target, target.head(item.key)):
            target.delete(item.key)
            return _Copied(item, Code.STORE_UNAVAILABLE.value, text, is_general=True)
    except _Damaged as error:
        return _Copied(item, Code.SEGMENT_CORRUPT.value, str(error))
    except ObjectMissing:
        return _Copied(item, Code.SEGMENT_MISSING.value, "The old store does not have this object.")
    except (StoreUnavailable, StoreRefused) as error:
        return _Copied(item, error.code.value, error.detail, is_general=True)
    except ControlPlaneError as error:
        return _Copied(item, error.code.value, error.detail)
    return _Copied(item)


class _Damaged(Exception):
    """The source does not hold what it should."""


def _put(item: _Item, source: ObjectStore, target: ObjectStore) -> None:
    try:
        with source.open(item.key) as chunks:
            target.put(item.key, chunks, size_bytes=item.size_bytes, sha256=item.sha256)
    except ObjectExists:
        return  # of an earlier try, or of the way back; the caller reads it
    except ObjectMismatch as error:
        raise _Damaged(_what_is_there(item, source)) from error


def _what_is_there(item: _Item, source: ObjectStore) -> str:
    digest, size = hashlib.sha256(), 0
    with source.open(item.key) as chunks:
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
    if digest.hexdigest() == item.sha256:
        return "The object could not be read whole; it is sound now."
    return f"Damaged in the old store: {size} of {item.size_bytes} bytes, and not of the hash they had on arrival."


def _point(move: StoreMove, token: UUID, copied: Sequence[_Copied]) -> int | None:
    """Lets the rows of verified copies point at the target; None where the lease is another's by now."""
    rows = StoreMove.objects.filter(pk=move.pk, state__in=OPEN_MOVES)
    if not held(rows, token):
        return None
    good = [item.item for item in copied if not item.code]
    going = recall(move.target_id, [item.key for item in good])
    good = [item for item in good if item.key not in going]
    pointed = [
        item
        for item in good
        if Segment.objects.filter(store=move.source_id, pk=item.segment_id, object_key=item.key).update(
            store_id=move.target_id
        )
    ]
    dispose(
        [(move.source_id, item.key) for item in pointed],
        reason=DisposalReason.MOVED,
        after=None if move.state == MoveState.COPYING else settings.STORE_GRACE,
        move=move,
    )
    # The class was destroyed meanwhile: its copy must not outlive it.
    left = {item.key for item in good} - {item.key for item in pointed}
    left -= set(Segment.objects.filter(object_key__in=left).values_list("object_key", flat=True))
    dispose([(move.target_id, key) for key in sorted(left)], reason=DisposalReason.SHREDDED)
    MoveFault.objects.filter(move=move, segment_id__in=[item.segment_id for item in good]).delete()
    for item in copied:
        if item.code and not item.is_general:
            _note_fault(move, item)
    values: dict[str, object] = {
        "moved_segments": F("moved_segments") + len(pointed),
        "moved_bytes": F("moved_bytes") + sum(item.size_bytes for item in pointed),
    }
    general = next((item for item in copied if item.is_general), None)
    if general is None:
        rows.update(**values, error="", tries=0, retry_at=None)
    else:
        rows.update(**values)
        _stand_still(move, token, general.detail)
    return len(pointed)


def _note_fault(move: StoreMove, item: _Copied) -> None:
    fault, _ = MoveFault.objects.get_or_create(
        move=move,
        segment_id=item.item.segment_id,
        defaults={
            "studio_id": move.studio_id,
            "object_key": item.item.key,
            "code": item.code,
            "retry_at": timezone.now(),
        },
    )
    fault.code, fault.detail, fault.tries = item.code, item.detail, fault.tries + 1
    fault.retry_at, fault.given_up = timezone.now() + _wait(fault.tries), fault.tries >= MOST_TRIES
    fault.save(update_fields=["code", "detail", "tries", "retry_at", "given_up"])


def _stand_still(move: StoreMove, token: UUID, error: str) -> None:
    row: StoreMove = StoreMove.objects.get(pk=move.pk)
    release(
        StoreMove.objects.filter(pk=move.pk),
        token,
        error=error,
        tries=row.tries + 1,
        retry_at=timezone.now() + _wait(row.tries + 1),
    )


def _wait(tries: int) -> timedelta:
    return min(LONGEST_WAIT, FIRST_WAIT * (1 << min(tries - 1, 10)))


def _settle(move: StoreMove) -> None:
    """Ends a phase that is through: all copied but for what was given up; then, after the grace, all old copies gone."""
    left = Segment.objects.filter(store=move.source_id)
    given_up = MoveFault.objects.filter(move=move, given_up=True)
    if left.exclude(pk__in=given_up.values("segment_id")).exists():
        return
    now = timezone.now()
    rows = StoreMove.objects.filter(pk=move.pk)
    if rows.filter(state=MoveState.COPYING).update(state=MoveState.GRACE, copied_at=now):
        Disposal.objects.filter(move=move, due_at=None).update(due_at=now + settings.STORE_GRACE)
        _record(Act.STORE_MOVE_COPIED, move, SYSTEM, {"left_behind": given_up.count()})
        return
    through = rows.get()
    grace_over = through.copied_at is None or through.copied_at + settings.STORE_GRACE <= now
    if not grace_over or Disposal.objects.filter(move=move).exists():
        return
    if rows.filter(state=MoveState.GRACE).update(state=MoveState.DONE, finished_at=now):
        _record(Act.STORE_MOVE_FINISHED, move, SYSTEM, {"left_behind": given_up.count()})


def _record(act: Act, move: StoreMove, actor: Actor, details: dict[str, object]) -> None:
    record(
        act,
        actor=actor,
        studio_id=move.studio_id,
        object_type="storage.StoreMove",
        object_id=move.id,
        details={
            "source": str(move.source_id or ""),
            "target": str(move.target_id or ""),
            **details,
        },
    )
