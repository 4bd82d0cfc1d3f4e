"""Writes of access. Each requires access, makes the change and writes the audit event in one transaction."""

from control_plane.access.services.break_glass import close_break_glass, open_break_glass
from control_plane.access.services.grants import deny_permission, end_grant, grant_permission, revoke_grant
from control_plane.access.services.roles import reset_role, set_role_actions

__all__ = [
    "close_break_glass",
    "deny_permission",
    "end_grant",
    "grant_permission",
    "open_break_glass",
    "reset_role",
    "revoke_grant",
    "set_role_actions",
]
