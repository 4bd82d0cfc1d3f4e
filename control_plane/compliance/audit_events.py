"""Audit events of access reports, privacy assessments and alerts."""

from control_plane.audit.events import AuditEvent, Category, Severity

REPORT_READ = AuditEvent(
    "report.read",
    "The footage access report of a dancer was viewed.",
    category=Category.RECORD,
    sentence="{who} viewed the footage access report of {what}",
    is_read=True,
)
ASSESSMENT_READ = AuditEvent(
    "assessment.read",
    "The privacy assessment was viewed.",
    category=Category.RECORD,
    sentence="{who} viewed the privacy assessment",
    is_read=True,
)
WATCH_CHANGED = AuditEvent(
    "watch.changed",
    "The alert rules were changed.",
    category=Category.RECORD,
    sentence="{who} changed the alert rules",
    severity=Severity.SERIOUS,
)
ALERT_RAISED = AuditEvent(
    "alert.raised",
    "An alert was raised.",
    category=Category.RECORD,
    sentence="An alert was raised: {rule}",
    severity=Severity.SERIOUS,
)
ALERTS_READ = AuditEvent(
    "alerts.read",
    "The alerts were viewed.",
    category=Category.RECORD,
    sentence="{who} viewed the alerts",
    is_read=True,
)
ALERT_ACKNOWLEDGED = AuditEvent(
    "alert.acknowledged",
    "An alert was acknowledged.",
    category=Category.RECORD,
    sentence="{who} acknowledged an alert",
)
