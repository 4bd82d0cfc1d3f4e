"""Audit events of sharing."""

from control_plane.audit.events import AuditEvent, Category, Rate, Severity

EGRESS_POLICY_CHANGED = AuditEvent(
    "egress_policy.changed",
    "The studio's rules for sharing and export were changed.",
    category=Category.ACCESS,
    severity=Severity.SERIOUS,
    sentence="{who} changed the rules for sharing and export",
)
SHARE_LINK_MADE = AuditEvent(
    "share_link.made",
    "A share link was made.",
    category=Category.FOOTAGE,
    severity=Severity.SERIOUS,
    sentence="{who} made a share link of {what}",
    rate=Rate(60, 300),
)
SHARE_LINK_REVOKED = AuditEvent(
    "share_link.revoked",
    "A share link was revoked.",
    category=Category.FOOTAGE,
    sentence="{who} revoked a share link of {what}",
)
SHARE_LINK_OPENED = AuditEvent(
    "share_link.opened",
    "A share link was opened, by somebody who had its address.",
    category=Category.FOOTAGE,
    sentence="A share link that {who} made was opened: {what}",
    is_read=True,
    footage_access="opened a share link",
    takes_data_out=True,
)
SHARE_LINK_CLOSED = AuditEvent(
    "share_link.closed",
    "Too many wrong PINs closed a share link.",
    category=Category.FOOTAGE,
    severity=Severity.SERIOUS,
    sentence="Too many wrong PINs closed a share link that {who} made: {what}",
)
SHARE_LINKS_LISTED = AuditEvent(
    "share_links.listed",
    "Share links were viewed, with when and from where they were opened.",
    category=Category.FOOTAGE,
    sentence="{who} viewed the share links",
    is_read=True,
)
