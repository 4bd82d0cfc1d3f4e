"""Audit events of sharing."""

from control_plane.audit.events import AuditEvent, Category, Severity

EGRESS_POLICY_CHANGED = AuditEvent(
    "egress_policy.changed",
    "The studio's rules for sharing and export were changed.",
    category=Category.ACCESS,
    severity=Severity.SERIOUS,
    sentence="{who} changed the rules for sharing and export",
)
