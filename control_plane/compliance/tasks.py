"""The hourly checkpoint, and the watch over reads: Celery shells around one service each."""

from uuid import UUID

from celery import shared_task

from control_plane.common.scoping import studio_scope
from control_plane.compliance.anomaly_alerts import detect_anomalies, mail_alerts
from control_plane.compliance.checkpointing import copy_to_sinks, take_checkpoint_when_due
from control_plane.tenancy.sweeping import each_studio


@shared_task
def take_checkpoint() -> None:
    """Takes a checkpoint where one is due, and carries all away that have not been; started by beat."""
    take_checkpoint_when_due()
    copy_to_sinks()


@shared_task
def watch_reads() -> None:
    """Looks through what is new in the log of every studio; started by beat once a minute."""
    each_studio("watch over reads", _watch)


def _watch(studio_id: UUID) -> None:
    with studio_scope(studio_id):
        detect_anomalies(studio_id)
    mail_alerts(studio_id)
