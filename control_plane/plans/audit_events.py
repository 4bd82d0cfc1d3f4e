"""Audit events of plans and quotas."""

from control_plane.audit.events import AuditEvent, Category

PLAN_CREATED = AuditEvent(
    "plan.created",
    "A plan was created.",
    category=Category.SETUP,
)
PLAN_CHANGED = AuditEvent(
    "plan.changed",
    "A plan's limits were changed.",
    category=Category.SETUP,
)
PLAN_GIVEN = AuditEvent(
    "plan.given",
    "A studio's plan, or its own limits, were set.",
    category=Category.SETUP,
)
QUOTA_WARNED = AuditEvent(
    "quota.warned",
    "The admins were notified that the storage quota is nearly used up.",
    category=Category.SETUP,
)
