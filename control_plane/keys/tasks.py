"""Periodic sweep of keys: finishes destruction, re-wraps rows of older generations, destroys generations that are due."""

from uuid import UUID

from celery import shared_task

from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.keys.services.generations import destroy_due_generations, rewrap_batch
from control_plane.keys.services.tombstones import destroy_recorded_shares
from control_plane.tenancy.sweeping import for_each_studio

BATCHES_AT_ONCE = 50
"""Batches of one studio before the next studio gets its turn."""


@shared_task
def sweep_keys() -> None:
    """Sweeps every studio. Runs once a minute."""
    for_each_studio("keys sweep", _sweep_keys_of)


def _sweep_keys_of(scope: UUID) -> None:
    actor = Actor.system("keys.sweep_keys")
    with studio_scope(scope):
        destroy_recorded_shares()
    for _ in range(BATCHES_AT_ONCE):
        with studio_scope(scope):
            if not rewrap_batch(actor=actor):
                break
    with studio_scope(scope):
        destroy_due_generations(actor=actor)
