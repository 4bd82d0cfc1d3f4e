"""Leases of jobs. A job is a row; the holder of its token works on it, and a worker that dies loses it by timeout.

Every write of a worker goes through `renew`, so a worker that has outlived its lease cannot change anything.
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
    """One job. `lease_token` null: nobody works on it. `heartbeat_at`: when a worker last renewed its lease."""

    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    heartbeat_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True


def claim(rows: QuerySet[Any], *, lease: timedelta = LEASE) -> UUID | None:
    """Takes the lease of the one row in `rows`; None if another worker holds it. Of parallel calls one succeeds."""
    now, token = timezone.now(), uuid4()
    free = rows.filter(Q(lease_token=None) | Q(lease_until__lt=now))
    won = free.update(lease_token=token, lease_until=now + lease, heartbeat_at=now)
    return token if won else None


def renew(rows: QuerySet[Any], token: UUID, *, lease: timedelta = LEASE, **values: Any) -> bool:
    """Renews a lease and writes `values`. Returns False and writes nothing if the lease belongs to another worker."""
    now = timezone.now()
    return bool(rows.filter(lease_token=token).update(lease_until=now + lease, heartbeat_at=now, **values))


def release(rows: QuerySet[Any], token: UUID, **values: Any) -> bool:
    """Ends a lease and writes `values`. Returns False and writes nothing if the lease belongs to another worker."""
    return bool(
        rows.filter(lease_token=token).update(
            lease_token=None, lease_until=None, heartbeat_at=timezone.now(), **values
        )
    )
