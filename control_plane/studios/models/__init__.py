"""Tables of studios: tenancy, people, dancers, keys, storage, plans."""

from control_plane.studios.models.dancers import Dancer, Guardianship, Relation
from control_plane.studios.models.keys import KeyTombstone, Shredded, StudioKey
from control_plane.studios.models.people import Membership, Role
from control_plane.studios.models.plans import Limit, MonthlyUse, Plan, StudioPlan
from control_plane.studios.models.storage import (
    Disposal,
    DisposalReason,
    Encryption,
    MoveFault,
    MoveState,
    ProbeState,
    StoreMove,
    StoreProbe,
    StudioStorage,
    StudioStore,
)
from control_plane.studios.models.tenancy import Room, Studio

__all__ = [
    "Dancer",
    "Disposal",
    "DisposalReason",
    "Encryption",
    "Guardianship",
    "KeyTombstone",
    "Limit",
    "Membership",
    "MonthlyUse",
    "MoveFault",
    "MoveState",
    "Plan",
    "ProbeState",
    "Relation",
    "Role",
    "Room",
    "Shredded",
    "StoreMove",
    "StoreProbe",
    "Studio",
    "StudioKey",
    "StudioPlan",
    "StudioStorage",
    "StudioStore",
]
