"""Audit events of studios, rooms, members and invitations."""

from control_plane.audit.events import AuditEvent, Category, Rate, Severity

STUDIO_CREATED = AuditEvent(
    "studio.created",
    "A studio was created.",
    category=Category.SETUP,
    sentence="{who} created the studio",
)
STUDIO_CHANGED = AuditEvent(
    "studio.changed",
    "A studio's name, colour or time zone was changed.",
    category=Category.SETUP,
    sentence="{who} changed the studio's settings",
)
ROOM_CREATED = AuditEvent(
    "room.created",
    "A room was created.",
    category=Category.SETUP,
    sentence="{who} created {what}",
    rate=Rate(120, 240),
)
ROOM_CHANGED = AuditEvent(
    "room.changed",
    "A room was changed.",
    category=Category.SETUP,
    sentence="{who} changed {what}",
)
MEMBER_ADDED = AuditEvent(
    "member.added",
    "A person became a member.",
    category=Category.PEOPLE,
    sentence="{who} added a member: {what}",
)
MEMBER_CHANGED = AuditEvent(
    "member.changed",
    "A member's role or end date was changed.",
    category=Category.PEOPLE,
    sentence="{who} changed the membership of {what}: {change}",
    severity=Severity.SERIOUS,
)
MEMBER_REMOVED = AuditEvent(
    "member.removed",
    "A member was removed.",
    category=Category.PEOPLE,
    sentence="{who} removed {what} from the studio",
)
MEMBER_LEFT = AuditEvent(
    "member.left",
    "A person left the studio.",
    category=Category.PEOPLE,
    sentence="{who} left the studio",
)
MEMBER_LINK_MADE = AuditEvent(
    "member.link_made",
    "An admin created a one-time sign-in link for a member.",
    category=Category.PEOPLE,
    sentence="{who} created a one-time sign-in link for {what}",
    severity=Severity.SERIOUS,
    # It opens an account.
    rate=Rate(20, 60),
)
MEMBER_SESSIONS_ENDED = AuditEvent(
    "member.sessions_ended",
    "A member's sessions in the studio were ended.",
    category=Category.PEOPLE,
    sentence="{who} ended the sessions of {what} in this studio",
)
INVITATION_SENT = AuditEvent(
    "invitation.sent",
    "An invitation was sent, or sent again.",
    category=Category.PEOPLE,
    # A mail to a person who may not know the studio.
    rate=Rate(60, 120),
)
INVITATION_REVOKED = AuditEvent(
    "invitation.revoked",
    "An invitation was revoked.",
    category=Category.PEOPLE,
)
INVITATION_ACCEPTED = AuditEvent(
    "invitation.accepted",
    "An invitation was accepted.",
    category=Category.PEOPLE,
)
