"""Takes checkpoints, copies them to the sinks, and returns the parts that concern one studio."""

import json
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.core.cache import cache
from django.db import connection
from django.db.models import Max
from django.utils import timezone

from control_plane.audit.chain import GENESIS, canonical_json
from control_plane.audit.checkpoints import (
    NOTHING_BEFORE,
    Head,
    read_checkpoint,
    receipt_for,
    write_checkpoint,
)
from control_plane.audit.models import ChainHead
from control_plane.audit.services import chain_scope
from control_plane.common.errors import ControlPlaneError
from control_plane.common.scoping import capability_scope
from control_plane.compliance.checkpoint_sinks import CheckpointSink, configured_sinks
from control_plane.compliance.models import Checkpoint, CheckpointCopy
from control_plane.compliance.signing import signing_key
from control_plane.tenancy.selectors import studio_ids

log = logging.getLogger(__name__)

CHECKPOINT_INTERVAL = timedelta(hours=1)
LATE_AFTER = timedelta(hours=2)
MAX_COPIES_PER_RUN = 200
LATE_CACHE_S = 60
_LOCK = 0x3DA0D17
_NEWEST = "compliance.newest_checkpoint"


@dataclass(frozen=True)
class CheckpointStatus:
    """State of the checkpoints. `taken_at` None: none yet. `away_at`: the newest copied off this machine.

    `since`: when checkpoints began to be due; for `LATE_AFTER` after it nothing is late. None: long ago.
    """

    number: int
    taken_at: datetime | None
    away_at: datetime | None
    sinks: tuple[str, ...]
    leaves: bool
    since: datetime | None = None

    @property
    def is_late(self) -> bool:
        """Whether the last one is older than `LATE_AFTER`, so beat or the worker does not run."""
        return self._is_old(self.taken_at)

    @property
    def copy_is_late(self) -> bool:
        """Whether the sinks do not get the checkpoints."""
        return self.leaves and self._is_old(self.away_at)

    def _is_old(self, newest_at: datetime | None) -> bool:
        at = newest_at or self.since
        return at is None or at < timezone.now() - LATE_AFTER


def take_checkpoint_when_due() -> int | None:
    """Takes a checkpoint if the last is an hour old; returns its number, or None.

    After a downtime one checkpoint covers all missed hours. A checkpoint cannot be backdated.

    Raises:
        SigningKeyRefused: there is no signing key.
    """
    if not _is_due():
        return None
    key, heads = signing_key(), list(_heads())
    with _checkpoint_scope(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        if not _is_due():
            return None
        last = Checkpoint.objects.first()
        number, previous = (last.number + 1, last.sha256) if last else (1, NOTHING_BEFORE)
        now = timezone.now()
        document = write_checkpoint(number, now, previous, heads, key)
        Checkpoint.objects.create(
            number=number,
            taken_at=now,
            sha256=read_checkpoint(document).sha256,
            body=canonical_json(document, "checkpoint").decode(),
        )
    return int(number)


def copy_to_sinks() -> int:
    """Copies every checkpoint to each sink that lacks it, oldest first; returns the number of copies.

    A sink that fails is retried at the next call; the others are not affected.
    """
    made = 0
    for sink in configured_sinks():
        with _checkpoint_scope():
            had = CheckpointCopy.objects.filter(sink=sink.name).values("checkpoint_id")
            waiting = list(Checkpoint.objects.exclude(pk__in=had).order_by("number")[:MAX_COPIES_PER_RUN])
        for checkpoint in waiting:
            if not _copy_checkpoint(checkpoint, sink):
                break
            made += 1
    return made


def checkpoint_status(since: datetime | None = None) -> CheckpointStatus:
    """Returns the state of the checkpoints; `since`: when they began to be due, None: long ago."""
    named = configured_sinks()
    away = [sink.name for sink in named if sink.leaves]
    with _checkpoint_scope():
        last = Checkpoint.objects.values_list("number", "taken_at").first()
        copied = (
            CheckpointCopy.objects.filter(sink__in=away)
            .order_by("-checkpoint__number")
            .values_list("checkpoint__taken_at", flat=True)
            .first()
        )
    return CheckpointStatus(
        number=last[0] if last else 0,
        taken_at=last[1] if last else None,
        away_at=copied,
        sinks=tuple(sink.name for sink in named),
        leaves=bool(away),
        since=since,
    )


def are_late(since: datetime) -> bool:
    """Returns whether no checkpoints are taken, checked at most once a minute; `since`: when they began to be due.

    Beat starts checkpoints, anomaly detection and all sweeps. So if this is true, none of them runs.
    """
    taken_at: datetime | None = cache.get(_NEWEST)
    if taken_at is None:
        with _checkpoint_scope():
            taken_at = Checkpoint.objects.aggregate(newest=Max("taken_at"))["newest"]
        if taken_at is not None:
            cache.set(_NEWEST, taken_at, LATE_CACHE_S)
    return (taken_at or since) < timezone.now() - LATE_AFTER


def receipts(studio_id: UUID | None, *, newest: int = 24 * 31) -> Iterator[bytes]:
    """Yields the parts of the newest checkpoints that concern one chain, oldest first; one line of JSON each."""
    with _checkpoint_scope():
        bodies = list(Checkpoint.objects.order_by("-number").values_list("body", flat=True)[:newest])
    for body in reversed(bodies):
        receipt = receipt_for(studio_id, json.loads(body))
        if receipt is not None:
            yield canonical_json(receipt, "receipt") + b"\n"


def _copy_checkpoint(checkpoint: Checkpoint, sink: CheckpointSink) -> bool:
    try:
        sink.put(checkpoint.number, checkpoint.body)
    except (ControlPlaneError, OSError) as error:
        log.error(
            "checkpoint was not copied to a sink",
            extra={"number": checkpoint.number, "sink": sink.name, "error": type(error).__name__},
        )
        return False
    with _checkpoint_scope():
        CheckpointCopy.objects.bulk_create(
            [CheckpointCopy(checkpoint=checkpoint, sink=sink.name)], ignore_conflicts=True
        )
    return True


def _is_due() -> bool:
    with _checkpoint_scope():
        return not Checkpoint.objects.filter(taken_at__gt=timezone.now() - CHECKPOINT_INTERVAL).exists()


def _heads() -> Iterator[Head]:
    for studio_id in (None, *studio_ids("checkpoint")):
        with chain_scope(studio_id):
            head = ChainHead.objects.first()
            found = (head.sequence, bytes(head.hash)) if head else (0, GENESIS)
        yield Head(studio_id, *found)


def _checkpoint_scope() -> AbstractContextManager[None]:
    return capability_scope("platform_checkpoints", "on")
