"""Data of the pages of retention."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from control_plane.recordings.models import ClassSession
from control_plane.retention.evaluator import Verdict, Why
from control_plane.retention.models import RetentionHold
from control_plane.retention.planning import Change, Plan, count_segments, plan_studio
from control_plane.tenancy.models import Studio

MOST_CLASSES = 200


@dataclass(frozen=True, slots=True)
class DueClass:
    """A class and the number of its segments."""

    class_session: ClassSession
    segments: int


@dataclass(frozen=True, slots=True)
class DueDay:
    """The classes that go on one day."""

    day: date
    classes: list[DueClass]
    segments: int


@dataclass(frozen=True, slots=True)
class Preview:
    """The effect of a change: classes with their dates before and after, and totals."""

    changes: list[Change]
    segments: int
    sooner: int
    more: int


def calendar(studio: Studio, plan: Plan) -> list[DueDay]:
    """Returns the next classes to go, by the day in the studio's zone; at most `MOST_CLASSES`."""
    zone = ZoneInfo(studio.time_zone)
    dated = [one for one in plan.verdicts if one.due_at and one.why in (Why.DUE, Why.NOT_YET)]
    dated = sorted(dated, key=lambda one: (one.due_at or plan.now, one.item.id))[:MOST_CLASSES]
    rows = ClassSession.objects.select_related("room").in_bulk([one.item.id for one in dated])
    segments = count_segments([one.item.id for one in dated])
    days: defaultdict[date, list[DueClass]] = defaultdict(list)
    for one in dated:
        if one.due_at and (row := rows.get(one.item.id)):
            days[one.due_at.astimezone(zone).date()].append(DueClass(row, segments.get(one.item.id, 0)))
    return [DueDay(day, found, sum(one.segments for one in found)) for day, found in days.items()]


def preview_of(changes: list[Change]) -> Preview:
    """Returns a preview with the first `MOST_CLASSES` changes."""
    sooner = sum(1 for one in changes if one.after and (one.before is None or one.after < one.before))
    return Preview(
        changes=changes[:MOST_CLASSES],
        segments=sum(one.segments for one in changes if one.after),
        sooner=sooner,
        more=max(0, len(changes) - MOST_CLASSES),
    )


def verdict_on(studio: Studio, class_session: ClassSession) -> Verdict | None:
    """Returns the verdict on one class; None: its recording is destroyed."""
    return next(iter(plan_studio(studio, class_ids=[class_session.id]).verdicts), None)


def verdict_text(verdict: Verdict) -> str:
    """Returns why a class is kept, as a sentence; the date of deletion is shown beside it."""
    return {
        Why.UNDECIDED: _("Nobody has decided how long recordings are kept. Nothing is deleted by date."),
        Why.UNFINISHED: _("The class is still being recorded."),
        Why.HELD: _("It is kept back from deletion."),
        Why.UNLIMITED: _("It is kept without end."),
        Why.NOT_YET: "",
        Why.DUE: _("It is deleted in the next run."),
    }[verdict.why]


def open_holds(now: datetime) -> list[RetentionHold]:
    """Returns the holds in force, the newest first."""
    rows = RetentionHold.objects.filter(lifted_at=None).select_related("class_session")
    return [row for row in rows[:MOST_CLASSES] if row.ends_at is None or row.ends_at > now]
