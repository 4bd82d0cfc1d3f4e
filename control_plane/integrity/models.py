"""Tables of integrity: StoreRound."""

from typing import ClassVar

from django.db import models

from control_plane.common.models import STUDIO_ONLY, StudioOwned


class Depth(models.TextChoices):
    """How closely an object is looked at; each includes those before it. The same words as the box's `spool-check`."""

    PRESENCE = "presence", "Is it there"
    SIZE = "size", "Is it whole"
    HASH = "hash", "Is it what was written"


class StoreRound(StudioOwned):
    """How far the nightly check is in its present round through one store, at one depth.

    It goes by the ids of the segments: all up to `after` (null: none) were looked at since `begun_at`. `finished_at` is
    the end of the last round that went through all of them (null: there was none yet).
    """

    view_permission = "manage_storage"
    access_path = STUDIO_ONLY

    store = models.ForeignKey(
        "storage.StudioStore", null=True, on_delete=models.CASCADE, related_name="+", editable=False
    )
    depth = models.CharField(max_length=8, choices=Depth.choices, editable=False)
    after = models.UUIDField(null=True, editable=False)
    begun_at = models.DateTimeField(editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta(StudioOwned.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["studio", "store", "depth"], nulls_distinct=False, name="integrity_round_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.depth} {self.begun_at:%Y-%m-%d}"
