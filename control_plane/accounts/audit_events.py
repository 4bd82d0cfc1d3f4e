"""Audit events of accounts and sign-in."""

from control_plane.audit.events import AuditEvent, Category, Severity

USER_CREATED = AuditEvent(
    "user.created",
    "An account was created.",
    category=Category.PEOPLE,
    sentence="{who} created an account",
)
USER_RENAMED = AuditEvent(
    "user.renamed",
    "A person changed their display name.",
    category=Category.PEOPLE,
    sentence="{who} changed their display name",
)
SIGNED_IN = AuditEvent(
    "signin.succeeded",
    "A person signed in.",
    category=Category.ACCESS,
    sentence="{who} signed in",
    severity=Severity.ROUTINE,
)
SIGNIN_FAILED = AuditEvent(
    "signin.failed",
    "A sign-in failed.",
    category=Category.ACCESS,
)
SIGNED_OUT = AuditEvent(
    "signin.ended",
    "A person signed out.",
    category=Category.ACCESS,
    sentence="{who} signed out",
    severity=Severity.ROUTINE,
)
SESSIONS_ENDED = AuditEvent(
    "signin.sessions_ended",
    "A person's other sessions were ended.",
    category=Category.ACCESS,
)
PASSWORD_CHANGED = AuditEvent(
    "signin.password_changed",
    "A password was set, changed or reset.",
    category=Category.ACCESS,
)
FACTOR_ADDED = AuditEvent(
    "signin.factor_added",
    "A passkey or another second factor was added to an account.",
    category=Category.ACCESS,
)
FACTOR_REMOVED = AuditEvent(
    "signin.factor_removed",
    "A passkey or another second factor was removed from an account.",
    category=Category.ACCESS,
    severity=Severity.SERIOUS,
)
FACTOR_RENEWED = AuditEvent(
    "signin.factor_renewed",
    "New recovery codes were created for an account.",
    category=Category.ACCESS,
)
SIGNIN_LINK_CREATED = AuditEvent(
    "signin_link.created",
    "A one-time sign-in link was created.",
    category=Category.ACCESS,
)
SIGNIN_LINK_USED = AuditEvent(
    "signin_link.used",
    "A one-time sign-in link was used.",
    category=Category.ACCESS,
)
