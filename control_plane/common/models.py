"""Abstract tables: a UUIDv7 key for every row, and a studio for every row of a tenant."""

from collections.abc import Mapping
from typing import ClassVar

from django.db import models

from control_plane.common.scoping import ScopedManager
from shared.protocol.ids import new_id


class UUIDModel(models.Model):
    """One row of anything: its id sorts by time of making."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    created_at = models.DateTimeField(auto_now_add=True, editable=False)

    class Meta:
        abstract = True


class StudioOwned(UUIDModel):
    """One row that belongs to one studio for ever.

    `objects` is both default and base manager: related rows, refreshes and saves are scoped as well. Each concrete
    table also needs `rls.ForceRowSecurity` in the migration that creates it; a check says where it is missing.
    `studio_wrapped` names the columns that `keys.vault` wraps under the studio's key, each with its kind: a new generation
    of keys re-wraps them.
    """

    studio_wrapped: ClassVar[Mapping[str, str]] = {}

    studio = models.ForeignKey("tenancy.Studio", on_delete=models.PROTECT, related_name="+", editable=False)

    objects: ClassVar[ScopedManager] = ScopedManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"
