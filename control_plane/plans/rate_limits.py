"""How often a person may do what costs others something: mail, rows that stay, a push to every box.

The audit log counts: each of these acts is an event of it, whichever way it came (portal, API, admin site), so that no
way is forgotten, and a restarted cache forgets nothing. An act beyond its rate raises, and is undone with its transaction.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from control_plane.audit.catalogue import Action as Act
from control_plane.audit.selectors import entries
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import TooManyRequests
from control_plane.common.scoping import current_studio_id

_LOCKS = 0x90B
"""First key of this module's advisory locks (`plans.quotas` has the one before)."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many acts one person, and all people of one studio, may do `within` a time."""

    by_person: int
    in_studio: int
    within: timedelta = timedelta(hours=1)


RATES: dict[Act, Rate] = {
    # A mail to somebody who may never have heard of the studio.
    Act.INVITATION_SENT: Rate(60, 120),
    # It opens an account.
    Act.MEMBER_LINK_MADE: Rate(20, 60),
    # Each makes a key share and notifies every agent.
    Act.STUDIO_KEY_MADE: Rate(6, 6),
    # A mail to each admin.
    Act.BREAK_GLASS_OPENED: Rate(20, 40),
    # Rows that stay, and no plan counts.
    Act.API_KEY_MADE: Rate(60, 120),
    Act.ROOM_CREATED: Rate(120, 240),
    Act.PROVIDER_ADDED: Rate(30, 60),
    Act.AGENT_PAIRING_STARTED: Rate(300, 600),
    Act.CAMERA_CREATED: Rate(5_000, 10_000),
    Act.CLASS_STARTED: Rate(300, 600),
    Act.DANCER_ADDED: Rate(10_000, 20_000),
    Act.GUARDIANSHIP_STARTED: Rate(2_000, 4_000),
    Act.GRANT_GIVEN: Rate(1_000, 2_000),
    Act.DENIAL_GIVEN: Rate(1_000, 2_000),
    # It reads the whole log.
    Act.AUDIT_EXPORTED: Rate(60, 120),
}
PROBES = Rate(60, 120)
"""A trial of a store is on record when it ends, by the job that ran it: its rows are counted."""
UNPROVEN = Rate(500, 500, timedelta(days=1))
"""How many people may join a studio within a day before it makes no more accounts for addresses that nobody has proven."""
MAILS_PER_RECIPIENT = Rate(6, 120)
"""How many mails about their membership one person gets from one studio, and how many the studio sends to all."""


def require_rate(act: Act, *, actor: Actor, adding: int = 1) -> None:
    """Return where a person may do `act` once more (`adding` times) in the studio in scope; boxes and jobs always may.

    Until the transaction ends nobody else counts the same: call it in the transaction that acts, after `access`.

    Raises:
        TooManyRequests: the person, or the studio, did it too often; says how long to wait.
    """
    rate = RATES[act]
    if actor.kind is not ActorKind.USER:
        return
    with connection.cursor() as cursor:
        number = crc32(current_studio_id().bytes + act.value.encode())
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCKS, number - (1 << 31)])
    now = timezone.now()
    found = entries().filter(action=act.value, occurred_at__gt=now - rate.within)
    times = found.order_by("-occurred_at", "-sequence").values_list("occurred_at", flat=True)
    _require(times.filter(actor_id=actor.id), rate.by_person - adding, rate.within, now)
    _require(times, rate.in_studio - adding, rate.within, now)


def require_rows(made: QuerySet[Any], rate: Rate, *, actor: Actor) -> None:
    """Return where a person may make one more row, counted by the rows themselves (`created_at`, `requested_by`).

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
    """Return where the studio in scope may make one more account for an address that nobody has proven.

    Such an account keeps the address from others until its owner proves it by mail, so there is a bound a day,
    whichever admin, program or provider makes them.

    Raises:
        TooManyRequests: it made `UNPROVEN` of members within a day.
    """
    now = timezone.now()
    joined = entries().filter(action=Act.MEMBER_ADDED.value, occurred_at__gt=now - UNPROVEN.within)
    times = joined.order_by("-occurred_at", "-sequence").values_list("occurred_at", flat=True)
    _require(times, UNPROVEN.in_studio - 1, UNPROVEN.within, now)


def may_mail(object_id: str, acts: tuple[Act, ...]) -> bool:
    """Say whether one more mail about `acts` may go to the person of a membership: it is held back, the act is not.

    Call it after the act was recorded: the act itself counts.
    """
    since = timezone.now() - MAILS_PER_RECIPIENT.within
    found = entries().filter(action__in=[act.value for act in acts], occurred_at__gt=since)
    to_one = found.filter(object_id=object_id)
    return to_one.count() <= MAILS_PER_RECIPIENT.by_person and found.count() <= MAILS_PER_RECIPIENT.in_studio


def _require(times: QuerySet[Any], most: int, within: timedelta, now: datetime) -> None:
    """Raise where there are more than `most` of `times`, newest first: the newest but `most` has to leave the window."""
    if most < 0:
        raise TooManyRequests("These are more than may be added within an hour.", retry_after_s=3600)
    for at in times[most : most + 1]:
        wait_s = max(1, math.ceil((at + within - now).total_seconds()))
        minutes, period = math.ceil(wait_s / 60), "an hour" if within <= timedelta(hours=1) else "a day"
        raise TooManyRequests(
            f"This was done too often within {period}. Try again in {minutes} minute{'s' * (minutes != 1)}.",
            retry_after_s=wait_s,
        )
