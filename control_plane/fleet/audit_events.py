"""Audit events of agents and cameras."""

from control_plane.audit.events import AuditEvent, Category, Rate, Severity

AGENT_PAIRING_STARTED = AuditEvent(
    "agent.pairing_started",
    "A pairing code was created.",
    category=Category.SETUP,
    rate=Rate(300, 600),
)
AGENT_PAIRED = AuditEvent(
    "agent.paired",
    "An agent was paired.",
    category=Category.SETUP,
    sentence="{what} was paired",
)
AGENT_CHANGED = AuditEvent(
    "agent.changed",
    "An agent's name, upload window or upload limit was changed.",
    category=Category.SETUP,
    sentence="{who} changed {what}",
)
AGENT_REVOKED = AuditEvent(
    "agent.revoked",
    "An agent was revoked.",
    category=Category.SETUP,
    sentence="{who} revoked {what}",
)
AGENT_DUPLICATED = AuditEvent(
    "agent.duplicated",
    "Two agents used the same identity.",
    category=Category.SETUP,
    severity=Severity.SERIOUS,
)
CAMERA_CREATED = AuditEvent(
    "camera.created",
    "A camera was added.",
    category=Category.SETUP,
    sentence="{who} added {what}",
    rate=Rate(5_000, 10_000),
)
CAMERA_CHANGED = AuditEvent(
    "camera.changed",
    "A camera's settings were changed.",
    category=Category.SETUP,
    sentence="{who} changed {what}",
)
CAMERA_REMOVED = AuditEvent(
    "camera.removed",
    "A camera was removed.",
    category=Category.SETUP,
    sentence="{who} removed {what}",
)
