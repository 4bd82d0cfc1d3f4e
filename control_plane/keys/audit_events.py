"""Audit events of encryption keys."""

from control_plane.audit.events import AuditEvent, Category, Rate, Severity

STUDIO_KEY_MADE = AuditEvent(
    "studio.key_made",
    "A new generation of the studio's keys was created.",
    category=Category.SETUP,
    # A file in the key share store, and a push to every agent.
    rate=Rate(6, 6),
)
STUDIO_KEYS_REWRAPPED = AuditEvent(
    "studio.keys_rewrapped",
    "All data of the studio was re-wrapped under its newest keys.",
    category=Category.SETUP,
)
STUDIO_KEY_DESTROYED = AuditEvent(
    "studio.key_destroyed",
    "A retired generation of the studio's keys was destroyed.",
    category=Category.SETUP,
    severity=Severity.SERIOUS,
)
STUDIO_SHREDDED = AuditEvent(
    "studio.shredded",
    "The keys of all recordings of the studio were destroyed.",
    category=Category.SETUP,
    severity=Severity.SERIOUS,
)
CLASS_SHREDDED = AuditEvent(
    "class.shredded",
    "A class's key was destroyed; its footage can no longer be decrypted.",
    category=Category.RECORDING,
    sentence="{who} destroyed the footage of {what}",
    severity=Severity.SERIOUS,
)
ROOT_KEY_ROTATED = AuditEvent(
    "root_key.rotated",
    "The keys of all studios were re-wrapped under another root key.",
    category=Category.KEYS,
    severity=Severity.SERIOUS,
)
KEY_OPENED = AuditEvent(
    "key.opened",
    "A content key was opened outside of a replay.",
    category=Category.FOOTAGE,
    severity=Severity.SERIOUS,
    is_read=True,
    footage_access="opened a key",
)
