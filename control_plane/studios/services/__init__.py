"""Writes of studios. Each requires access, changes, and records, in one transaction of the studio's scope."""

from control_plane.studios.services.grants import give_right, take_right
from control_plane.studios.services.keys import rotate_studio_key
from control_plane.studios.services.people import add_member, change_role, remove_member
from control_plane.studios.services.tenancy import change_studio, create_room, create_studio, rename_room

__all__ = [
    "add_member",
    "change_role",
    "change_studio",
    "create_room",
    "create_studio",
    "give_right",
    "remove_member",
    "rename_room",
    "rotate_studio_key",
    "take_right",
]
