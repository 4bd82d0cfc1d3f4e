"""Tables of integrity: IntegrityScan."""

from typing import ClassVar

from django.db import models

from control_plane.common.models import STUDIO_ONLY, StudioOwned


class ScanDepth(models.TextChoices):
    """Thoroughness of an inspection; each level includes the previous ones. The agent's `spool-check` uses these terms."""

    PRESENCE = "presence", "Presence"
    SIZE = "size", "Size"
    HASH = "hash", "Hash"


class IntegrityScan(StudioOwned):
    """Progress of the nightly integrity scan of one store at one depth.

    The scan goes by segment id: all up to `after` (null: none) were inspected since `begun_at`. `finished_at` is the end
    of the last complete pass (null: none yet).
    """

    view_permission = "manage_storage"
    access_path = STUDIO_ONLY

    store = models.ForeignKey(
        "storage.StudioStore", null=True, on_delete=models.CASCADE, related_name="+", editable=False
    )
    depth = models.CharField(max_length=8, choices=ScanDepth.choices, editable=False)
    after = models.UUIDField(null=True, editable=False)
    begun_at = models.DateTimeField(editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["studio", "store", "depth"], nulls_distinct=False, name="integrity_scan_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.depth} {self.begun_at:%Y-%m-%d}"
