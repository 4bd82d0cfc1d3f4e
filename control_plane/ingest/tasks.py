"""The nightly sweep of uploads."""

from celery import shared_task

from control_plane.ingest.sweep import sweep_incoming, sweep_studio
from control_plane.tenancy.sweeping import for_each_studio


@shared_task
def sweep_uploads() -> None:
    """Sweeps every studio and the local store; started by beat at night."""
    sweep_incoming()
    for_each_studio("uploads sweep", sweep_studio)
