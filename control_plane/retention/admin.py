"""Admin pages of retention, read only."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.retention.models import (
    RetentionHold,
    RetentionPolicy,
    RetentionRule,
    RetentionRun,
    RetentionRunItem,
)


@admin.register(RetentionPolicy)
class RetentionPolicyAdmin(ScopedAdmin):
    """How long a studio keeps recordings."""

    list_display = ("preset", "minors_days", "adults_days", "confirmed_at")
    fields = readonly_fields = ("preset", "minors_days", "adults_days", "confirmed_at", "confirmed_by")


@admin.register(RetentionRule)
class RetentionRuleAdmin(ScopedAdmin):
    """Rules that differ from the policy."""

    list_display = ("kind", "room", "class_type", "days", "adults_only")
    list_select_related = ("room", "class_type")
    fields = readonly_fields = ("kind", "room", "class_type", "days", "adults_only", "created_at")


@admin.register(RetentionHold)
class RetentionHoldAdmin(ScopedAdmin):
    """Holds, lifted ones included."""

    list_display = ("kind", "class_session", "reason", "ends_at", "lifted_at")
    list_select_related = ("class_session",)
    fields = readonly_fields = (
        "kind",
        "class_session",
        "reason",
        "owner_id",
        "ends_at",
        "lifted_at",
        "lifted_by",
    )


@admin.register(RetentionRun)
class RetentionRunAdmin(ScopedAdmin):
    """Runs and their progress."""

    list_display = ("planned_at", "state", "due_classes", "done_classes", "kept_classes")
    fields = readonly_fields = (
        "state",
        "stop_reason",
        "planned_at",
        "requested_by",
        "confirmed_by",
        "due_classes",
        "due_bytes",
        "total_classes",
        "total_bytes",
        "done_classes",
        "kept_classes",
        "finished_at",
    )


@admin.register(RetentionRunItem)
class RetentionRunItemAdmin(ScopedAdmin):
    """The classes of the runs, and what became of them."""

    list_display = ("run", "class_session_id", "due_at", "state", "why")
    list_select_related = ("run",)
    fields = readonly_fields = ("run", "class_session_id", "due_at", "days", "rule_id", "state", "why")
