"""The values of an access decision: the facts about one person that go in, the answer and its reason that come out. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role


class ReasonCode(StrEnum):
    """The line of the rule that decided. A fact source adds a code of its own (`sources.FactSource`)."""

    ROLE = "role"
    OWN_DANCER = "own_dancer"
    GRANT = "grant"
    BREAK_GLASS = "break_glass"
    MACHINE = "machine"
    NOT_A_MEMBER = "not_a_member"
    DENIED = "denied"
    NOT_OWN = "not_own"
    NO_PERMISSION = "no_permission"
    OUT_OF_SCOPE = "out_of_scope"


@dataclass(frozen=True, slots=True)
class ActiveGrant:
    """A grant, or a denial, that is in force.

    `object_label` is the model of the object that it is on, such as `tenancy.Room`; `until` None: no end.
    """

    action: StudioPermission
    allows: bool
    object_label: str
    until: datetime | None = None
    given_by: UUID | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ActiveBreakGlass:
    """A platform operator's open break-glass access to the studio."""

    id: UUID
    actions: frozenset[StudioPermission]
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class AccessFacts:
    """The stored facts about one person, one studio and one object in it, at one instant.

    `role` None: not a member. `allowed` is what the role allows in this studio now. `grants` are the grants and denials
    on the object and on the objects that contain it.
    """

    role: Role | None = None
    allowed: frozenset[StudioPermission] = frozenset()
    grants: tuple[ActiveGrant, ...] = ()
    break_glasses: tuple[ActiveBreakGlass, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a decision was made.

    Args:
        code: a `ReasonCode`, or the code of a fact source.
        object_label: the model of the object that a grant or denial is on.
        until: the end of the grant, denial or break-glass access; None: no end.
        by: the id of the person who granted or denied; the page looks the name up.
        note: for a grant, the reason that its giver wrote; for a denial, the permission that was denied.
    """

    code: str
    action: StudioPermission
    role: Role | None = None
    object_label: str = ""
    until: datetime | None = None
    by: UUID | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, and why. True if access is allowed."""

    allowed: bool
    reason: Reason = field(compare=False)

    def __bool__(self) -> bool:
        return self.allowed
