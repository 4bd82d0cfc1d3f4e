"""Tables of studios: tenancy, people, keys."""

from control_plane.studios.models.keys import StudioKey
from control_plane.studios.models.people import Membership, Role
from control_plane.studios.models.tenancy import Room, Studio

__all__ = ["Membership", "Role", "Room", "Studio", "StudioKey"]
