"""Audit events of a studio's stores and store migrations."""

from control_plane.audit.events import AuditEvent, Category, Severity

STORE_ADDED = AuditEvent(
    "store.added",
    "An object store was added.",
    category=Category.KEYS,
)
STORE_CHANGED = AuditEvent(
    "store.changed",
    "The credentials or encryption of an object store were changed.",
    category=Category.KEYS,
    severity=Severity.SERIOUS,
)
STORE_RETIRED = AuditEvent(
    "store.retired",
    "An object store was retired, and its credentials were deleted.",
    category=Category.KEYS,
    severity=Severity.SERIOUS,
)
STORE_PROBED = AuditEvent(
    "store.probed",
    "An object store was probed.",
    category=Category.KEYS,
)
STORE_REGION_SET = AuditEvent(
    "store.region_set",
    "The required region of the studio's footage was changed.",
    category=Category.KEYS,
)
STORE_MOVE_STARTED = AuditEvent(
    "store.move_started",
    "A store migration was started; new footage goes to the new store.",
    category=Category.KEYS,
)
STORE_MOVE_RETRIED = AuditEvent(
    "store.move_retried",
    "Objects that a store migration could not copy are being retried.",
    category=Category.KEYS,
)
STORE_MOVE_COPIED = AuditEvent(
    "store.move_copied",
    "A store migration has copied and verified all footage that it could read.",
    category=Category.KEYS,
)
STORE_MOVE_CANCELLED = AuditEvent(
    "store.move_cancelled",
    "A store migration was cancelled; new footage goes to the old store again.",
    category=Category.KEYS,
)
STORE_MOVE_FINISHED = AuditEvent(
    "store.move_finished",
    "A store migration is complete; the copies in the old store were deleted.",
    category=Category.KEYS,
)
