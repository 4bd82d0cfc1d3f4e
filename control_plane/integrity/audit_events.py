"""Audit events of integrity scans."""

from control_plane.audit.events import AuditEvent, Category, Severity

FOOTAGE_DAMAGED = AuditEvent(
    "footage.damaged",
    "An integrity scan found footage missing or damaged in its store; it is now a gap.",
    category=Category.RECORDING,
    sentence="Footage of {what} was found missing or damaged in its store",
    severity=Severity.SERIOUS,
)
FOOTAGE_REPAIRED = AuditEvent(
    "footage.repaired",
    "Footage that was missing or damaged in its store was restored.",
    category=Category.RECORDING,
    sentence="Missing or damaged footage of {what} was restored",
)
