"""Writes of access. Each requires access, makes the change and writes the audit event in one transaction."""

from control_plane.access.services.break_glass import close_break_glass, open_break_glass
from control_plane.access.services.grants import deny_right, give_right, take_back, take_right
from control_plane.access.services.roles import reset_role, set_role_actions

__all__ = [
    "close_break_glass",
    "deny_right",
    "give_right",
    "open_break_glass",
    "reset_role",
    "set_role_actions",
    "take_back",
    "take_right",
]
