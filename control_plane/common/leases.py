"""A job is a row with a lease: whoever holds the token works on it, and a worker that dies loses it by the clock.

Every write of a worker goes through `held`, so one that slept past its lease changes nothing any more.
"""

from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from django.db import models
from django.db.models import Q, QuerySet
from django.utils import timezone

L = TypeVar("L", bound="Leased")

LEASE = timedelta(seconds=60)


class Leased(models.Model):
    """One job. `lease_token` null: nobody works on it; `heartbeat_at` is the last sign of life of whoever did."""

    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    heartbeat_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True


def claim(rows: QuerySet[Any], *, lease: timedelta = LEASE) -> UUID | None:
    """Takes the lease of the one row in `rows`; None where another worker holds it. Of many, one wins."""
    now, token = timezone.now(), uuid4()
    free = rows.filter(Q(lease_token=None) | Q(lease_until__lt=now))
    won = free.update(lease_token=token, lease_until=now + lease, heartbeat_at=now)
    return token if won else None


def held(rows: QuerySet[Any], token: UUID, *, lease: timedelta = LEASE, **values: Any) -> bool:
    """Renews a lease and writes `values` with it; False where it is another worker's by now, and nothing is written."""
    now = timezone.now()
    return bool(rows.filter(lease_token=token).update(lease_until=now + lease, heartbeat_at=now, **values))


def release(rows: QuerySet[Any], token: UUID, **values: Any) -> bool:
    """Gives a lease back and writes `values` with it; False where it is another worker's by now."""
    return bool(
        rows.filter(lease_token=token).update(
            lease_token=None, lease_until=None, heartbeat_at=timezone.now(), **values
        )
    )
