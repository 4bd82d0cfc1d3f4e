"""Nightly sweep of uncommitted segments, old quarantined manifests and unfinished writes, bounded per run.

Objects are found by rows, never by a LIST of the store. An agent announces again the segments that it still holds, so a
row that is deleted too early costs one request and no footage.
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from control_plane.access import access
from control_plane.access.permissions import MAINTAIN
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.ingest.audit_events import UPLOADS_SWEPT
from control_plane.ingest.models import PendingSegment, QuarantinedSegment
from control_plane.recordings.models import Segment
from control_plane.storage.configured import object_store
from control_plane.storage.deletion_queue import schedule_deletion
from control_plane.storage.local import LocalStore
from control_plane.storage.models import DeletionReason
from control_plane.tenancy.models import Studio

SYSTEM = Actor.system("ingest.sweep_uploads")
PENDING_AGE = timedelta(days=1)
"""An agent announces a segment again before it sends it, however long it was offline. That recreates the row and cancels
the deletion of an existing object."""
QUARANTINE_AGE = timedelta(days=90)
INCOMING_AGE = timedelta(days=1)
MOST = 5000


@dataclass(frozen=True, slots=True)
class SweepResult:
    """Rows that a sweep of one studio removed, or would remove."""

    pending: int
    quarantined: int


def sweep_studio(studio_id: UUID, *, dry_run: bool = False, most: int = MOST) -> SweepResult:
    """Deletes the expired rows of a studio, and schedules deletion of their objects.

    Args:
        dry_run: only counts.
        most: maximum rows of each kind in one run; the rest follows the next night.

    Raises:
        Forbidden: never for the system's own sweep.
    """
    now = timezone.now()
    with studio_scope(studio_id):
        access.require(SYSTEM, MAINTAIN, Studio.objects.get())
        pending = PendingSegment.objects.filter(created_at__lt=now - PENDING_AGE)
        rows = list(pending.order_by("id").values_list("id", "store_id", "object_key")[:most])
        aside = QuarantinedSegment.objects.filter(created_at__lt=now - QUARANTINE_AGE)
        old = list(aside.order_by("id").values_list("id", flat=True)[:most])
        if not dry_run and (rows or old):
            known = set(
                Segment.objects.filter(object_key__in=[key for _, _, key in rows]).values_list(
                    "object_key", flat=True
                )
            )
            schedule_deletion(
                [(store_id, key) for _, store_id, key in rows if key not in known],
                reason=DeletionReason.NEVER_SENT,
                after=timedelta(hours=1),
            )
            PendingSegment.objects.filter(pk__in=[id_ for id_, _, _ in rows]).delete()
            QuarantinedSegment.objects.filter(pk__in=old).delete()
            record(
                UPLOADS_SWEPT,
                actor=SYSTEM,
                studio_id=studio_id,
                object_type="tenancy.Studio",
                object_id=studio_id,
                details={"pending": len(rows), "quarantined": len(old)},
            )
    return SweepResult(len(rows), len(old))


def sweep_incoming(*, dry_run: bool = False, most: int = MOST) -> int:
    """Deletes unfinished writes of the local store older than a day, left by a kill or a power cut."""
    store = object_store()
    if not isinstance(store, LocalStore):
        return 0
    return store.sweep_incoming(
        before_s=time.time() - INCOMING_AGE.total_seconds(), most=most, dry_run=dry_run
    )
