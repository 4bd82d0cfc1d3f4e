"""Audit events of retention. The deletion of a class is `class.expired`, of recordings."""

from control_plane.audit.events import AuditEvent, Category, Severity

POLICY_CONFIRMED = AuditEvent(
    "retention.policy_confirmed",
    "It was decided how long recordings are kept; deletion by date is in force.",
    category=Category.RECORDING,
    sentence="{who} decided how long recordings are kept",
    severity=Severity.SERIOUS,
)
RULE_SAVED = AuditEvent(
    "retention.rule_saved",
    "A retention rule was added or changed.",
    category=Category.RECORDING,
    sentence="{who} saved a retention rule",
    severity=Severity.SERIOUS,
)
RULE_REMOVED = AuditEvent(
    "retention.rule_removed",
    "A retention rule was removed.",
    category=Category.RECORDING,
    sentence="{who} removed a retention rule",
    severity=Severity.SERIOUS,
)
HOLD_PLACED = AuditEvent(
    "retention.hold_placed",
    "A hold was placed: what it covers is not deleted by date.",
    category=Category.RECORDING,
    sentence="{who} placed a hold on {what}",
)
HOLD_LIFTED = AuditEvent(
    "retention.hold_lifted",
    "A hold was lifted before its end.",
    category=Category.RECORDING,
    sentence="{who} lifted a hold on {what}",
    severity=Severity.SERIOUS,
)
RUN_STOPPED = AuditEvent(
    "retention.run_stopped",
    "A retention run stopped before it deleted anything, and waits for a person.",
    category=Category.RECORDING,
    sentence="A retention run of {what} stopped and waits for confirmation",
    severity=Severity.SERIOUS,
)
RUN_CONFIRMED = AuditEvent(
    "retention.run_confirmed",
    "A stopped retention run was confirmed.",
    category=Category.RECORDING,
    sentence="{who} confirmed a retention run",
    severity=Severity.SERIOUS,
)
RUN_CANCELLED = AuditEvent(
    "retention.run_cancelled",
    "A retention run was cancelled.",
    category=Category.RECORDING,
    sentence="{who} cancelled a retention run",
)
RUN_FINISHED = AuditEvent(
    "retention.run_finished",
    "A retention run finished.",
    category=Category.RECORDING,
    sentence="A retention run of {what} finished",
    severity=Severity.ROUTINE,
)
OVERDUE = AuditEvent(
    "retention.overdue",
    "Recordings are more than 24 hours past the date of their deletion.",
    category=Category.RECORDING,
    sentence="Recordings of {what} are past the date of their deletion",
    severity=Severity.SERIOUS,
)
UNDECIDED = AuditEvent(
    "retention.undecided",
    "Recordings are kept without end, because nobody has decided how long to keep them.",
    category=Category.RECORDING,
    sentence="Recordings of {what} are kept without end: nobody has decided how long",
    severity=Severity.SERIOUS,
)
