"""Alerts, the watch over reads, and checkpoints; to be read, for all of it is history or is changed in the portal."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.compliance.anomaly_alerts import LIMIT_FIELDS
from control_plane.compliance.anomaly_rules import RULE_LABELS
from control_plane.compliance.models import (
    Alert,
    AlertAcknowledgement,
    AlertNotice,
    KnownNetwork,
    WatchCursor,
    WatchRules,
)


@admin.register(Alert)
class AlertAdmin(ScopedAdmin):
    """Alerts about unusual access."""

    list_display = ("raised_at", "what", "person_id", "sequence")
    fields = readonly_fields = ("raised_at", "what", "person_id", "sequence", "occasion", "facts")

    @admin.display(description="What", ordering="rule")
    def what(self, obj: Alert) -> str:
        """Returns the rule in words."""
        return RULE_LABELS.get(obj.rule, obj.rule)


@admin.register(AlertAcknowledgement)
class AlertAcknowledgementAdmin(ScopedAdmin):
    """Who looked into an alert."""

    list_display = ("alert", "acknowledged_by", "created_at")
    list_select_related = ("alert",)
    fields = readonly_fields = ("alert", "acknowledged_by", "note", "created_at")


@admin.register(AlertNotice)
class AlertNoticeAdmin(ScopedAdmin):
    """Which alerts were mailed."""

    list_display = ("alert", "recipients", "created_at")
    list_select_related = ("alert",)
    fields = readonly_fields = ("alert", "recipients", "created_at")


@admin.register(WatchRules)
class WatchRulesAdmin(ScopedAdmin):
    """From when on a read is unusual; changed on the portal's page of alerts."""

    list_display = ("classes_per_hour", "exports_per_hour", "failed_signins_per_hour")
    fields = readonly_fields = LIMIT_FIELDS


@admin.register(WatchCursor)
class WatchCursorAdmin(ScopedAdmin):
    """How far the watch has come."""

    list_display = fields = readonly_fields = ("sequence",)


@admin.register(KnownNetwork)
class KnownNetworkAdmin(ScopedAdmin):
    """Which networks people read from, as keyed hashes."""

    list_display = fields = readonly_fields = ("person_id", "network", "created_at")
