"""Admin pages of uploads."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.ingest.models import PendingSegment, QuarantinedSegment


@admin.register(PendingSegment)
class PendingSegmentAdmin(ScopedAdmin):
    """Segments that were announced and are not committed."""

    list_display = ("id", "agent", "class_session", "size_bytes", "created_at")
    fields = readonly_fields = (
        "id", "agent", "class_session", "size_bytes", "sha256", "object_key", "created_at",
    )  # fmt: skip


@admin.register(QuarantinedSegment)
class QuarantinedSegmentAdmin(ScopedAdmin):
    """Manifests that were permanently refused."""

    list_display = ("segment_id", "agent", "code", "created_at")
    fields = readonly_fields = ("segment_id", "agent", "code", "detail", "sha256", "created_at")
