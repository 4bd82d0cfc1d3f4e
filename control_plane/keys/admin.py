"""Admin pages of keys: which exist or existed. Key material is never shown."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.keys.models import KeyTombstone, StudioKey


@admin.register(StudioKey)
class StudioKeyAdmin(ScopedAdmin):
    """Generations of the studio's keys, without key material."""

    list_display = ("id", "root_key_id", "created_at", "retired_at", "destroyed_at")
    fields = readonly_fields = ("id", "root_key_id", "created_at", "retired_at", "destroyed_at")


@admin.register(KeyTombstone)
class KeyTombstoneAdmin(ScopedAdmin):
    """Tombstones of destroyed objects, with the progress of the clean-up."""

    list_display = ("kind", "object_id", "created_at", "share_destroyed_at", "removed_at")
    fields = readonly_fields = (
        "kind", "object_id", "reason", "actor_kind", "actor_id", "created_at", "share_destroyed_at", "removed_at",
    )  # fmt: skip
