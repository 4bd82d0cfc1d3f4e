"""The hourly checkpoint, and the watch over reads: Celery shells around one service each."""

from uuid import UUID

from celery import shared_task

from control_plane.common.scoping import studio_scope
from control_plane.compliance.checkpointing import carry_away, take_checkpoint_when_due
from control_plane.compliance.watching import mail_alerts, watch_studio
from control_plane.tenancy.sweeping import each_studio


@shared_task
def take_checkpoint() -> None:
    """Takes a checkpoint where one is due, and carries all away that have not been; started by beat."""
    take_checkpoint_when_due()
    carry_away()


@shared_task
def watch_reads() -> None:
    """Looks through what is new in the log of every studio; started by beat once a minute."""
    each_studio("watch over reads", _watch)


def _watch(studio_id: UUID) -> None:
    with studio_scope(studio_id):
        watch_studio(studio_id)
    mail_alerts(studio_id)
