"""Audit events of the audit log itself."""

from control_plane.audit.events import AuditEvent, Category, Rate, Severity

AUDIT_READ = AuditEvent(
    "audit.read",
    "The audit log was viewed.",
    category=Category.RECORD,
    sentence="{who} viewed the audit log",
    is_read=True,
)
AUDIT_VERIFIED = AuditEvent(
    "audit.verified",
    "The audit log was verified.",
    category=Category.RECORD,
    sentence="{who} verified the audit log",
)
AUDIT_EXPORTED = AuditEvent(
    "audit.exported",
    "The audit log, or a selection of it, was exported.",
    category=Category.RECORD,
    sentence="{who} exported the audit log",
    severity=Severity.SERIOUS,
    is_read=True,
    takes_data_out=True,
    # It reads the whole log.
    rate=Rate(60, 120),
)
RECEIPTS_TAKEN = AuditEvent(
    "receipts.taken",
    "The studio's receipts of the signed checkpoints were downloaded.",
    category=Category.RECORD,
    sentence="{who} downloaded the receipts of the signed checkpoints",
    is_read=True,
)
