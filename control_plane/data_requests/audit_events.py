"""Audit events of requests about data."""

from control_plane.audit.events import AuditEvent, Category, Rate, Severity

DATA_REQUEST_ENTERED = AuditEvent(
    "data_request.entered",
    "A request about a dancer's data was entered.",
    category=Category.PEOPLE,
    sentence="{who} entered a request about the data of {what}",
    rate=Rate(200, 400),
)
DATA_REQUEST_CLOSED = AuditEvent(
    "data_request.closed",
    "A request about a dancer's data was closed.",
    category=Category.PEOPLE,
)
PERSONAL_DATA_DOWNLOADED = AuditEvent(
    "dancer.data_downloaded",
    "Everything that the studio holds about a dancer was downloaded.",
    category=Category.PEOPLE,
    sentence="{who} downloaded everything about {what}",
    is_read=True,
    takes_data_out=True,
)
DANCER_ERASED = AuditEvent(
    "dancer.erased",
    "A dancer was erased, with the recordings that were chosen.",
    category=Category.PEOPLE,
    severity=Severity.SERIOUS,
    sentence="{who} erased {what}",
)
FAMILY_REPORT_READ = AuditEvent(
    "dancer.family_report_read",
    "A family read what the studio has of its dancer.",
    category=Category.PEOPLE,
    sentence="{who} read what the studio has of {what}",
    is_read=True,
)
