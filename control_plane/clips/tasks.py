"""Periodic task of clips: removes what is left of destroyed ones."""

from uuid import UUID

from celery import shared_task

from control_plane.clips.endings import remove_destroyed
from control_plane.common.scoping import studio_scope
from control_plane.tenancy.sweeping import for_each_studio

CLIPS_PER_RUN = 500
"""Per studio and run, so that other studios do not wait."""


@shared_task
def sweep_clips() -> None:
    """Removes the rows and objects of destroyed clips, in every studio; run by beat once a minute."""
    for_each_studio("clips sweep", _sweep)


def _sweep(scope: UUID) -> None:
    for _ in range(CLIPS_PER_RUN):
        with studio_scope(scope):
            if not remove_destroyed():
                break
