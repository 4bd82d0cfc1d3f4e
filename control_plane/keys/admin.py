"""Admin pages of keys: which there are and were, never what they are."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.keys.models import KeyTombstone, StudioKey


@admin.register(StudioKey)
class StudioKeyAdmin(ScopedAdmin):
    """Generations of the studio's keys: that they exist, never what they are."""

    list_display = ("id", "root_key_id", "created_at", "retired_at", "destroyed_at")
    fields = readonly_fields = ("id", "root_key_id", "created_at", "retired_at", "destroyed_at")


@admin.register(KeyTombstone)
class KeyTombstoneAdmin(ScopedAdmin):
    """Tombstones of destroyed objects, with the progress of the clean-up."""

    list_display = ("what", "object_id", "created_at", "shelf_at", "removed_at")
    fields = readonly_fields = (
        "what", "object_id", "reason", "actor_kind", "actor_id", "created_at", "shelf_at", "removed_at",
    )  # fmt: skip
