"""Rate limits of costly actions of people: mail, permanent rows, notifications of every agent.

The audit log is the counter. Each of these actions has an audit event, whether it came from portal, API or admin site, so
none is missed and a restarted cache loses nothing. An action beyond its limit raises, which rolls back its transaction.
"""

import math
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from control_plane.audit.events import AuditEvent, Rate
from control_plane.audit.selectors import entries
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import TooManyRequests
from control_plane.common.scoping import current_studio_id
from control_plane.tenancy.audit_events import MEMBER_ADDED

_LOCKS = 0x90B
"""First key of this module's advisory locks; `plans.quotas` uses 0x90A."""


RATES: dict[AuditEvent, Rate] = {event: event.rate for event in AuditEvent.all() if event.rate is not None}
PROBES = Rate(60, 120)
"""Counted by rows, because the audit event of a store probe is written by the job that ran it."""
UNPROVEN = Rate(500, 500, timedelta(days=1))
"""Members that may join a studio per day before it creates no more accounts for unproven addresses."""
MAILS_PER_RECIPIENT = Rate(6, 120)
"""Mails about their membership that one person gets from one studio, and that the studio sends to all."""


def require_rate(act: AuditEvent, *, actor: Actor, adding: int = 1) -> None:
    """Checks that a person may do `act` (`adding` times) in the studio in scope. Agents and jobs have no limit.

    Holds a lock for this kind of action until the transaction ends. Call it in the transaction that acts, after `access`.

    Raises:
        TooManyRequests: the limit of the person or the studio is exceeded; says how long to wait.
    """
    rate = RATES[act]
    if actor.kind is not ActorKind.USER:
        return
    with connection.cursor() as cursor:
        number = crc32(current_studio_id().bytes + act.encode())
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCKS, number - (1 << 31)])
    now = timezone.now()
    found = entries().filter(action=act, occurred_at__gt=now - rate.within)
    times = found.order_by("-occurred_at", "-sequence").values_list("occurred_at", flat=True)
    _require(times.filter(actor_id=actor.id), rate.by_person - adding, rate.within, now)
    _require(times, rate.in_studio - adding, rate.within, now)


def require_rows(made: QuerySet[Any], rate: Rate, *, actor: Actor) -> None:
    """Checks that a person may create one more row, counted by the rows (`created_at`, `requested_by`).

    Raises:
        TooManyRequests: as `require_rate`.
    """
    if actor.kind is not ActorKind.USER:
        return
    now = timezone.now()
    times = made.filter(created_at__gt=now - rate.within).order_by("-created_at")
    own = times.filter(requested_by=actor.id).values_list("created_at", flat=True)
    _require(own, rate.by_person - 1, rate.within, now)
    _require(times.values_list("created_at", flat=True), rate.in_studio - 1, rate.within, now)


def require_unproven_rate() -> None:
    """Checks that the studio in scope may create one more account for an unproven address.

    Such an account blocks the address for others until its owner proves it by mail. So there is a daily limit for all
    admins, API keys and providers together.

    Raises:
        TooManyRequests: `UNPROVEN` members have joined within a day.
    """
    now = timezone.now()
    joined = entries().filter(action=MEMBER_ADDED, occurred_at__gt=now - UNPROVEN.within)
    times = joined.order_by("-occurred_at", "-sequence").values_list("occurred_at", flat=True)
    _require(times, UNPROVEN.in_studio - 1, UNPROVEN.within, now)


def may_mail(object_id: str, acts: tuple[AuditEvent, ...]) -> bool:
    """Returns whether one more mail about `acts` may go to the person of a membership. Only the mail is limited.

    Call it after the audit event, which counts itself.
    """
    since = timezone.now() - MAILS_PER_RECIPIENT.within
    found = entries().filter(action__in=list(acts), occurred_at__gt=since)
    to_one = found.filter(object_id=object_id)
    return to_one.count() <= MAILS_PER_RECIPIENT.by_person and found.count() <= MAILS_PER_RECIPIENT.in_studio


def _require(times: QuerySet[Any], most: int, within: timedelta, now: datetime) -> None:
    """Raises if there are more than `most` of `times` (newest first), until the oldest beyond `most` leaves the window."""
    if most < 0:
        raise TooManyRequests("This adds more than is allowed within an hour.", retry_after_s=3600)
    for at in times[most : most + 1]:
        wait_s = max(1, math.ceil((at + within - now).total_seconds()))
        minutes, period = math.ceil(wait_s / 60), "an hour" if within <= timedelta(hours=1) else "a day"
        raise TooManyRequests(
            f"Too many within {period}. Try again in {minutes} minute{'s' * (minutes != 1)}.",
            retry_after_s=wait_s,
        )
