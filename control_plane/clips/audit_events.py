"""Audit events of clips. Their object is the class, so that who saw a class includes who saw its clips."""

from control_plane.audit.events import AuditEvent, Category, Rate, Severity

CLIP_MADE = AuditEvent(
    "clip.made",
    "A clip of a class was made.",
    category=Category.FOOTAGE,
    severity=Severity.SERIOUS,
    sentence="{who} made a clip of {what}",
    rate=Rate(60, 300),
)
CLIP_REPLAYED = AuditEvent(
    "clip.replayed",
    "A clip was played.",
    category=Category.FOOTAGE,
    sentence="{who} played a clip of {what}",
    is_read=True,
    footage_access="watched a clip",
)
CLIP_DELETED = AuditEvent(
    "clip.deleted",
    "A clip was deleted: its key was destroyed.",
    category=Category.FOOTAGE,
    severity=Severity.SERIOUS,
    sentence="{who} deleted a clip of {what}",
)
CLIP_EXPIRED = AuditEvent(
    "clip.expired",
    "The retention of a clip ended: its key was destroyed.",
    category=Category.RECORDING,
    sentence="A clip of {what} was deleted at the end of its retention",
)
CLIPS_LISTED = AuditEvent(
    "clips.listed",
    "The list of clips was viewed.",
    category=Category.FOOTAGE,
    sentence="{who} viewed the clips",
    is_read=True,
)
