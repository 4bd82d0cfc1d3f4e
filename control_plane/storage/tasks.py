"""Tasks of stores: request nightly probes, and run waiting probes."""

from uuid import UUID

from celery import shared_task

from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.storage.services import due_probes, request_probe, run_probe, stores_to_probe
from control_plane.tenancy.sweeping import for_each_studio


@shared_task
def probe_stores() -> None:
    """Schedules a probe of every studio's stores; started by beat at night."""
    for_each_studio("nightly probe", _request_probes_of)


def _request_probes_of(scope: UUID) -> None:
    with studio_scope(scope):
        for studio, store in stores_to_probe():
            request_probe(studio, store, actor=Actor.system("storage.probe_stores"))


@shared_task
def sweep_probes() -> None:
    """Runs the probes that wait, or whose lease has expired; started by beat once a minute."""
    for_each_studio("probes sweep", _start_probes_of)


def _start_probes_of(scope: UUID) -> None:
    with studio_scope(scope):
        due = due_probes()
    for probe_id in due:
        run_store_probe.delay(studio=str(scope), probe_id=str(probe_id))


@shared_task
def run_store_probe(studio: str, probe_id: str) -> None:
    """Probes one store, outside of any transaction: hence `studio`, not `studio_id`."""
    run_probe(UUID(studio), UUID(probe_id))
