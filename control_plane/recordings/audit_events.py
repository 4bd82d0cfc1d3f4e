"""Audit events of classes, their footage and their rosters."""

from control_plane.audit.events import AuditEvent, Category, Rate, Severity

CLASS_STARTED = AuditEvent(
    "class.started",
    "Recording of a class was requested.",
    category=Category.RECORDING,
    sentence="{who} started to record {what}",
    rate=Rate(300, 600),
)
CLASS_STOPPED = AuditEvent(
    "class.stopped",
    "The end of the recording of a class was requested.",
    category=Category.RECORDING,
    sentence="{who} stopped recording {what}",
)
CLASS_CHANGED = AuditEvent(
    "class.changed",
    "A class was changed, its title for example.",
    category=Category.RECORDING,
    sentence="{who} changed {what}",
)
CLASS_FINISHED = AuditEvent(
    "class.finished",
    "All footage of a class has arrived.",
    category=Category.RECORDING,
    sentence="All footage of {what} has arrived",
    severity=Severity.ROUTINE,
)
CLASS_OPENED = AuditEvent(
    "class.opened",
    "The page of a class was viewed.",
    category=Category.FOOTAGE,
    sentence="{who} viewed the page of {what}",
    is_read=True,
    footage_access="opened the page",
)
CLASS_REPLAYED = AuditEvent(
    "class.replayed",
    "A class was replayed.",
    category=Category.FOOTAGE,
    sentence="{who} opened the replay of {what}",
    is_read=True,
    footage_access="watched the replay",
)
FOOTAGE_COMMITTED = AuditEvent(
    "footage.committed",
    "Footage of a class arrived and was verified.",
    category=Category.RECORDING,
    sentence="Footage of {what} arrived and was verified",
    severity=Severity.ROUTINE,
)
CLASS_EXPIRED = AuditEvent(
    "class.expired",
    "The retention of a class ended: its key was destroyed, and its footage can no longer be decrypted.",
    category=Category.RECORDING,
    sentence="The footage of {what} was deleted at the end of its retention",
)
FOOTAGE_REMOVED = AuditEvent(
    "footage.removed",
    "The remaining objects of a destroyed class were deleted.",
    category=Category.RECORDING,
)
ROSTER_OPENED = AuditEvent(
    "roster.opened",
    "The roster of a class was viewed.",
    category=Category.PEOPLE,
    sentence="{who} viewed the roster of {what}",
    is_read=True,
)
ROSTER_CHANGED = AuditEvent(
    "roster.changed",
    "The roster of a class was changed and has to be confirmed again.",
    category=Category.PEOPLE,
    sentence="{who} changed the roster of {what}",
)
ROSTER_CONFIRMED = AuditEvent(
    "roster.confirmed",
    "The roster of a class was confirmed.",
    category=Category.PEOPLE,
    sentence="{who} confirmed the roster of {what}",
)
CLASS_TYPE_ADDED = AuditEvent(
    "class_type.added",
    "A class type was added to the timetable.",
    category=Category.PEOPLE,
    severity=Severity.ROUTINE,
    rate=Rate(300, 600),
)
CLASS_TYPE_ENDED = AuditEvent(
    "class_type.ended",
    "A class type and its enrolments ended.",
    category=Category.PEOPLE,
)
CLASS_TYPE_SET = AuditEvent(
    "class.class_type_set",
    "The class type of a class was set. Its enrolled dancers count as present.",
    category=Category.PEOPLE,
)
ENROLMENT_STARTED = AuditEvent(
    "enrolment.started",
    "Dancers were enrolled for a class type.",
    category=Category.PEOPLE,
    rate=Rate(1_000, 2_000),
)
ENROLMENT_ENDED = AuditEvent(
    "enrolment.ended",
    "An enrolment for a class type ended.",
    category=Category.PEOPLE,
)
ENROLMENTS_OPENED = AuditEvent(
    "enrolments.opened",
    "The dancers enrolled for a class type were viewed.",
    category=Category.PEOPLE,
    sentence="{who} viewed the dancers of {what}",
    is_read=True,
)
