"""What was announced and never sent, what was set aside long ago, and unfinished writes: swept at night, bounded.

Nothing is listed in a store: each object is one that a row names. What a box still holds it announces again, so a row
that goes too early costs a question and no footage.
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from control_plane.access import access
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.ingest.models import PendingSegment, QuarantinedSegment
from control_plane.recordings.models import Segment
from control_plane.storage.configured import object_store
from control_plane.storage.disposals import dispose
from control_plane.storage.local import LocalStore
from control_plane.storage.models import DisposalReason
from control_plane.tenancy.models import Studio

SYSTEM = Actor.system("ingest.sweep")
PENDING_AGE = timedelta(days=1)
"""What an agent still holds it announces again before it sends it, however long it was away: then its row is made anew, and
an object that lies there already is called back."""
QUARANTINE_AGE = timedelta(days=90)
INCOMING_AGE = timedelta(days=1)
MOST = 5000


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep of one studio took, or would take."""

    pending: int
    quarantined: int


def sweep_studio(studio_id: UUID, *, dry_run: bool = False, most: int = MOST) -> Swept:
    """Drops rows of a studio that nothing will come of, and notes their objects to be deleted.

    Args:
        dry_run: only counts.
        most: rows of each kind in one run; the rest follows the next night.

    Raises:
        Forbidden: never for the system's own sweep.
    """
    now = timezone.now()
    with studio_scope(studio_id):
        access.require(SYSTEM, access.Action.MAINTAIN, Studio.objects.get())
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
            dispose(
                [(store_id, key) for _, store_id, key in rows if key not in known],
                reason=DisposalReason.NEVER_SENT,
                after=timedelta(hours=1),
            )
            PendingSegment.objects.filter(pk__in=[id_ for id_, _, _ in rows]).delete()
            QuarantinedSegment.objects.filter(pk__in=old).delete()
            record(
                Act.UPLOADS_SWEPT,
                actor=SYSTEM,
                studio_id=studio_id,
                object_type="tenancy.Studio",
                object_id=studio_id,
                details={"pending": len(rows), "quarantined": len(old)},
            )
    return Swept(len(rows), len(old))


def sweep_incoming(*, dry_run: bool = False, most: int = MOST) -> int:
    """Removes unfinished writes of the local store that are a day old: what a kill or a power cut has left."""
    store = object_store()
    if not isinstance(store, LocalStore):
        return 0
    return store.sweep_incoming(
        before_s=time.time() - INCOMING_AGE.total_seconds(), most=most, dry_run=dry_run
    )
