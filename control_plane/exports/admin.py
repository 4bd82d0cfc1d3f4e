"""Pages of the admin site for exports; everything is read only."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.exports.models import Export, ExportPart


@admin.register(Export)
class ExportAdmin(ScopedAdmin):
    """Exports and their progress. They are made and deleted in the portal."""

    list_display = ("class_session", "state", "created_at", "expires_at", "size_bytes", "downloads")
    list_select_related = ("class_session",)
    fields = readonly_fields = (
        "class_session", "requested_by", "approved_by", "state", "failure", "attempts", "from_at", "to_at",
        "whole_fragments", "side_by_side", "with_roster", "done_bytes", "total_bytes", "size_bytes", "downloads",
        "finished_at", "expires_at",
    )  # fmt: skip


@admin.register(ExportPart)
class ExportPartAdmin(ScopedAdmin):
    """Encrypted parts of packages."""

    list_display = fields = readonly_fields = ("export", "number", "size_bytes", "plain_bytes", "sha256")
    list_select_related = ("export",)
