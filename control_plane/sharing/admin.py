"""Pages of the admin site for sharing; everything is read only."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.sharing.models import EgressPolicy, EgressUse, PinFailures, ShareLink, ShareView


@admin.register(EgressPolicy)
class EgressPolicyAdmin(ScopedAdmin):
    """Rules for footage that leaves the studio."""

    list_display = fields = readonly_fields = (
        "share_enabled", "export_enabled", "export_approval", "longest_link_days", "pin_rule", "networks", "gb_per_day",
    )  # fmt: skip


@admin.register(EgressUse)
class EgressUseAdmin(ScopedAdmin):
    """Bytes that left the studio, by day and view or export."""

    list_display = fields = readonly_fields = ("day", "source_id", "size_bytes")


@admin.register(ShareLink)
class ShareLinkAdmin(ScopedAdmin):
    """Share links, without their secrets and PINs. They are made and revoked in the portal."""

    list_display = ("title", "class_session", "public_id", "expires_at", "views", "revoked_at")
    list_select_related = ("class_session",)
    fields = readonly_fields = (
        "title", "class_session", "public_id", "created_by", "from_at", "to_at", "expires_at", "max_views", "views",
        "pin_failures", "revoked_at", "revoked_by",
    )  # fmt: skip


@admin.register(ShareView)
class ShareViewAdmin(ScopedAdmin):
    """Openings of share links."""

    list_display = fields = readonly_fields = ("link", "created_at", "network", "seen_at", "expires_at")
    list_select_related = ("link",)


@admin.register(PinFailures)
class PinFailuresAdmin(ScopedAdmin):
    """Wrong PINs, by link and hash of the network."""

    list_display = fields = readonly_fields = ("link", "failures", "tried_at")
    list_select_related = ("link",)
