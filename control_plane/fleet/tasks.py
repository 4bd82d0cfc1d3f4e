"""The fleet's sweep: says again what was not acknowledged, and notices who fell silent."""

from uuid import UUID

from celery import shared_task

from control_plane.common.scoping import studio_scope
from control_plane.fleet.sweep import sweep_studio
from control_plane.studios.selectors import studio_ids


@shared_task
def sweep_fleet() -> None:
    """Sweeps every studio; started by beat once a minute."""
    for studio_id in studio_ids("fleet sweep"):
        with studio_scope(UUID(str(studio_id))):
            sweep_studio()
