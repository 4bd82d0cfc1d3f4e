"""Audit events of a studio's sign-in policy and identity providers."""

from control_plane.audit.events import AuditEvent, Category, Rate, Severity

SIGNIN_POLICY_CHANGED = AuditEvent(
    "signin_policy.changed",
    "The studio's sign-in policy was changed.",
    category=Category.ACCESS,
    severity=Severity.SERIOUS,
)
PROVIDER_ADDED = AuditEvent(
    "identity_provider.added",
    "An identity provider was added.",
    category=Category.ACCESS,
    rate=Rate(30, 60),
)
PROVIDER_CHANGED = AuditEvent(
    "identity_provider.changed",
    "An identity provider was changed.",
    category=Category.ACCESS,
)
PROVIDER_REMOVED = AuditEvent(
    "identity_provider.removed",
    "An identity provider was removed.",
    category=Category.ACCESS,
)
PROVIDER_DOMAIN_PROVEN = AuditEvent(
    "identity_provider.domain_proven",
    "A DNS record proved the studio's control of an e-mail domain.",
    category=Category.ACCESS,
    sentence="{who} proved the studio's control of the domain {domain}",
)
PROVIDER_DOMAIN_LOST = AuditEvent(
    "identity_provider.domain_lost",
    "The DNS record that proves the control of an e-mail domain is missing.",
    category=Category.ACCESS,
    sentence="{who} found the proof for the domain {domain} missing",
)
PROVIDER_OVERRULED = AuditEvent(
    "identity_provider.overruled",
    "An identity provider tried to remove the studio's last admin; this was refused.",
    category=Category.ACCESS,
    severity=Severity.SERIOUS,
)
