"""Pages of the admin site for sharing; everything is read only."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.sharing.models import EgressPolicy, EgressUse


@admin.register(EgressPolicy)
class EgressPolicyAdmin(ScopedAdmin):
    """Rules for footage that leaves the studio."""

    list_display = fields = readonly_fields = (
        "share_enabled", "export_enabled", "longest_link_days", "pin_rule", "networks", "gb_per_day",
    )  # fmt: skip


@admin.register(EgressUse)
class EgressUseAdmin(ScopedAdmin):
    """Bytes that left the studio, by day and view or export."""

    list_display = fields = readonly_fields = ("day", "source_id", "size_bytes")
