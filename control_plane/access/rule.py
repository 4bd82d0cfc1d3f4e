"""The access rule, written once: an ordered table of lines, each a conjunction of predicates with its answer and reason.

A predicate has two forms: `holds` reads the facts about one person and one object, `condition` is the same as a query
condition over many objects. The table therefore compiles to a decision (`evaluate`) and to a filter (`condition`), and
there is no third place that decides. The first line that holds gives the answer. The order, and why it is this one, is
described in `docs/design/access.md`.

To add a fact (consent, a share ticket), register a `sources.FactSource`. To add a predicate, write both forms next to each
other in one class; `tests/control_plane/access/test_visible.py` compares them on generated studios.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property, reduce
from operator import and_
from typing import Any, Protocol
from uuid import UUID

from django.db.models import CharField, Exists, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Cast

from control_plane.access import model_access, sources
from control_plane.access.decision import (
    AccessFacts,
    ActiveBreakGlass,
    ActiveGrant,
    Decision,
    Reason,
    ReasonCode,
)
from control_plane.access.facts import open_break_glass
from control_plane.access.model_access import permission_name
from control_plane.access.models import BreakGlass, Effect, ObjectPermission, RolePermissions
from control_plane.access.roles import (
    BREAK_GLASS_PERMISSIONS,
    DEFAULTS,
    FLOOR,
    GRANTABLE_ON,
    LIMITS,
    OWN_ONLY,
    denying,
    granting,
)
from control_plane.access.sources import FactEffect, FactSource
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import CurrentStudio
from control_plane.tenancy.models import Membership
from control_plane.tenancy.selectors import in_force, members

_ALL_ROLES = frozenset(Role)
HoldsFact = Callable[[FactSource], bool]
"""Says whether a fact is true of the person and the object in question. It may query: predicates ask it last."""
Evidence = ActiveGrant | ActiveBreakGlass | bool
"""Why a predicate holds: false if it does not, else true or the row behind it, which the reason quotes."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The role tables, read for one permission; both forms of every predicate use these and nothing else.

    `granted_by` maps the label of an object to the permissions that grant this one if they are granted on it.
    """

    action: StudioPermission
    always: frozenset[Role]
    by_default: frozenset[Role]
    at_most: frozenset[Role]
    own_only: frozenset[Role]
    granted_by: dict[str, frozenset[StudioPermission]]
    denied_by: frozenset[StudioPermission]
    by_break_glass: bool


@cache
def terms(action: StudioPermission) -> Terms:
    """Returns the terms of a permission."""

    def roles(table: dict[Role, frozenset[StudioPermission]]) -> frozenset[Role]:
        return frozenset(role for role in Role if action in table.get(role, frozenset()))

    return Terms(
        action=action,
        always=roles(FLOOR),
        by_default=roles(DEFAULTS),
        at_most=roles(LIMITS),
        own_only=roles(OWN_ONLY),
        granted_by={label: granting(action) & on_object for label, on_object in GRANTABLE_ON.items()},
        denied_by=denying(action),
        by_break_glass=action in BREAK_GLASS_PERMISSIONS,
    )


@dataclass(frozen=True)
class Rows:
    """The rows of one model that one person asks for: what the conditions are about."""

    model: type[Model]
    user_id: UUID
    now: datetime
    _including: dict[StudioPermission, QuerySet[Membership]] = field(default_factory=dict, repr=False)

    @cached_property
    def memberships(self) -> QuerySet[Membership]:
        """The person's membership in the studio in scope, if it is in force."""
        return members(self.now).filter(user_id=self.user_id)

    def memberships_including(self, of: Terms) -> QuerySet[Membership]:
        """Returns the membership if its role includes the permission: `roles.effective` as a condition.

        A role includes its minimum, and what the studio chose for it within its maximum, or else its default.
        """
        # Two lines of the rule use it, and building it is a tenth of the cost of `visible`.
        if of.action not in self._including:
            chosen = RolePermissions.objects.filter(role=OuterRef("role"))
            self._including[of.action] = self.memberships.filter(
                Q(role__in=sorted(of.always))
                | Q(role__in=sorted(of.at_most)) & Exists(chosen.filter(actions__contains=[of.action]))
                | Q(role__in=sorted(of.by_default)) & ~Exists(chosen)
            )
        return self._including[of.action]

    @cached_property
    def break_glasses(self) -> QuerySet[BreakGlass]:
        """The person's open break-glass access to the studio in scope."""
        return open_break_glass(self.now).filter(operator_id=self.user_id)

    @cached_property
    def paths(self) -> dict[str, str]:
        """The paths from a row to what it belongs to, by label, without the studio."""
        return model_access.paths(self.model)

    def grants(
        self, effect: Effect, actions: Callable[[str], frozenset[StudioPermission]]
    ) -> QuerySet[ObjectPermission]:
        """Returns the person's grants (or denials) of `actions(label)` on the outer row and on what it belongs to."""
        where: dict[str, Any] = {label: OuterRef(path) for label, path in self.paths.items()}
        on = Q(pk__in=[])
        for label, key in (where | {model_access.STUDIO: CurrentStudio()}).items():
            names = [permission_name(action, label) for action in sorted(actions(label))]
            on |= Q(object_pk=Cast(key, CharField()), permission__codename__in=names)
        found: QuerySet[ObjectPermission] = ObjectPermission.objects.filter(
            on, in_force(self.now), user_id=self.user_id, effect=effect
        )
        return found


class Predicate(Protocol):
    """A statement about a person and an object."""

    def holds(self, facts: AccessFacts, fact: HoldsFact) -> Evidence:
        """Returns whether it is true of one person and one object."""

    def condition(self, rows: Rows) -> Q:
        """Returns the condition under which it is true of a row."""


class Belongs:
    """The person is a member, or has open break-glass access: the studio exists for them."""

    def holds(self, facts: AccessFacts, fact: HoldsFact) -> Evidence:
        """Returns whether there is a role or break-glass access."""
        return facts.role is not None or bool(facts.break_glasses)

    def condition(self, rows: Rows) -> Q:
        """Returns the same for rows."""
        return Q(Exists(rows.memberships)) | Q(Exists(rows.break_glasses))


@dataclass(frozen=True, slots=True)
class HasRole:
    """The person is a member in one of `roles`."""

    roles: frozenset[Role]

    def holds(self, facts: AccessFacts, fact: HoldsFact) -> Evidence:
        """Returns whether the role is one of them."""
        return facts.role in self.roles

    def condition(self, rows: Rows) -> Q:
        """Returns the same for rows."""
        return Q(Exists(_with_role(rows.memberships, self.roles)))


@dataclass(frozen=True, slots=True)
class NotSpared:
    """The person belongs to the studio, and in none of `roles` as a member."""

    roles: frozenset[Role]

    def holds(self, facts: AccessFacts, fact: HoldsFact) -> Evidence:
        """Returns whether there is another role, or break-glass access alone."""
        return bool(Belongs().holds(facts, fact)) and facts.role not in self.roles

    def condition(self, rows: Rows) -> Q:
        """Returns the same for rows."""
        return Belongs().condition(rows) & ~Q(Exists(_with_role(rows.memberships, self.roles)))


@dataclass(frozen=True, slots=True)
class RoleIncludes:
    """The person's role is one of `roles` and includes the permission, as the studio configured it."""

    of: Terms
    roles: frozenset[Role]

    def holds(self, facts: AccessFacts, fact: HoldsFact) -> Evidence:
        """Returns whether the role includes it; `roles.effective` has computed `allowed`."""
        return facts.role in self.roles and self.of.action in facts.allowed

    def condition(self, rows: Rows) -> Q:
        """Returns the same for rows."""
        return Q(Exists(_with_role(rows.memberships_including(self.of), self.roles)))


@dataclass(frozen=True, slots=True)
class Granted:
    """The permission, or one that includes it, is granted on the object or on an object that contains it."""

    of: Terms

    def holds(self, facts: AccessFacts, fact: HoldsFact) -> Evidence:
        """Returns the grant that lasts longest."""
        granted_by = self.of.granted_by
        found = [grant for grant in facts.grants if grant.action in granted_by.get(grant.object_label, ())]
        return _longest([grant for grant in found if grant.allows])

    def condition(self, rows: Rows) -> Q:
        """Returns the same for rows."""
        return Q(Exists(rows.grants(Effect.ALLOW, lambda label: self.of.granted_by.get(label, frozenset()))))


@dataclass(frozen=True, slots=True)
class Denied:
    """The permission, or one that it needs, is denied on the object or on an object that contains it."""

    of: Terms

    def holds(self, facts: AccessFacts, fact: HoldsFact) -> Evidence:
        """Returns the denial that lasts longest."""
        found = [grant for grant in facts.grants if grant.action in self.of.denied_by]
        return _longest([grant for grant in found if not grant.allows])

    def condition(self, rows: Rows) -> Q:
        """Returns the same for rows."""
        return Q(Exists(rows.grants(Effect.DENY, lambda _: self.of.denied_by)))


@dataclass(frozen=True, slots=True)
class BreakGlassOpen:
    """The person is an operator whose open break-glass access names the permission."""

    of: Terms

    def holds(self, facts: AccessFacts, fact: HoldsFact) -> Evidence:
        """Returns the access that lasts longest."""
        found = [access for access in facts.break_glasses if self.of.action in access.actions]
        return max(found, key=lambda access: access.ends_at, default=False)

    def condition(self, rows: Rows) -> Q:
        """Returns the same for rows."""
        return Q(Exists(rows.break_glasses.filter(actions__contains=[self.of.action])))


@dataclass(frozen=True, slots=True)
class Fact:
    """A registered fact is true of the person and the object."""

    source: FactSource

    def holds(self, facts: AccessFacts, fact: HoldsFact) -> Evidence:
        """Returns what the source says."""
        return fact(self.source)

    def condition(self, rows: Rows) -> Q:
        """Returns the source's own condition."""
        return self.source.facts.condition(rows.user_id, rows.paths, rows.now)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the rule: if all predicates hold, the answer is `allows`, for the reason `code`.

    The last predicate is asked last and gives the evidence for the reason; one that may query stands there.
    """

    allows: bool
    code: str
    when: tuple[Predicate, ...] = field(default=())

    def holds(self, facts: AccessFacts, fact: HoldsFact) -> Evidence:
        """Returns the evidence of the last predicate, or false if one of them does not hold."""
        evidence: Evidence = True
        for predicate in self.when:
            evidence = predicate.holds(facts, fact)
            if not evidence:
                return False
        return evidence

    def condition(self, rows: Rows) -> Q:
        """Returns the conjunction of the predicates' conditions."""
        return reduce(and_, (predicate.condition(rows) for predicate in self.when))


def lines(action: StudioPermission) -> tuple[Line, ...]:
    """Returns the rule for one permission, in order: the first line that holds decides. The last line always holds."""
    return _lines(action, sources.registered())


@cache
def _lines(action: StudioPermission, registered: tuple[FactSource, ...]) -> tuple[Line, ...]:
    of = terms(action)
    everywhere = RoleIncludes(of, of.at_most - of.own_only)
    on_own = RoleIncludes(of, of.at_most & of.own_only)
    within_maximum, member, belongs = HasRole(of.at_most), HasRole(_ALL_ROLES), Belongs()

    def each(effect: FactEffect, allows: bool, first: Predicate) -> list[Line]:
        return [
            Line(allows, source.code, (NotSpared(source.spared) if source.spared else first, Fact(source)))
            for source in registered
            if source.effect is effect and source.bears_on(action)
        ]

    found = [
        *each(FactEffect.VETO, False, belongs),
        Line(False, ReasonCode.DENIED, (member, Denied(of))),
    ]
    if everywhere.roles:
        found.append(Line(True, ReasonCode.ROLE, (everywhere,)))
    if on_own.roles:
        found += each(FactEffect.OWN, True, on_own)
    if within_maximum.roles and any(of.granted_by.values()):
        found.append(Line(True, ReasonCode.GRANT, (within_maximum, Granted(of))))
    if within_maximum.roles:
        found += each(FactEffect.GRANT, True, within_maximum)
    if of.by_break_glass:
        found.append(Line(True, ReasonCode.BREAK_GLASS, (BreakGlassOpen(of),)))
    # Nothing allows it. What follows only chooses the reason.
    if on_own.roles:
        found.append(Line(False, ReasonCode.NOT_OWN, (on_own,)))
    found.append(Line(False, ReasonCode.NO_PERMISSION, (belongs,)))
    found.append(Line(False, ReasonCode.NOT_A_MEMBER))
    return tuple(found)


def evaluate(facts: AccessFacts, action: StudioPermission, fact: HoldsFact) -> Decision:
    """Decides about one person and one object.

    Args:
        fact: says whether a registered fact is true of them; called only where it matters.
    """
    for line in lines(action):
        if evidence := line.holds(facts, fact):
            return Decision(line.allows, _reason(line, action, facts.role, evidence))
    raise AssertionError("the last line of the rule always holds")


def condition(action: StudioPermission, rows: Rows) -> Q:
    """Returns the condition under which `evaluate` allows `action` on a row."""
    allowed: Q | None = None
    for line in reversed(lines(action)):
        if line.allows:
            allowed = line.condition(rows) if allowed is None else line.condition(rows) | allowed
        elif allowed is not None:
            allowed &= ~line.condition(rows)
    return Q(pk__in=[]) if allowed is None else allowed


def _reason(line: Line, action: StudioPermission, role: Role | None, evidence: Evidence) -> Reason:
    match evidence:
        case ActiveGrant() as grant:
            note = grant.reason if grant.allows else grant.action.replace("_", " ")
            return Reason(line.code, action, role, grant.object_label, grant.until, grant.given_by, note)
        case ActiveBreakGlass() as access:
            return Reason(line.code, action, until=access.ends_at)
    return Reason(line.code, action, role)


def _with_role(memberships: QuerySet[Membership], roles: frozenset[Role]) -> QuerySet[Membership]:
    return memberships if roles == _ALL_ROLES else memberships.filter(role__in=sorted(roles))


def _longest(grants: list[ActiveGrant]) -> Evidence:
    no_end = datetime.max.replace(tzinfo=UTC)
    return max(grants, key=lambda grant: grant.until or no_end, default=False)
