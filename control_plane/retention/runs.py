"""Runs: plans what is due in a studio, stops and asks where that looks wrong, and deletes class by class.

Each class is one transaction: its verdict is asked again under a lock, its key is destroyed (`expire_class`), and its row
in the run is settled. A worker that dies at any instant leaves whole classes and a lease; the next worker continues.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Max
from django.utils import timezone

from control_plane.access import access
from control_plane.access.permissions import MAINTAIN
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict
from control_plane.common.leases import claim, release, renew
from control_plane.common.scoping import studio_scope
from control_plane.recordings.models import ClassSession
from control_plane.recordings.services import lock_class
from control_plane.recordings.shredding import expire_class
from control_plane.retention.audit_events import RUN_CANCELLED, RUN_CONFIRMED, RUN_FINISHED, RUN_STOPPED
from control_plane.retention.models import (
    OPEN_RUNS,
    ItemState,
    RetentionPolicy,
    RetentionRun,
    RetentionRunItem,
    RunState,
    StopReason,
)
from control_plane.retention.permissions import MANAGE_RETENTION
from control_plane.retention.planning import Plan, database_now, newest_footage_at, plan_studio
from control_plane.tenancy.models import Studio

SYSTEM = Actor.system("retention.run")
MOST_AT_ONCE = 0.3
"""A larger part of a studio's classes, or of their bytes, is deleted only after a person has confirmed it."""
CLOCK_TOLERANCE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(days=3)
"""Runs are daily: after a longer pause the clock may have jumped."""
LONGEST_SILENCE = timedelta(days=60)
"""Of new footage, before a first run: with nothing else to compare, a clock far ahead looks like this."""


def start_run(studio: Studio, *, actor: Actor = SYSTEM, now: datetime | None = None) -> RetentionRun | None:
    """Plans a run; None if nobody has decided how long to keep what. It deletes nothing: `continue_run` does.

    Args:
        actor: the system for the nightly run, a person on demand.
        now: for tests; None: the database's time.

    Raises:
        Conflict: a run is open.
        NotFound, Forbidden: `actor` may not start it.
    """
    with studio_scope(studio.id):
        access.require(actor, MAINTAIN if actor == SYSTEM else MANAGE_RETENTION, studio)
        # One at a time per studio, before the check for an open run.
        Studio.objects.select_for_update(no_key=True).get(pk=studio.pk)
        if RetentionRun.objects.filter(state__in=OPEN_RUNS).exists():
            raise Conflict("A retention run is open. Wait until it is finished, or confirm or cancel it.")
        if not RetentionPolicy.objects.exists():
            return None
        plan = plan_studio(studio, now=now or database_now())
        stop = stop_reason(plan, last=_last_planned_at(), newest=newest_footage_at())
        run: RetentionRun = RetentionRun.objects.create(
            studio=studio,
            stop_reason=stop or "",
            planned_at=plan.now,
            requested_by=actor.id,
            due_classes=len(plan.due),
            due_bytes=sum(one.item.size_bytes for one in plan.due),
            total_classes=len(plan.verdicts),
            total_bytes=plan.size_bytes,
        )
        RetentionRunItem.objects.bulk_create(
            [
                RetentionRunItem(
                    studio=studio,
                    run=run,
                    class_session_id=one.item.class_id,
                    due_at=one.due_at or plan.now,
                    days=one.days,
                    rule_id=one.rule_id,
                )
                for one in plan.due
            ],
            batch_size=1000,
        )
        if stop is None:
            run.transition(RunState.RUNNING)
        else:
            record_for(RUN_STOPPED, studio, actor=SYSTEM, details={"run": str(run.id), "reason": stop})
    return run


def stop_reason(plan: Plan, *, last: datetime | None, newest: datetime | None) -> StopReason | None:
    """Returns why a plan is not to be executed before a person confirms it; None: nothing speaks against it. Pure but
    for the clock of this server, which is compared with that of the plan.

    Args:
        last: the time of the studio's last run; None: there was none.
        newest: when its newest class was requested; None: it has none.
    """
    now = plan.now
    apart = abs(timezone.now() - now) > CLOCK_TOLERANCE
    behind = any(at is not None and at > now + CLOCK_TOLERANCE for at in (last, newest))
    ahead = (last is not None and now - last > LONGEST_PAUSE) or (
        last is None and newest is not None and now - newest > LONGEST_SILENCE
    )
    if apart or behind or ahead:
        return StopReason.CLOCK
    due_bytes = sum(one.item.size_bytes for one in plan.due)
    too_many = len(plan.due) > MOST_AT_ONCE * len(plan.verdicts)
    if too_many or due_bytes > MOST_AT_ONCE * plan.size_bytes:
        return StopReason.TOO_MUCH
    return None


def confirm_run(run: RetentionRun, *, actor: Actor) -> None:
    """Lets a stopped run go on.

    Raises:
        Conflict: it does not wait.
        NotFound, Forbidden: `actor` may not manage retention.
    """
    with studio_scope(run.studio_id):
        studio = Studio.objects.get(pk=run.studio_id)
        access.require(actor, MANAGE_RETENTION, studio)
        mine = RetentionRun.objects.filter(pk=run.pk, state=RunState.WAITING)
        if not RetentionRun.transition_rows(mine, RunState.RUNNING, confirmed_by=actor.id):
            raise Conflict("This run does not wait for confirmation.")
        record_for(RUN_CONFIRMED, studio, actor=actor, details={"run": str(run.id)})


def cancel_run(run: RetentionRun, *, actor: Actor) -> None:
    """Cancels an open run. What it has deleted stays deleted; the next run plans anew.

    Raises:
        Conflict: it is not open.
        NotFound, Forbidden: `actor` may not manage retention.
    """
    with studio_scope(run.studio_id):
        studio = Studio.objects.get(pk=run.studio_id)
        access.require(actor, MANAGE_RETENTION, studio)
        mine = RetentionRun.objects.filter(pk=run.pk)
        values = {"finished_at": timezone.now(), "lease_token": None, "lease_until": None}
        if not RetentionRun.transition_rows(mine, RunState.CANCELLED, **values):
            raise Conflict("This run is finished.")
        record_for(RUN_CANCELLED, studio, actor=actor, details={"run": str(run.id)})


def open_runs() -> list[UUID]:
    """Returns the runs of the studio in scope that a worker may continue."""
    return list(RetentionRun.objects.filter(state=RunState.RUNNING).values_list("id", flat=True))


def continue_run(studio_id: UUID, run_id: UUID, *, most: int) -> bool:
    """Deletes up to `most` classes of a run; returns whether more are left. Each class is a transaction of its own."""
    with studio_scope(studio_id):
        access.require(SYSTEM, MAINTAIN, Studio.objects.get(pk=studio_id))
        token = claim(RetentionRun.objects.filter(pk=run_id, state=RunState.RUNNING))
    if token is None:
        return False
    for _ in range(most):
        with studio_scope(studio_id):
            settled = _next_class(studio_id, run_id, token)
        if not settled:
            return False
    with studio_scope(studio_id):
        return release(RetentionRun.objects.filter(pk=run_id), token)


def _next_class(studio_id: UUID, run_id: UUID, token: UUID) -> bool:
    """Settles the next class of a run; False if there is none, or the run belongs to another worker or is over."""
    mine = RetentionRun.objects.filter(pk=run_id, state=RunState.RUNNING)
    item: RetentionRunItem | None = RetentionRunItem.objects.filter(
        run_id=run_id, state=ItemState.PENDING
    ).first()
    if item is None:
        _finish(studio_id, run_id, token)
        return False
    studio = Studio.objects.get(pk=studio_id)
    # Order of locks: the class, then the run, then (in `expire_class`) the audit chain.
    class_session = lock_class(item.class_session_id)
    if not renew(mine, token):
        return False
    state, why = _settle(studio, class_session, item)
    item.transition(state, why=why)
    counter = "done_classes" if state is ItemState.DELETED else "kept_classes"
    mine.update(**{counter: F(counter) + 1})
    return True


def _settle(studio: Studio, class_session: ClassSession, item: RetentionRunItem) -> tuple[ItemState, str]:
    """Deletes a class if it is still due. A hold, a rule or a roster may have changed since the plan."""
    class_id = UUID(str(class_session.id))
    # Never later than the plan: the clock may have jumped since.
    now = min(database_now(), RetentionRun.objects.get(pk=item.run_id).planned_at)
    verdict = next(iter(plan_studio(studio, class_ids=[class_id], now=now).verdicts), None)
    if verdict is None:
        return ItemState.KEPT, "destroyed"
    if not verdict.is_due:
        return ItemState.KEPT, verdict.why
    reason = "The retention of this class ended."
    expire_class(class_session, reason=reason, actor=SYSTEM)
    return ItemState.DELETED, verdict.why


def _finish(studio_id: UUID, run_id: UUID, token: UUID) -> None:
    run = RetentionRun.objects.filter(pk=run_id, state=RunState.RUNNING, lease_token=token)
    values = {"finished_at": timezone.now(), "lease_token": None, "lease_until": None}
    if RetentionRun.transition_rows(run, RunState.DONE, **values):
        row = RetentionRun.objects.get(pk=run_id)
        details = {"run": str(run_id), "deleted": row.done_classes, "kept": row.kept_classes}
        record_for(RUN_FINISHED, Studio.objects.get(pk=studio_id), actor=SYSTEM, details=details)


def _last_planned_at() -> datetime | None:
    # A run that stopped and was cancelled may have had the wrong time.
    rows = RetentionRun.objects.exclude(state=RunState.CANCELLED)
    found: datetime | None = rows.aggregate(last=Max("planned_at"))["last"]
    return found
