"""Tonight's part of the check of a studio's stores: the longest not looked at first, all of it in a told number of days.

By the ids of the segments it goes round and round; where it stands is a row (`StoreRound`), moved on after each part, so
that a worker that dies costs one part. Sizes come round each week, hashes every `THREEDANCE_CHECK_DAYS`.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from control_plane.access import access
from control_plane.common.errors import ControlPlaneError
from control_plane.common.scoping import studio_scope
from control_plane.integrity.damage import tell_of_damage
from control_plane.integrity.inspect import SYSTEM, recheck, segments_in, stores_in_use, walk
from control_plane.integrity.models import Depth, StoreRound
from control_plane.integrity.repairs import ask_boxes
from control_plane.tenancy.models import Studio

log = logging.getLogger(__name__)

SIZE_DAYS = 7
LEAST = 8
"""So many segments are looked at each night at least, where there are so many."""
MOST_S = 1200.0
"""For one store at one depth. What does not fit is the next night's, and the round takes longer than it should."""
NIGHT_S = 2700.0
"""For one studio: well under the hour after which the broker gives a kick to another worker as well."""


def check_tonight(studio_id: UUID, *, elapsed_s: Callable[[], float] = time.monotonic) -> None:
    """Looks at tonight's part of each store of a studio, and first at what is damaged so far; boxes are asked for the rest.

    A store that does not answer keeps back none of the others, and stays where it is in its round.

    Raises:
        Forbidden: never for the system's own task.
    """
    with studio_scope(studio_id):
        access.require(SYSTEM, access.Action.MAINTAIN, Studio.objects.get())
        used = stores_in_use()
    depths = [(Depth.SIZE, SIZE_DAYS)] + ([(Depth.HASH, settings.CHECK_DAYS)] if settings.CHECK_DAYS else [])
    night_s = elapsed_s() + NIGHT_S

    def until_s() -> float:
        return min(night_s, elapsed_s() + MOST_S)

    for store_id in used:
        try:
            _recheck(studio_id, store_id, until_s=until_s(), elapsed_s=elapsed_s)
            for depth, days in depths:
                _go_on(studio_id, store_id, depth, days, until_s=until_s(), elapsed_s=elapsed_s)
        except ControlPlaneError as error:
            log.error(
                "a store cannot be checked",
                extra={"studio": str(studio_id), "store": str(store_id or "ours"), "error": error.detail},
            )
    with studio_scope(studio_id):
        ask_boxes(actor=SYSTEM)
        tell_of_damage()


def _recheck(
    studio_id: UUID, store_id: UUID | None, *, until_s: float, elapsed_s: Callable[[], float]
) -> None:
    for _ in recheck(studio_id, store_id):
        if elapsed_s() >= until_s:
            return


def _go_on(
    studio_id: UUID,
    store_id: UUID | None,
    depth: Depth,
    days: int,
    *,
    until_s: float,
    elapsed_s: Callable[[], float],
) -> None:
    now = timezone.now()
    with studio_scope(studio_id):
        row, _ = StoreRound.objects.get_or_create(
            store_id=store_id, depth=depth, defaults={"studio_id": studio_id, "begun_at": now}
        )
        part = max(LEAST, -(-segments_in(store_id) // days))
    after: UUID | None = row.after
    looked = 0
    for found in walk(studio_id, store_id, depth, after=after, at_once=part):
        looked += len(found.seen)
        if not _move_on(studio_id, row, after, found.after):
            return  # another worker goes this way
        after = found.after
        if looked >= part or elapsed_s() >= until_s:
            return
    _move_on(studio_id, row, after, None, finished_at=timezone.now(), begun_at=now)


def _move_on(
    studio_id: UUID, row: StoreRound, before: UUID | None, after: UUID | None, **values: datetime
) -> bool:
    with studio_scope(studio_id):
        return bool(StoreRound.objects.filter(pk=row.pk, after=before).update(after=after, **values))
