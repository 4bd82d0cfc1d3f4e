"""Quotas of a studio and their use. Counting and adding happen under one lock, so parallel requests cannot exceed one.

A quota stops new things only. Footage of a running class is accepted up to a tenth beyond the plan
(`ingest.intents.overdraft_bytes`); after that its agent keeps it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

from django.db import connection

from control_plane.common.errors import Conflict
from control_plane.common.humanize import format_size
from control_plane.common.scoping import current_studio_id
from control_plane.plans.models import Limit, Plan, StudioPlan

NOUNS: dict[Limit, tuple[str, str]] = {
    Limit.AGENTS: ("agent", "agents"),
    Limit.CAMERAS: ("camera", "cameras"),
    Limit.MEMBERS: ("person", "people"),
    Limit.STORAGE_BYTES: ("byte of storage", "bytes of storage"),
    Limit.ANALYSES_PER_MONTH: ("analysis a month", "analyses a month"),
    Limit.API_PER_MINUTE: ("request a minute", "requests a minute"),
}
NO_PLAN = "No plan"
OPERATOR = "the operator of this installation"


class QuotaReached(Conflict):
    """The plan does not allow one more; the message names limit, use, and whom to ask."""

    def __init__(self, limit: Limit, *, most: int, used: int, contact: str) -> None:
        self.limit, self.most, self.used = limit, most, used
        super().__init__(_quota_message(limit, most, used, contact))


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits of a studio: its overrides, else those of its plan. None: no limit."""

    plan: str
    limits: dict[Limit, int | None]
    soft_percent: int
    contact: str

    def most(self, limit: Limit) -> int | None:
        """Returns a limit, or None."""
        return self.limits.get(limit)

    def warn_from(self, limit: Limit) -> int | None:
        """Returns the amount from which to warn, rounded up, or None."""
        most = self.most(limit)
        return None if most is None else -(-most * self.soft_percent // 100)


def allowance() -> Allowance:
    """Returns the limits of the studio in scope: of its plan, or the default plan; no limits if there is neither."""
    given: StudioPlan | None = StudioPlan.objects.select_related("plan").first()
    plan = given.plan if given else Plan.objects.filter(is_default=True).first()
    if plan is None:
        return Allowance(NO_PLAN, {}, 100, OPERATOR)
    limits: dict[Limit, int | None] = {limit: getattr(plan, limit.value) for limit in Limit}
    if given:
        limits |= {Limit(name): value for name, value in given.overrides.items()}
    return Allowance(plan.name, limits, plan.soft_percent, plan.contact or OPERATOR)


def require_quota(limit: Limit, count: Callable[[], int], *, adding: int = 1) -> None:
    """Checks that the studio in scope may have `adding` more than `count` returns.

    Holds a lock for this limit until the transaction ends. Call it in the transaction that adds the rows.

    Raises:
        QuotaReached: it may not.
    """
    found = allowance()
    most = found.most(limit)
    if most is None:
        return
    _lock(limit)
    used = count()
    if used + adding > most:
        raise QuotaReached(limit, most=most, used=used, contact=found.contact)


def format_amount(limit: Limit, value: int) -> str:
    """Returns an amount with its unit, for messages."""
    if limit is Limit.STORAGE_BYTES:
        return format_size(value)
    one, many = NOUNS[limit]
    return f"{value} {one if value == 1 else many}"


def _quota_message(limit: Limit, most: int, used: int, contact: str) -> str:
    way = f"Ask {contact} for more"
    match limit:
        case Limit.STORAGE_BYTES:
            return (
                f"The plan of this studio includes {format_amount(limit, most)} of storage,"
                f" and {format_amount(limit, used)} are used."
                f" No new class can be recorded; classes that are being recorded now continue. {way}, or delete classes."
            )
        case Limit.ANALYSES_PER_MONTH:
            return (
                f"The plan of this studio includes {format_amount(limit, most)}, and {used} are used."
                f" {way}, or wait for the first of the month."
            )
        case _:
            return (
                f"The plan of this studio includes {format_amount(limit, most)}, and {used} are used."
                f" {way}, or remove one."
            )


def _lock(limit: Limit) -> None:
    number = crc32(current_studio_id().bytes + limit.value.encode())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [0x90A, number - (1 << 31)])
