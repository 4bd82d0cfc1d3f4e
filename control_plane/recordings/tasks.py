"""The sweeps of recordings: classes whose box will never answer again, and what is left of destroyed ones."""

from uuid import UUID

from celery import shared_task

from control_plane.common.scoping import studio_scope
from control_plane.recordings.reports import settle_lost_recorders
from control_plane.recordings.shredding import remove_shredded
from control_plane.studios.selectors import studio_ids

CLASSES_AT_ONCE = 500
"""Of one studio, before the next one has its turn."""


@shared_task
def sweep_recordings() -> None:
    """Sweeps every studio; started by beat once a minute."""
    for studio_id in studio_ids("recordings sweep"):
        with studio_scope(UUID(str(studio_id))):
            settle_lost_recorders()


@shared_task
def sweep_shredded() -> None:
    """Removes what is left of destroyed classes, in every studio; started by beat and after each shred."""
    for studio_id in studio_ids("shredding sweep"):
        for _ in range(CLASSES_AT_ONCE):
            with studio_scope(UUID(str(studio_id))):
                if not remove_shredded():
                    break
