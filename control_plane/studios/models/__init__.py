"""Tables of studios: tenancy, people, access, dancers, keys, storage, plans."""

from control_plane.studios.models.access import (
    BREAK_GLASS_LIMIT,
    BreakGlass,
    Effect,
    ObjectRight,
    RoleActions,
)
from control_plane.studios.models.api_keys import ApiKey
from control_plane.studios.models.dancers import Dancer, Guardianship, Relation
from control_plane.studios.models.keys import KeyTombstone, Shredded, StudioKey
from control_plane.studios.models.people import Membership, Role
from control_plane.studios.models.plans import Limit, Plan, StudioPlan
from control_plane.studios.models.signin import (
    GroupRole,
    IdentityProvider,
    Invitation,
    ProvidedMembership,
    ProviderKind,
    SigninPolicy,
)
from control_plane.studios.models.storage import (
    OPEN_MOVES,
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
    "BREAK_GLASS_LIMIT",
    "OPEN_MOVES",
    "ApiKey",
    "BreakGlass",
    "Dancer",
    "Disposal",
    "DisposalReason",
    "Effect",
    "Encryption",
    "GroupRole",
    "Guardianship",
    "IdentityProvider",
    "Invitation",
    "KeyTombstone",
    "Limit",
    "Membership",
    "MoveFault",
    "MoveState",
    "ObjectRight",
    "Plan",
    "ProbeState",
    "ProvidedMembership",
    "ProviderKind",
    "Relation",
    "Role",
    "RoleActions",
    "Room",
    "Shredded",
    "SigninPolicy",
    "StoreMove",
    "StoreProbe",
    "Studio",
    "StudioKey",
    "StudioPlan",
    "StudioStorage",
    "StudioStore",
]
