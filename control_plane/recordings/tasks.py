"""Periodic tasks of recordings: lost agents, destroyed classes, store migrations, deletions, storage warnings."""

from functools import partial
from uuid import UUID

from celery import shared_task

from control_plane.common.scoping import studio_scope
from control_plane.recordings.heartbeats import settle_lost_recordings
from control_plane.recordings.object_deletion import delete_due
from control_plane.recordings.plan_usage import warn_when_nearly_full
from control_plane.recordings.shredding import remove_shredded
from control_plane.recordings.store_migration import advance_migration, due_migrations
from control_plane.tenancy.sweeping import for_each_studio

BATCHES_PER_RUN = 20
"""Per migration and run; a migration with more to copy continues at once in a new task."""
DELETIONS_PER_RUN = 200
CLASSES_PER_RUN = 500
"""Per studio and run, so that other studios do not wait."""


@shared_task
def sweep_recordings() -> None:
    """Settles the recordings of revoked agents, in every studio; run by beat once a minute."""
    for_each_studio("recordings sweep", _settle_lost_recordings_of)


def _settle_lost_recordings_of(scope: UUID) -> None:
    with studio_scope(scope):
        settle_lost_recordings()


@shared_task
def sweep_shredded() -> None:
    """Removes the remaining rows and objects of destroyed classes, in every studio; run by beat and after each shred."""
    for_each_studio("shredding sweep", _remove_shredded_of)


def _remove_shredded_of(scope: UUID) -> None:
    for _ in range(CLASSES_PER_RUN):
        with studio_scope(scope):
            if not remove_shredded():
                break


@shared_task
def sweep_migrations() -> None:
    """Continues store migrations, in every studio; run by beat once a minute."""
    for_each_studio("store migrations sweep", _start_migrations_of)


def _start_migrations_of(scope: UUID) -> None:
    with studio_scope(scope):
        due = due_migrations()
    for migration_id in due:
        continue_migration.delay(studio=str(scope), migration_id=str(migration_id))


@shared_task
def continue_migration(studio: str, migration_id: str) -> None:
    """Copies a part of a store migration, and starts itself again if there is more; the lease excludes other workers.

    The parameter is named `studio`, not `studio_id`, which would open a transaction: bytes are copied outside of one.
    """
    if advance_migration(UUID(studio), UUID(migration_id), batches=BATCHES_PER_RUN):
        continue_migration.delay(studio=studio, migration_id=migration_id)


@shared_task
def sweep_deletions() -> None:
    """Deletes due objects, in every studio; run by beat every five minutes."""
    for_each_studio("object deletions sweep", partial(delete_due, most=DELETIONS_PER_RUN))


@shared_task
def warn_of_full_storage() -> None:
    """Mails admins whose storage quota is nearly used, at most once a week per studio; run by beat every hour."""
    for_each_studio("storage warning", warn_when_nearly_full)
