"""The sweeps of keys, of stores and of memberships: what stands under older generations is brought along, what nothing
needs any more or nobody vouches for ends, and stores are tried.
"""

from uuid import UUID

from celery import shared_task

from control_plane.common.actors import Actor
from control_plane.common.scoping import studio_scope
from control_plane.studios.services.domains import look_again
from control_plane.studios.services.keys import destroy_due_generations, rewrap_batch
from control_plane.studios.services.sso import end_unconfirmed
from control_plane.studios.services.storage import due_probes, request_probe, run_probe, stores_in_use
from control_plane.studios.services.tombstones import settle_shelf
from control_plane.studios.sweeping import each_studio

BATCHES_AT_ONCE = 50
"""Of one studio, before the next one has its turn."""


@shared_task
def sweep_keys() -> None:
    """Sweeps every studio; started by beat once a minute."""
    each_studio("keys sweep", _sweep_keys_of)


def _sweep_keys_of(scope: UUID) -> None:
    actor = Actor.system("studios.keys")
    with studio_scope(scope):
        settle_shelf()
    for _ in range(BATCHES_AT_ONCE):
        with studio_scope(scope):
            if not rewrap_batch(actor=actor):
                break
    with studio_scope(scope):
        destroy_due_generations(actor=actor)


@shared_task
def end_unconfirmed_memberships() -> None:
    """Ends memberships whose provider is silent, in every studio; started by beat at night."""
    each_studio("sweep of unconfirmed memberships", end_unconfirmed)


@shared_task
def look_at_proven_domains() -> None:
    """Look up again which domains studios have proven; started by beat at night."""
    each_studio("look at proven domains", look_again)


@shared_task
def probe_stores() -> None:
    """Has every studio's stores tried; started by beat at night."""
    each_studio("nightly probe", _request_probes_of)


def _request_probes_of(scope: UUID) -> None:
    with studio_scope(scope):
        for studio, store in stores_in_use():
            request_probe(studio, store, actor=Actor.system("storage.nightly"))


@shared_task
def sweep_probes() -> None:
    """Runs the probes that wait, or whose worker is gone; started by beat once a minute."""
    each_studio("probes sweep", _kick_probes_of)


def _kick_probes_of(scope: UUID) -> None:
    with studio_scope(scope):
        due = due_probes()
    for probe_id in due:
        try_store.delay(studio=str(scope), probe_id=str(probe_id))


@shared_task
def try_store(studio: str, probe_id: str) -> None:
    """Tries one store; given `studio` and not `studio_id`, because a store is tried outside of any transaction."""
    run_probe(UUID(studio), UUID(probe_id))
