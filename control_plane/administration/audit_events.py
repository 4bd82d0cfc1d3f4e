"""Audit events of platform operators."""

from control_plane.audit.events import AuditEvent, Category, Severity

OPERATOR_MADE = AuditEvent(
    "operator.made",
    "A person became a platform operator.",
    category=Category.ACCESS,
    severity=Severity.SERIOUS,
)
OPERATOR_ENDED = AuditEvent(
    "operator.ended",
    "A person is no longer a platform operator.",
    category=Category.ACCESS,
    severity=Severity.SERIOUS,
)
