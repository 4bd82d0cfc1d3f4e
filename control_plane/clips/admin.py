"""Pages of the admin site for clips; everything is read only."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.clips.models import Clip, ClipDancer, ClipReplay, ClipSegment


@admin.register(Clip)
class ClipAdmin(ScopedAdmin):
    """Clips. They are made and deleted in the portal."""

    list_display = fields = readonly_fields = (
        "title", "class_session", "created_by", "from_at", "to_at", "expires_at", "has_chosen_dancers",
    )  # fmt: skip
    list_select_related = ("class_session",)


@admin.register(ClipSegment)
class ClipSegmentAdmin(ScopedAdmin):
    """Segments that clips need, without keys."""

    list_display = fields = readonly_fields = ("clip", "segment")
    list_select_related = ("clip", "segment")


@admin.register(ClipDancer)
class ClipDancerAdmin(ScopedAdmin):
    """Dancers chosen for clips."""

    list_display = fields = readonly_fields = ("clip", "dancer")
    list_select_related = ("clip", "dancer")


@admin.register(ClipReplay)
class ClipReplayAdmin(ScopedAdmin):
    """Replays of clips."""

    list_display = fields = readonly_fields = ("clip", "viewer_id", "created_at", "seen_at")
    list_select_related = ("clip",)
