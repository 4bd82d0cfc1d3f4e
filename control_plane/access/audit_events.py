"""Audit events of roles, grants, break-glass access and API keys, and of reads about people."""

from control_plane.audit.events import AuditEvent, Category, Rate, Severity

GRANT_GIVEN = AuditEvent(
    "grant.given",
    "A permission on one object was granted.",
    category=Category.ACCESS,
    sentence="{who} granted {what} {right} on {thing}{until}{reason}",
    severity=Severity.SERIOUS,
    rate=Rate(1_000, 2_000),
)
GRANT_TAKEN = AuditEvent(
    "grant.taken",
    "A permission on one object was revoked.",
    category=Category.ACCESS,
    sentence="{who} revoked {right} on {thing} from {what}",
    severity=Severity.SERIOUS,
)
DENIAL_GIVEN = AuditEvent(
    "denial.given",
    "A permission on one object was denied.",
    category=Category.ACCESS,
    sentence="{who} denied {what} {right} on {thing}{until}{reason}",
    severity=Severity.SERIOUS,
    rate=Rate(1_000, 2_000),
)
DENIAL_LIFTED = AuditEvent(
    "denial.lifted",
    "A denial on one object was removed.",
    category=Category.ACCESS,
    sentence="{who} removed the denial of {right} on {thing} for {what}",
    severity=Severity.SERIOUS,
)
ROLE_CHANGED = AuditEvent(
    "role.changed",
    "The permissions of a role were changed.",
    category=Category.ACCESS,
    sentence="{who} changed the permissions of the role {role}: {change}",
    severity=Severity.SERIOUS,
)
ROLE_RESET = AuditEvent(
    "role.reset",
    "The permissions of a role were reset to the defaults.",
    category=Category.ACCESS,
    sentence="{who} reset the role {role} to its defaults: {change}",
    severity=Severity.SERIOUS,
)
BREAK_GLASS_OPENED = AuditEvent(
    "break_glass.opened",
    "A platform operator opened break-glass access, with a reason and an end.",
    category=Category.ACCESS,
    severity=Severity.SERIOUS,
    # A mail to each admin.
    rate=Rate(20, 40),
)
BREAK_GLASS_CLOSED = AuditEvent(
    "break_glass.closed",
    "Break-glass access was ended.",
    category=Category.ACCESS,
    severity=Severity.SERIOUS,
)
API_KEY_MADE = AuditEvent(
    "api_key.made",
    "An API key was created.",
    category=Category.ACCESS,
    sentence="{who} created the {thing}; its permissions: {lent}{until}",
    rate=Rate(60, 120),
)
API_KEY_REVOKED = AuditEvent(
    "api_key.revoked",
    "An API key was revoked.",
    category=Category.ACCESS,
    sentence="{who} revoked the {thing} of {what}",
)
PEOPLE_LISTED = AuditEvent(
    "people.listed",
    "The list of people was viewed.",
    category=Category.PEOPLE,
    sentence="{who} viewed the list of people",
    is_read=True,
)
PERSON_OPENED = AuditEvent(
    "person.opened",
    "A member's page was viewed.",
    category=Category.PEOPLE,
    sentence="{who} viewed the page of {what}",
    is_read=True,
)
ACCESS_READ = AuditEvent(
    "access.read",
    "The list of people with access to an object was viewed.",
    category=Category.ACCESS,
    sentence="{who} viewed who can access {what}",
    is_read=True,
)
ADMIN_READ = AuditEvent(
    "admin.read",
    "A page of the admin site about people was viewed.",
    category=Category.PEOPLE,
    sentence="{who} viewed {page} in the admin site",
    is_read=True,
)
