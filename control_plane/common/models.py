"""Abstract tables: a UUIDv7 key for every row, and a studio for every tenant row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from django.db import models

from control_plane.common.scoping import ScopedManager
from shared.protocol.ids import new_id


@dataclass(frozen=True, slots=True)
class AccessPath:
    """Relation paths from a row to the class and the room that it belongs to; empty: none.

    A permission on a class or room holds for all rows that belong to it; a permission on the studio for every row.
    """

    to_class: str = ""
    to_room: str = ""


STUDIO_ONLY = AccessPath()
"""Of rows that belong to no class and no room."""


class UUIDModel(models.Model):
    """Base of all tables. Ids sort by creation time.

    `view_permission` names the permission that shows rows of the table. It is a name, because the apps that declare
    permissions build on this one. Without one, rows are invisible. A system check knows which tables need one.
    """

    view_permission: ClassVar[str] = ""
    access_path: ClassVar[AccessPath]

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    created_at = models.DateTimeField(auto_now_add=True, editable=False)

    class Meta:
        abstract = True


class StudioOwned(UUIDModel):
    """One row that belongs to one studio for ever.

    `objects` is the default and the base manager, so related rows, refreshes and saves are scoped too. Each concrete table
    also needs `rls.ForceRowSecurity` in the migration that creates it; a system check reports missing ones.
    `studio_wrapped` maps columns that `keys.vault` wraps under the studio's key to their kind; a new generation of keys
    re-wraps them.
    """

    studio_wrapped: ClassVar[Mapping[str, str]] = {}

    studio = models.ForeignKey("tenancy.Studio", on_delete=models.PROTECT, related_name="+", editable=False)

    objects: ClassVar[ScopedManager] = ScopedManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"
