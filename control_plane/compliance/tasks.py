"""Periodic tasks of compliance: checkpoints and anomaly detection. Each calls one service."""

from uuid import UUID

from celery import shared_task

from control_plane.common.scoping import studio_scope
from control_plane.compliance.anomaly_alerts import detect_anomalies, mail_alerts
from control_plane.compliance.checkpointing import copy_to_sinks, take_checkpoint_when_due
from control_plane.tenancy.sweeping import for_each_studio


@shared_task
def take_checkpoint() -> None:
    """Takes a checkpoint if one is due, and copies all checkpoints to the sinks that lack them."""
    take_checkpoint_when_due()
    copy_to_sinks()


@shared_task
def detect_anomalies_everywhere() -> None:
    """Checks the new audit events of every studio for anomalies. Runs once a minute."""
    for_each_studio("anomaly detection", _detect_and_mail)


def _detect_and_mail(studio_id: UUID) -> None:
    with studio_scope(studio_id):
        detect_anomalies(studio_id)
    mail_alerts(studio_id)
