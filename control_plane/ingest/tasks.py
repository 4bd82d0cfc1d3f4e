"""The nightly sweep of uploads."""

from uuid import UUID

from celery import shared_task

from control_plane.ingest.sweep import sweep_incoming, sweep_studio
from control_plane.studios.selectors import studio_ids


@shared_task
def sweep_uploads() -> None:
    """Sweeps every studio and the local store; started by beat once a day."""
    for studio_id in studio_ids("uploads sweep"):
        sweep_studio(UUID(str(studio_id)))
    sweep_incoming()
