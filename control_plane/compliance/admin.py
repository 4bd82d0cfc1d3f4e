"""Admin pages of alerts, anomaly thresholds and checkpoints. Read only: history, or changed in the portal."""

from django.contrib import admin

from control_plane.access.admin_base import ScopedAdmin
from control_plane.compliance.anomaly_alerts import THRESHOLD_FIELDS
from control_plane.compliance.anomaly_rules import RULE_LABELS
from control_plane.compliance.models import (
    Alert,
    AlertAcknowledgement,
    AlertNotice,
    AnomalyCursor,
    AnomalyThresholds,
    KnownNetwork,
)


@admin.register(Alert)
class AlertAdmin(ScopedAdmin):
    """Alerts about unusual access."""

    list_display = ("raised_at", "what", "person_id", "sequence")
    fields = readonly_fields = ("raised_at", "what", "person_id", "sequence", "occasion", "facts")

    @admin.display(description="What", ordering="rule")
    def what(self, obj: Alert) -> str:
        """Returns the rule's label."""
        return RULE_LABELS.get(obj.rule, obj.rule)


@admin.register(AlertAcknowledgement)
class AlertAcknowledgementAdmin(ScopedAdmin):
    """People who acknowledged an alert."""

    list_display = ("alert", "acknowledged_by", "created_at")
    list_select_related = ("alert",)
    fields = readonly_fields = ("alert", "acknowledged_by", "note", "created_at")


@admin.register(AlertNotice)
class AlertNoticeAdmin(ScopedAdmin):
    """Alerts that were mailed."""

    list_display = ("alert", "recipients", "created_at")
    list_select_related = ("alert",)
    fields = readonly_fields = ("alert", "recipients", "created_at")


@admin.register(AnomalyThresholds)
class AnomalyThresholdsAdmin(ScopedAdmin):
    """Thresholds of the anomaly rules; changed on the portal's page of alerts."""

    list_display = ("classes_per_hour", "exports_per_hour", "failed_signins_per_hour")
    fields = readonly_fields = THRESHOLD_FIELDS


@admin.register(AnomalyCursor)
class AnomalyCursorAdmin(ScopedAdmin):
    """Last audit event that the anomaly rules have checked."""

    list_display = fields = readonly_fields = ("sequence",)


@admin.register(KnownNetwork)
class KnownNetworkAdmin(ScopedAdmin):
    """Networks that people have read from, as keyed hashes."""

    list_display = fields = readonly_fields = ("person_id", "network", "created_at")
