"""Tables of studios: tenancy, people, dancers, keys."""

from control_plane.studios.models.dancers import Dancer, Guardianship, Relation
from control_plane.studios.models.keys import StudioKey
from control_plane.studios.models.people import Membership, Role
from control_plane.studios.models.tenancy import Room, Studio

__all__ = [
    "Dancer",
    "Guardianship",
    "Membership",
    "Relation",
    "Role",
    "Room",
    "Studio",
    "StudioKey",
]
