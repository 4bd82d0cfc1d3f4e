"""Ends exports: the key first, then the objects of the package; the row stays as a record until its class goes."""

from django.db.models import QuerySet
from django.utils import timezone

from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.exports.audit_events import EXPORT_ENDED
from control_plane.exports.models import KEPT, Export, ExportPart, ExportState, Failure
from control_plane.exports.selectors import exports_of_dancer
from control_plane.keys.models import KeyTombstone, TombstoneKind
from control_plane.keys.services.tombstones import record_tombstone
from control_plane.people.events import DancerErased
from control_plane.recordings.events import ClassShredded, FootageDestroyed, StoreRetiring
from control_plane.storage.deletion_queue import schedule_deletion
from control_plane.storage.models import DeletionReason

SYSTEM = Actor.system("exports.sweep")


def end_export(
    export: Export, state: ExportState, *, reason: str, actor: Actor, failure: Failure | None = None
) -> bool:
    """Ends an export, in studio scope; returns False if it had ended already. The caller has checked `access`.

    One transaction empties the wrapped keys, writes the tombstone and queues the objects. The share of the key is
    destroyed after its commit, so that no backup opens the package.
    """
    mine = Export.objects.filter(pk=export.pk, state__in=KEPT)
    values = {
        "wrapped_key": b"",
        "wrapped_content_key": b"",
        "failure": failure or "",
        "finished_at": timezone.now(),
        "lease_token": None,
        "lease_until": None,
    }
    if not Export.transition_rows(mine, state, **values):
        return False
    record_tombstone(TombstoneKind.EXPORT, export.id, reason=reason, actor=actor, studio_id=export.studio_id)
    KeyTombstone.objects.filter(kind=TombstoneKind.EXPORT, object_id=export.id).update(
        removed_at=timezone.now()
    )
    drop_parts(export)
    details = {"export": str(export.id), "state": state.value, "failure": failure.value if failure else ""}
    record_for(EXPORT_ENDED, export.class_session, actor=actor, details=details)
    return True


def drop_parts(export: Export) -> None:
    """Queues the objects of a package for deletion, and removes their rows."""
    parts = ExportPart.objects.filter(export=export)
    schedule_deletion(list(parts.values_list("store_id", "object_key")), reason=DeletionReason.SHREDDED)
    parts.delete()


def expire_due() -> int:
    """Ends the exports of the studio in scope whose time is over; returns their number."""
    due = Export.objects.filter(state=ExportState.READY, expires_at__lte=timezone.now())
    return sum(
        end_export(row, ExportState.EXPIRED, reason="This export has expired.", actor=SYSTEM)
        for row in due.select_for_update(of=("self",), skip_locked=True).select_related("class_session")
    )


def remove_of_class(event: ClassShredded) -> None:
    """Ends and removes the exports of a destroyed or expired class."""
    for row in Export.objects.filter(class_session_id=event.class_session_id).select_for_update(of=("self",)):
        end_export(row, ExportState.CANCELLED, reason="Its class was destroyed.", actor=SYSTEM)
        row.delete()


def end_of_footage(event: FootageDestroyed) -> None:
    """Ends the exports of a class that a person destroys, in the same transaction; `remove_of_class` follows.

    Of a destroyed studio it empties the keys only, so that no new key of the studio wraps them again.
    """
    if event.class_session_id is None:
        Export.objects.update(wrapped_key=b"", wrapped_content_key=b"")
        return
    rows = Export.objects.filter(class_session_id=event.class_session_id, state__in=KEPT)
    _end(rows, reason="Its class was destroyed.", actor=event.actor)


def end_of_dancer(event: DancerErased) -> None:
    """Ends the exports that show a dancer who is erased, also of classes whose recording is kept."""
    rows = exports_of_dancer(event.dancer_id).filter(state__in=KEPT)
    _end(rows, reason="A dancer was erased.", actor=SYSTEM)


def leave_store(event: StoreRetiring) -> None:
    """Ends the exports that lie in a store that is about to be retired: they can be made again."""
    ids = ExportPart.objects.filter(store_id=event.store_id).values("export_id")
    _end(Export.objects.filter(pk__in=ids), reason="Its store was retired.", actor=SYSTEM)


def _end(rows: QuerySet[Export], *, reason: str, actor: Actor) -> None:
    for row in rows.select_for_update(of=("self",)).select_related("class_session"):
        end_export(row, ExportState.CANCELLED, reason=reason, actor=actor)
