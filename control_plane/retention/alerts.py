"""Tells the admins what nobody would notice: recordings past their date, stopped runs, and that nobody has decided."""

from collections.abc import Mapping
from datetime import timedelta

from django.utils import timezone

from control_plane.audit.events import AuditEvent
from control_plane.audit.models import Entry
from control_plane.audit.services import record_for
from control_plane.common import mail
from control_plane.common.actors import Actor
from control_plane.retention.audit_events import OVERDUE, UNDECIDED
from control_plane.retention.evaluator import DEFAULT_MINORS_DAYS
from control_plane.retention.models import RetentionPolicy, RetentionRun, RunState
from control_plane.retention.planning import database_now, plan_studio, read_items
from control_plane.tenancy.models import Studio
from control_plane.tenancy.selectors import admin_addresses

SYSTEM = Actor.system("retention.alerts")
OVERDUE_INTERVAL = timedelta(hours=23)
UNDECIDED_INTERVAL = timedelta(days=7)


def alert_admins(studio: Studio) -> None:
    """Mails the admins of the studio in scope about overdue recordings daily, and weekly that nobody has decided."""
    now = database_now()
    if not RetentionPolicy.objects.exists():
        old = now - timedelta(days=DEFAULT_MINORS_DAYS)
        number = sum(1 for item in read_items() if item.ended_at is not None and item.ended_at < old)
        _alert(studio, UNDECIDED, "undecided", number, every=UNDECIDED_INTERVAL)
        return
    overdue = plan_studio(studio, now=now).overdue
    _alert(studio, OVERDUE, "overdue", len(overdue), every=OVERDUE_INTERVAL)


def report_stopped(studio: Studio, run: RetentionRun) -> None:
    """Mails the admins of the studio in scope that a run waits for them."""
    if run.state == RunState.WAITING:
        _mail(studio, "stopped", {"reason": run.get_stop_reason_display(), "number": run.due_classes})


def _alert(studio: Studio, event: AuditEvent, template: str, number: int, *, every: timedelta) -> None:
    if not number or Entry.objects.filter(action=event, occurred_at__gt=timezone.now() - every).exists():
        return
    record_for(event, studio, actor=SYSTEM, details={"classes": number})
    _mail(studio, template, {"number": number})


def _mail(studio: Studio, template: str, context: Mapping[str, object]) -> None:
    mail.send_on_commit(
        f"retention/mail/{template}",
        {**context, "studio": studio.name},
        to=admin_addresses(),
        time_zone=studio.time_zone,
    )
