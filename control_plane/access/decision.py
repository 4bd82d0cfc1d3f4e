"""The rule of access over values: what somebody is to a studio goes in, yes or no with its reason comes out. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from uuid import UUID

from control_plane.access.roles import LIMITS, OWN_ONLY, RIGHTS_ON, denying, granting
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role


class Why(StrEnum):
    """The fact that decided."""

    ROLE = "role"
    OWN_DANCER = "own_dancer"
    GRANT = "grant"
    BREAK_GLASS = "break_glass"
    MACHINE = "machine"
    NOT_A_MEMBER = "not_a_member"
    DENIED = "denied"
    NOT_OWN = "not_own"
    NO_RIGHT = "no_right"
    NOT_LENT = "not_lent"


@dataclass(frozen=True, slots=True)
class Held:
    """A right, or a denial, that is in force. `thing` is the label of what it is on; `until` None: no end."""

    action: StudioPermission
    allows: bool
    thing: str
    until: datetime | None = None
    given_by: UUID | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """An open break-glass."""

    id: UUID
    actions: frozenset[StudioPermission]
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What one person is to one studio, and to one thing in it, at one instant.

    `role` None: no member. `allowed` is what the role allows here now; `rights` are those on the thing asked about and
    on what it belongs to.
    """

    role: Role | None = None
    allowed: frozenset[StudioPermission] = frozenset()
    rights: tuple[Held, ...] = ()
    visits: tuple[Visit, ...] = ()

    @property
    def is_stranger(self) -> bool:
        """Whether the studio, to this person, is not there."""
        return self.role is None and not self.visits


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a decision fell. Which fields are set follows from `why`; `by` is a person's id, to be named by the page."""

    why: Why
    action: StudioPermission
    role: Role | None = None
    thing: str = ""
    until: datetime | None = None
    by: UUID | None = None
    note: str = ""

    def words(self, *, zone: tzinfo = UTC, by_name: str = "") -> str:
        """Returns the reason as a sentence for a studio's owner, without names but for `by_name`."""
        action = self.action.replace("_", " ")
        role = self.role.label if self.role else ""
        until = f" until {self.until.astimezone(zone):%d %B %Y, %H:%M}" if self.until else ""
        by = f" by {by_name}" if by_name else ""
        on = {"Studio": "the whole studio", "Room": "the room", "ClassSession": "this class"}.get(
            self.thing.rpartition(".")[2], "this"
        )
        match self.why:
            case Why.ROLE:
                return f"The role {role} includes {action}."
            case Why.OWN_DANCER:
                return f"The role {role} includes {action} where a dancer of their own takes part."
            case Why.GRANT:
                return f"Given {action} on {on}{until}{by}."
            case Why.BREAK_GLASS:
                return f"Platform support, let in for {action}{until}."
            case Why.MACHINE:
                return "A part of the system itself."
            case Why.NOT_A_MEMBER:
                return "Not a member of this studio."
            case Why.DENIED:
                return f"Denied {self.note} on {on}{until}{by}."
            case Why.NOT_LENT:
                return f"The key does not lend {action}."
            case Why.NOT_OWN:
                return f"The role {role} includes {action} of their own dancers' classes only."
        return (
            f"Nothing gives {action}; the role {role} does not include it."
            if role
            else f"Not let in for {action}."
        )

    def __str__(self) -> str:
        return self.words()


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, and why. True where it is a yes."""

    allowed: bool
    reason: Reason = field(compare=False)

    def __bool__(self) -> bool:
        return self.allowed


def judge(standing: Standing, action: StudioPermission, *, owns: Callable[[], bool]) -> Decision:
    """Decides. A denial beats all; then any one of role, right and break-glass is enough.

    Args:
        owns: says whether the thing shows a dancer whom the person answers for; asked only where it matters.
    """
    if standing.is_stranger:
        return Decision(False, Reason(Why.NOT_A_MEMBER, action))
    role = standing.role
    if role is not None and (denial := _strongest(standing, action, allows=False)):
        return Decision(False, _held(Why.DENIED, action, role, denial))
    only_own = role is not None and action in OWN_ONLY.get(role, frozenset())
    if role is not None and action in standing.allowed:
        if not only_own:
            return Decision(True, Reason(Why.ROLE, action, role))
        if owns():
            return Decision(True, Reason(Why.OWN_DANCER, action, role))
    if role is not None and action in LIMITS[role] and (right := _strongest(standing, action, allows=True)):
        return Decision(True, _held(Why.GRANT, action, role, right))
    if visit := max(
        (visit for visit in standing.visits if action in visit.actions),
        key=lambda one: one.ends_at,
        default=None,
    ):
        return Decision(True, Reason(Why.BREAK_GLASS, action, until=visit.ends_at))
    if only_own and action in standing.allowed:
        return Decision(False, Reason(Why.NOT_OWN, action, role))
    return Decision(False, Reason(Why.NO_RIGHT, action, role))


def giving(action: StudioPermission, thing: str) -> frozenset[StudioPermission]:
    """Returns the actions that, as rights on a thing of the table `thing`, give `action`."""
    return granting(action) & RIGHTS_ON.get(thing, frozenset())


def _strongest(standing: Standing, action: StudioPermission, *, allows: bool) -> Held | None:
    """Returns, of the rights that bear on `action`, the one that lasts longest."""
    if not standing.rights:
        return None
    found = [
        right
        for right in standing.rights
        if right.allows is allows
        and right.action in (giving(action, right.thing) if allows else denying(action))
    ]
    longest = datetime.max.replace(tzinfo=UTC)
    return max(found, key=lambda right: right.until or longest, default=None)


def _held(why: Why, action: StudioPermission, role: Role, right: Held) -> Reason:
    note = right.action.replace("_", " ") if why is Why.DENIED else right.reason
    return Reason(why, action, role, thing=right.thing, until=right.until, by=right.given_by, note=note)
