"""The sweep of recordings: classes whose box will never answer again do not wait for it."""

from uuid import UUID

from celery import shared_task

from control_plane.common.scoping import studio_scope
from control_plane.recordings.reports import settle_lost_recorders
from control_plane.studios.selectors import studio_ids


@shared_task
def sweep_recordings() -> None:
    """Sweeps every studio; started by beat once a minute."""
    for studio_id in studio_ids("recordings sweep"):
        with studio_scope(UUID(str(studio_id))):
            settle_lost_recorders()
