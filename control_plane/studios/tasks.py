"""The sweep of keys: what stands under older generations is brought along, and what nothing needs any more ends."""

from uuid import UUID

from celery import shared_task

from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.studios.selectors import studio_ids
from control_plane.studios.services.keys import destroy_due_generations, rewrap_batch
from control_plane.studios.services.tombstones import settle_shelf

BATCHES_AT_ONCE = 50
"""Of one studio, before the next one has its turn."""


@shared_task
def sweep_keys() -> None:
    """Sweeps every studio; started by beat once a minute."""
    actor = Actor.system("studios.keys")
    for studio_id in studio_ids("keys sweep"):
        scope = UUID(str(studio_id))
        with studio_scope(scope):
            settle_shelf()
        for _ in range(BATCHES_AT_ONCE):
            with studio_scope(scope):
                if not rewrap_batch(actor=actor):
                    break
        with studio_scope(scope):
            destroy_due_generations(actor=actor)
