"""Admin pages of stores, probes, store migrations and the deletion queue; read only."""

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from control_plane.access.admin_base import ScopedAdmin
from control_plane.storage.models import (
    MigrationFailure,
    ObjectDeletion,
    StoreMigration,
    StoreProbe,
    StudioStorage,
    StudioStore,
)


@admin.register(StudioStore)
class StudioStoreAdmin(ScopedAdmin):
    """The studio's own stores, without their secrets."""

    list_display = ("name", "endpoint", "bucket", "region", "retired_at")
    fields = readonly_fields = (
        "name", "endpoint", "bucket", "prefix", "region", "seen_region", "masked_access_key", "encryption",
        "kms_key_id", "direct_reads", "revision", "created_at", "retired_at",
    )  # fmt: skip


@admin.register(StudioStorage)
class StudioStorageAdmin(ScopedAdmin):
    """The required region, and the store of new footage."""

    list_display = ("region", "store", "warned_at")
    list_select_related = ("store",)
    fields = readonly_fields = ("region", "store", "warned_at")


@admin.register(StoreProbe)
class StoreProbeAdmin(ScopedAdmin):
    """Probes of stores."""

    list_display = ("store", "state", "created_at", "finished_at")
    list_select_related = ("store",)
    list_filter = ("state",)
    fields = readonly_fields = (
        "store",
        "revision",
        "state",
        "step",
        "findings_list",
        "created_at",
        "finished_at",
    )

    @admin.display(description="Findings")
    def findings_list(self, obj: StoreProbe) -> SafeString:
        """Returns the findings as a list."""
        lines = [(item["check"], item["outcome"], item["detail"], item["advice"]) for item in obj.findings]
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}, {}: {} {}</li>", lines))


@admin.register(StoreMigration)
class StoreMigrationAdmin(ScopedAdmin):
    """Store migrations."""

    list_display = ("source", "target", "state", "moved_segments", "total_segments", "created_at")
    list_select_related = ("source", "target")
    fields = readonly_fields = (
        "source", "target", "state", "moved_segments", "total_segments", "moved_bytes", "total_bytes", "error",
        "retry_at", "heartbeat_at", "created_at", "copied_at", "finished_at",
    )  # fmt: skip


@admin.register(MigrationFailure)
class MigrationFailureAdmin(ScopedAdmin):
    """Objects that a store migration could not copy."""

    list_display = ("object_key", "code", "tries", "given_up", "retry_at")
    list_filter = ("code", "given_up")
    fields = readonly_fields = ("migration", "object_key", "code", "detail", "tries", "given_up", "retry_at")


@admin.register(ObjectDeletion)
class ObjectDeletionAdmin(ScopedAdmin):
    """The deletion queue."""

    list_display = ("object_key", "store", "reason", "due_at", "tries")
    list_select_related = ("store",)
    list_filter = ("reason",)
    fields = readonly_fields = ("object_key", "store", "reason", "due_at", "claimed_at", "tries", "error")
