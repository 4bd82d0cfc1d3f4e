"""Writes of studios, rooms, members and operators.

Each requires access, changes the rows and records the change, in one transaction of the studio's scope.
"""

from control_plane.administration.services.members import (
    add_member,
    change_role,
    end_member_sessions,
    leave_studio,
    remove_member,
    set_membership_end,
)
from control_plane.administration.services.operators import (
    create_studio_with_invitation,
    end_operator,
    make_operator,
)
from control_plane.administration.services.studios import (
    change_studio,
    create_room,
    create_studio,
    rename_room,
)

__all__ = [
    "add_member",
    "change_role",
    "change_studio",
    "create_room",
    "create_studio",
    "create_studio_with_invitation",
    "end_member_sessions",
    "end_operator",
    "leave_studio",
    "make_operator",
    "remove_member",
    "rename_room",
    "set_membership_end",
]
