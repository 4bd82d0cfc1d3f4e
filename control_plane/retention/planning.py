"""Reads the facts of a studio and plans what is deleted when. Call inside `studio_scope`.

The unit is a class, because a class has one key: rows of segments are counted, never loaded, so a plan costs the same few
queries whatever the amount of footage.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Count, Max, Q

from control_plane.access import access
from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.recordings.models import RUNNING, ClassSession, Segment
from control_plane.recordings.presence import classes_with_minors
from control_plane.retention.evaluator import HoldFact, Item, PolicyFacts, RuleFact, Verdict, evaluate
from control_plane.retention.models import RetentionHold, RetentionPolicy, RetentionRule
from control_plane.retention.permissions import MANAGE_RETENTION
from control_plane.tenancy.models import Studio

OVERDUE_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Plan:
    """The verdict on each class of a studio that has footage, at one moment."""

    now: datetime
    verdicts: tuple[Verdict, ...]

    @property
    def due(self) -> list[Verdict]:
        """The classes to delete now, the oldest date first."""
        return sorted(
            (one for one in self.verdicts if one.is_due),
            key=lambda one: (one.due_at or self.now, one.item.id),
        )

    @property
    def overdue(self) -> list[Verdict]:
        """Classes that should have been deleted more than a day ago."""
        return [one for one in self.due if one.due_at and one.due_at < self.now - OVERDUE_AFTER]

    @property
    def size_bytes(self) -> int:
        """All footage of the studio."""
        return sum(one.item.size_bytes for one in self.verdicts)


@dataclass(frozen=True, slots=True)
class Change:
    """The effect of a changed policy or rule on one class. `before`, `after`: the date of its deletion; None: none."""

    class_id: UUID
    title: str
    segments: int
    before: datetime | None
    after: datetime | None


def database_now() -> datetime:
    """Returns the time of the database, which all servers share."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def read_policy() -> PolicyFacts:
    """Returns what the studio in scope decided."""
    row: RetentionPolicy | None = RetentionPolicy.objects.first()
    holds = RetentionHold.objects.filter(lifted_at=None)
    facts = PolicyFacts(
        confirmed=row is not None,
        rules=tuple(rule_fact(rule) for rule in RetentionRule.objects.order_by("id")),
        holds=tuple(HoldFact(hold.id, hold.class_session_id, hold.ends_at) for hold in holds),
    )
    return replace(facts, adults_days=row.adults_days, minors_days=row.minors_days) if row else facts


def rule_fact(rule: RetentionRule) -> RuleFact:
    """Returns a rule as the evaluator takes it."""
    return RuleFact(rule.id, rule.days, rule.kind, rule.room_id, rule.class_type_id, rule.adults_only)


def read_items(class_ids: Collection[UUID] | None = None) -> list[Item]:
    """Returns the classes of the studio in scope whose footage is not destroyed; `class_ids` None: all."""
    chosen = Q() if class_ids is None else Q(pk__in=class_ids)
    rows = (
        ClassSession.objects.filter(chosen)
        .exclude(wrapped_key=b"")
        .order_by("id")
        .values_list(
            "id",
            "room_id",
            "class_type_id",
            "state",
            "requested_at",
            "stop_requested_at",
            "roster_confirmed_at",
            "footage_bytes",
        )
    )
    with_minors = classes_with_minors(class_ids)
    return [
        Item(
            id=class_id,
            class_id=class_id,
            room_id=room_id,
            class_type_id=class_type_id,
            ended_at=None if state in RUNNING else max(stopped or requested, requested),
            minors=confirmed is None or class_id in with_minors,
            size_bytes=size_bytes,
        )
        for class_id, room_id, class_type_id, state, requested, stopped, confirmed, size_bytes in rows
    ]


def plan_studio(
    studio: Studio,
    *,
    policy: PolicyFacts | None = None,
    class_ids: Collection[UUID] | None = None,
    now: datetime | None = None,
) -> Plan:
    """Returns the plan of the studio in scope.

    Args:
        policy: None: what it decided.
        class_ids: None: all classes.
        now: None: the database's time.
    """
    now = now or database_now()
    zone = ZoneInfo(studio.time_zone)
    verdicts = evaluate(policy or read_policy(), read_items(class_ids), now=now, zone=zone)
    return Plan(now, tuple(verdicts))


def preview(studio: Studio, changed: PolicyFacts, *, actor: Actor) -> list[Change]:
    """Returns the classes whose date another policy changes, the earliest deletion first; nothing is saved.

    Raises:
        NotFound, Forbidden: `actor` may not manage retention.
    """
    with studio_scope(studio.id):
        access.require(actor, MANAGE_RETENTION, studio)
        now = database_now()
        before = {one.item.id: one.due_at for one in plan_studio(studio, now=now).verdicts}
        after = plan_studio(studio, policy=changed, now=now).verdicts
        moved = {one.item.id: one.due_at for one in after if one.due_at != before.get(one.item.id)}
        segments = count_segments(moved)
        titles = dict(ClassSession.objects.filter(pk__in=moved).values_list("id", "title"))
    found = [
        Change(class_id, titles.get(class_id, ""), segments.get(class_id, 0), before.get(class_id), date)
        for class_id, date in moved.items()
    ]
    return sorted(found, key=lambda one: (one.after is None, one.after or now, one.class_id))


def count_segments(class_ids: Collection[UUID]) -> dict[UUID, int]:
    """Returns class id -> number of its segments, of those that have any."""
    rows = Segment.objects.filter(class_session_id__in=list(class_ids)).order_by()
    return dict(rows.values_list("class_session_id").annotate(number=Count("id")))


def newest_footage_at() -> datetime | None:
    """Returns when the newest class of the studio in scope was requested."""
    found: datetime | None = ClassSession.objects.aggregate(newest=Max("requested_at"))["newest"]
    return found
