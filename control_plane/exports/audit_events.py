"""Audit events of exports. All are about the class."""

from control_plane.audit.events import AuditEvent, Category, Rate, Severity

EXPORT_REQUESTED = AuditEvent(
    "export.requested",
    "An export of a class was requested.",
    category=Category.FOOTAGE,
    sentence="{who} requested an export of {what}",
    severity=Severity.SERIOUS,
    rate=Rate(30, 100),
)
EXPORT_APPROVED = AuditEvent(
    "export.approved",
    "An export was approved by a second person.",
    category=Category.FOOTAGE,
    sentence="{who} approved an export of {what}",
    severity=Severity.SERIOUS,
)
EXPORT_STARTED = AuditEvent(
    "export.started",
    "The footage of an export was read, and its package written.",
    category=Category.FOOTAGE,
    sentence="The export that {who} requested was written: {what}",
    is_read=True,
    footage_access="made an export",
)
EXPORT_ENDED = AuditEvent(
    "export.ended",
    "An export was cancelled, failed, was deleted or expired: the key of its package is destroyed.",
    category=Category.FOOTAGE,
)
EXPORT_DOWNLOADED = AuditEvent(
    "export.downloaded",
    "An export was downloaded.",
    category=Category.FOOTAGE,
    sentence="{who} downloaded an export of {what}",
    severity=Severity.SERIOUS,
    is_read=True,
    footage_access="downloaded an export",
    takes_data_out=True,
)
EXPORTS_LISTED = AuditEvent(
    "exports.listed",
    "Exports were viewed.",
    category=Category.FOOTAGE,
    sentence="{who} viewed the exports",
    is_read=True,
)
