"""Writes of studios. Each requires access, changes, and records, in one transaction of the studio's scope."""

from control_plane.studios.services.break_glass import close_break_glass, open_break_glass
from control_plane.studios.services.dancers import (
    add_dancer,
    add_dancers,
    change_dancer,
    end_guardianship,
    set_dancer_left,
    start_guardianship,
)
from control_plane.studios.services.grants import deny_right, give_right, take_back, take_right
from control_plane.studios.services.keys import rotate_studio_key
from control_plane.studios.services.operators import (
    end_operator,
    found_studio,
    make_operator,
    require_operator,
)
from control_plane.studios.services.people import (
    add_member,
    change_role,
    end_member_sessions,
    leave_studio,
    remove_member,
    set_membership_end,
)
from control_plane.studios.services.roles import reset_role, set_role_actions
from control_plane.studios.services.signin import change_signin_policy
from control_plane.studios.services.tenancy import change_studio, create_room, create_studio, rename_room

__all__ = [
    "add_dancer",
    "add_dancers",
    "add_member",
    "change_dancer",
    "change_role",
    "change_signin_policy",
    "change_studio",
    "close_break_glass",
    "create_room",
    "create_studio",
    "deny_right",
    "end_guardianship",
    "end_member_sessions",
    "end_operator",
    "found_studio",
    "give_right",
    "leave_studio",
    "make_operator",
    "open_break_glass",
    "remove_member",
    "rename_room",
    "require_operator",
    "reset_role",
    "rotate_studio_key",
    "set_dancer_left",
    "set_membership_end",
    "set_role_actions",
    "start_guardianship",
    "take_back",
    "take_right",
]
