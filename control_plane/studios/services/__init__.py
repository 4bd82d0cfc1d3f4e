"""Writes of studios. Each requires access, changes, and records, in one transaction of the studio's scope."""

from control_plane.studios.services.dancers import (
    add_dancer,
    add_dancers,
    change_dancer,
    end_guardianship,
    set_dancer_left,
    start_guardianship,
)
from control_plane.studios.services.grants import give_right, take_right
from control_plane.studios.services.keys import rotate_studio_key
from control_plane.studios.services.people import add_member, change_role, remove_member
from control_plane.studios.services.tenancy import change_studio, create_room, create_studio, rename_room

__all__ = [
    "add_dancer",
    "add_dancers",
    "add_member",
    "change_dancer",
    "change_role",
    "change_studio",
    "create_room",
    "create_studio",
    "end_guardianship",
    "give_right",
    "remove_member",
    "rename_room",
    "rotate_studio_key",
    "set_dancer_left",
    "start_guardianship",
    "take_right",
]
