"""Audit events of uploads."""

from control_plane.audit.events import AuditEvent, Category, Severity

SEGMENT_QUARANTINED = AuditEvent(
    "segment.quarantined",
    "A segment that conflicts with another one was quarantined.",
    category=Category.RECORDING,
    severity=Severity.SERIOUS,
)
UPLOADS_SWEPT = AuditEvent(
    "uploads.swept",
    "Announced segments that never arrived, and old quarantined ones, were deleted.",
    category=Category.RECORDING,
    severity=Severity.ROUTINE,
)
