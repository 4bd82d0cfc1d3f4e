"""Tasks of exports."""

from uuid import UUID

from celery import shared_task
from django.db.models import Q
from django.utils import timezone

from control_plane.common.scoping import studio_scope
from control_plane.exports.models import Export, ExportState
from control_plane.exports.removal import expire_due
from control_plane.tenancy.sweeping import for_each_studio


@shared_task
def write_export(studio: str, export_id: str) -> None:
    """Writes a package, in many transactions of its own: hence `studio`, not `studio_id`."""
    # Here: only the worker loads the libraries of media.
    from control_plane.exports.writing import write_package

    write_package(UUID(studio), UUID(export_id))


@shared_task
def sweep_exports() -> None:
    """Ends exports whose time is over, and goes on with those that nobody writes; started by beat once a minute."""
    for_each_studio("exports", _sweep_in)


def _sweep_in(scope: UUID) -> None:
    with studio_scope(scope):
        expire_due()
        now = timezone.now()
        left = Export.objects.filter(
            Q(state=ExportState.QUEUED) & (Q(retry_at=None) | Q(retry_at__lte=now))
            | Q(state=ExportState.RUNNING, lease_until__lt=now)
            | Q(state=ExportState.RUNNING, lease_until=None)
        )
        ids = list(left.values_list("id", flat=True))
    for export_id in ids:
        write_export.delay(studio=str(scope), export_id=str(export_id))
