"""Periodic tasks of requests about data."""

from uuid import UUID

from celery import shared_task

from control_plane.common.scoping import studio_scope
from control_plane.data_requests.erasure import repeat_erasures
from control_plane.data_requests.reminders import remind
from control_plane.tenancy.sweeping import for_each_studio


@shared_task
def tend_data_requests() -> None:
    """Repeats erasures that a restore undid, and reminds admins of time limits. Runs nightly."""
    for_each_studio("requests about data", _tend)


def _tend(studio_id: UUID) -> None:
    with studio_scope(studio_id):
        repeat_erasures()
    with studio_scope(studio_id):
        remind()
