"""The sweep of the fleet: announces unacknowledged configurations again, and finds silent agents."""

from uuid import UUID

from celery import shared_task

from control_plane.common.scoping import studio_scope
from control_plane.fleet.sweep import sweep_studio
from control_plane.tenancy.sweeping import for_each_studio


@shared_task
def sweep_fleet() -> None:
    """Sweeps the agents of every studio; run by beat once a minute."""
    for_each_studio("fleet sweep", _sweep_fleet_of)


def _sweep_fleet_of(scope: UUID) -> None:
    with studio_scope(scope):
        sweep_studio()
