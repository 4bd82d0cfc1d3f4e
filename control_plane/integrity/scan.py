"""Nightly integrity scan: one part of each store per night, all of it in a fixed number of days.

The scan cycles through the segments by id. Its position is a row (`IntegrityScan`) that advances after each chunk, so a
worker that dies costs one chunk. Sizes are checked every week, hashes every `THREEDANCE_CHECK_DAYS`.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from control_plane.access import access
from control_plane.access.permissions import MAINTAIN
from control_plane.common.errors import ControlPlaneError
from control_plane.common.scoping import studio_scope
from control_plane.integrity.damage import notify_admins_of_damage
from control_plane.integrity.inspect import SYSTEM, count_segments, recheck, scan_segments, stores_in_use
from control_plane.integrity.models import IntegrityScan, ScanDepth
from control_plane.integrity.repairs import request_resends
from control_plane.tenancy.models import Studio

log = logging.getLogger(__name__)

SIZE_DAYS = 7
MIN_SEGMENTS_PER_NIGHT = 8
"""Least number of segments per night, if the store has that many."""
MAX_SCAN_S = 1200.0
"""Per store and depth. The rest waits for the next night, and the cycle takes longer than planned."""
NIGHT_S = 2700.0
"""Per studio: well under the hour after which the broker redelivers an unacknowledged task."""


def run_nightly_scan(studio_id: UUID, *, elapsed_s: Callable[[], float] = time.monotonic) -> None:
    """Scans tonight's part of each store of a studio, after a recheck of known damage; then requests resends from agents.

    A store that does not answer delays none of the others and keeps its scan position.

    Raises:
        Forbidden: never for the system's own task.
    """
    with studio_scope(studio_id):
        access.require(SYSTEM, MAINTAIN, Studio.objects.get())
        used = stores_in_use()
    depths = [(ScanDepth.SIZE, SIZE_DAYS)] + (
        [(ScanDepth.HASH, settings.CHECK_DAYS)] if settings.CHECK_DAYS else []
    )
    night_s = elapsed_s() + NIGHT_S

    def until_s() -> float:
        return min(night_s, elapsed_s() + MAX_SCAN_S)

    for store_id in used:
        try:
            _recheck(studio_id, store_id, until_s=until_s(), elapsed_s=elapsed_s)
            for depth, days in depths:
                _continue_scan(studio_id, store_id, depth, days, until_s=until_s(), elapsed_s=elapsed_s)
        except ControlPlaneError as error:
            log.error(
                "store scan failed",
                extra={"studio": str(studio_id), "store": str(store_id or "platform"), "error": error.detail},
            )
    with studio_scope(studio_id):
        request_resends(actor=SYSTEM)
        notify_admins_of_damage()


def _recheck(
    studio_id: UUID, store_id: UUID | None, *, until_s: float, elapsed_s: Callable[[], float]
) -> None:
    for _ in recheck(studio_id, store_id):
        if elapsed_s() >= until_s:
            return


def _continue_scan(
    studio_id: UUID,
    store_id: UUID | None,
    depth: ScanDepth,
    days: int,
    *,
    until_s: float,
    elapsed_s: Callable[[], float],
) -> None:
    now = timezone.now()
    with studio_scope(studio_id):
        row, _ = IntegrityScan.objects.get_or_create(
            store_id=store_id, depth=depth, defaults={"studio_id": studio_id, "begun_at": now}
        )
        part = max(MIN_SEGMENTS_PER_NIGHT, -(-count_segments(store_id) // days))
    after: UUID | None = row.after
    looked = 0
    for found in scan_segments(studio_id, store_id, depth, after=after, at_once=part):
        looked += len(found.seen)
        if not _advance(studio_id, row, after, found.after):
            return  # another worker advanced this scan
        after = found.after
        if looked >= part or elapsed_s() >= until_s:
            return
    _advance(studio_id, row, after, None, finished_at=timezone.now(), begun_at=now)


def _advance(
    studio_id: UUID, row: IntegrityScan, before: UUID | None, after: UUID | None, **values: datetime
) -> bool:
    with studio_scope(studio_id):
        return bool(IntegrityScan.objects.filter(pk=row.pk, after=before).update(after=after, **values))
