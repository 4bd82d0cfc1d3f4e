"""Abstract tables: a UUIDv7 key for every row, and a studio for every row of a tenant."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from django.db import models

from control_plane.common.scoping import ScopedManager
from shared.protocol.ids import new_id


@dataclass(frozen=True, slots=True)
class AccessPath:
    """Relation paths from a row to the class and the room that it belongs to; empty: to none.

    A right on a class or a room holds for all rows that belong to it; a right on the studio for every row in it.
    """

    to_class: str = ""
    to_room: str = ""


STUDIO_ONLY = AccessPath()
"""Of rows that belong to no class and to no room."""


class UUIDModel(models.Model):
    """One row of anything: its id sorts by time of making.

    `view_permission` is the permission that shows rows of the table, as a name: this app is below those that declare
    permissions. Without one, rows can be neither seen nor asked about. A system check knows the tables that need one.
    """

    view_permission: ClassVar[str] = ""
    access_path: ClassVar[AccessPath]

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
