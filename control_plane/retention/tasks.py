"""Tasks of retention: the nightly run of every studio, and the continuation of runs whose worker died."""

import contextlib
from uuid import UUID

from celery import shared_task

from control_plane.common.errors import Conflict
from control_plane.common.scoping import studio_scope
from control_plane.retention.alerts import alert_admins, report_stopped
from control_plane.retention.clips import expire_due_clips
from control_plane.retention.runs import continue_run, open_runs, start_run
from control_plane.tenancy.models import Studio
from control_plane.tenancy.sweeping import for_each_studio

CLASSES_PER_TASK = 200
"""A run with more continues at once in a new task, so that others are not kept waiting."""


@shared_task
def run_retention() -> None:
    """Starts a run in every studio that has decided how long to keep what; started by beat at night."""
    for_each_studio("retention", _run_in)


def _run_in(scope: UUID) -> None:
    with studio_scope(scope):
        studio = Studio.objects.get(pk=scope)
        # Conflict: yesterday's run is open; the alert says so if anything is late because of it.
        with contextlib.suppress(Conflict):
            if run := start_run(studio):
                report_stopped(studio, run)
        alert_admins(studio)
    expire_due_clips(scope)
    _continue_in(scope)


@shared_task
def sweep_retention() -> None:
    """Continues open runs, in every studio; started by beat once a minute."""
    for_each_studio("retention sweep", _continue_in)


def _continue_in(scope: UUID) -> None:
    with studio_scope(scope):
        runs = open_runs()
    for run_id in runs:
        continue_retention.delay(studio=str(scope), run_id=str(run_id))


@shared_task
def continue_retention(studio: str, run_id: str) -> None:
    """Deletes a part of a run, class by class in transactions of their own: hence `studio`, not `studio_id`."""
    if continue_run(UUID(studio), UUID(run_id), most=CLASSES_PER_TASK):
        continue_retention.delay(studio=studio, run_id=run_id)
