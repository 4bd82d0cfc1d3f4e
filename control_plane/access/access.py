"""The only place that decides who may do what. Nothing is cached: a permission that is removed is gone at the next call.

`decide` answers yes or no, with the reason; `can`, `require`, `permissions`, `what_can` and `who_can` are the same decision
in other shapes, and `visible` is the same rule as a query. All are compiled from the one table in `rule`. Call them inside
the `studio_scope` of the object's studio. The order of evaluation is described in `docs/design/access.md`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.utils import timezone

from control_plane.access import model_access, rule
from control_plane.access.authorization import Authorization
from control_plane.access.decision import AccessFacts, Decision, Reason, ReasonCode
from control_plane.access.facts import read_everybody, read_facts
from control_plane.access.model_access import UnlistedModel, permission_name, view_action
from control_plane.access.roles import AGENT_PERMISSIONS, LIMITS, SYSTEM_PERMISSIONS, title
from control_plane.access.sources import FactSource, by_code
from control_plane.accounts.models import User
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import Forbidden, NotFound, SignInRequired
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import current_studio_id
from control_plane.tenancy.models import Membership
from control_plane.tenancy.selectors import members
from shared.protocol.errors import Code

__all__ = [
    "Authorization",
    "Decision",
    "Reason",
    "ReasonCode",
    "UnlistedModel",
    "can",
    "decide",
    "permission_name",
    "permissions",
    "require",
    "require_in_scope",
    "require_signed_in",
    "role_of",
    "view_action",
    "visible",
    "what_can",
    "who_can",
]

M = TypeVar("M", bound=Model)
MOST_PEOPLE = 5000
"""How many people `who_can` answers for at once; a page that counts them all asks once, not page by page."""


def decide(actor: Actor, action: StudioPermission, obj: Model) -> Decision:
    """Returns whether `actor` may do `action` to `obj` (a Studio, or a row that has a `studio_id`), and why.

    Raises:
        ScopeMissing: no studio is in scope.
        UnlistedModel: the model declares no view permission.
    """
    return _question(actor, obj)(action)


def can(actor: Actor, action: StudioPermission, obj: Model) -> bool:
    """Returns whether `actor` may do `action` to `obj`.

    Raises:
        ScopeMissing, UnlistedModel: as `decide`.
    """
    return decide(actor, action, obj).allowed


def require(actor: Actor, action: StudioPermission, obj: Model) -> Authorization:
    """Returns the authorization of `actor` to do `action` to `obj`, valid in the open transaction.

    Raises:
        NotFound: the actor does not belong to the studio, or may not even see the object.
        Forbidden: the actor may see it, but not do this.
        ScopeMissing, UnlistedModel: as `decide`.
    """
    ask = _question(actor, obj)
    decision = ask(action)
    if decision:
        return Authorization(actor, action, type(obj), obj.pk, decision.reason)
    if decision.reason.code == ReasonCode.NOT_A_MEMBER:
        raise NotFound
    if decision.reason.code == ReasonCode.MACHINE:
        raise Forbidden(f"{action} is not a permission of {actor.kind}")
    view = view_action(type(obj))
    if action is not view and not ask(view):
        raise NotFound
    raise _refused(decision.reason)


def require_in_scope(actor: Actor, actions: Iterable[StudioPermission]) -> None:
    """Returns if `actor` may pass `actions` on: a person may; an API key only those in its scope.

    Raises:
        Forbidden: the actor is a key, and one of them is out of its scope.
    """
    for action in actions:
        if not _in_scope(actor, action):
            raise _refused(Reason(ReasonCode.OUT_OF_SCOPE, action))


def require_signed_in(user: object) -> Actor:
    """Returns the person of a request as an actor.

    Raises:
        SignInRequired: nobody is signed in.
    """
    if isinstance(user, User) and user.is_active:
        return user.actor
    raise SignInRequired


def role_of(actor: Actor, studio_id: UUID) -> Role | None:
    """Returns the person's role in the studio in scope; None for strangers, agents and the platform."""
    if actor.kind is not ActorKind.USER or actor.id is None:
        return None
    found = members(timezone.now()).filter(studio_id=studio_id, user_id=actor.id)
    role = found.values_list("role", flat=True).first()
    return None if role is None else Role(role)


def permissions(actor: Actor, studio_id: UUID) -> frozenset[StudioPermission]:
    """Returns the permissions that the actor has throughout the studio in scope; grants on single objects add to them."""
    ask = _ask(actor, studio_id, lambda: {model_access.STUDIO: studio_id})
    return frozenset(action for action in StudioPermission.all() if ask(action))


def visible(actor: Actor, of: type[M] | QuerySet[M], *, to: StudioPermission | None = None) -> QuerySet[M]:
    """Returns the rows of the studio in scope that `actor` may see, in one query that decides as `can` does.

    Args:
        to: another permission than viewing, such as replay: the rows on which the actor has it.

    Raises:
        ScopeMissing: no studio is in scope.
        UnlistedModel: the model declares no view permission.
    """
    queryset: QuerySet[Any] = of if isinstance(of, QuerySet) else of._default_manager.all()
    model = queryset.model
    action = to or view_action(model)
    studio_id = current_studio_id()
    if model is User:
        queryset = queryset.filter(pk__in=Membership.objects.values("user_id"))
    if actor.kind is not ActorKind.USER or actor.id is None:
        return queryset if _machine_may(actor, action, studio_id) else queryset.none()
    if not _in_scope(actor, action):
        return queryset.none()
    return queryset.filter(rule.condition(action, rule.Rows(model, actor.id, timezone.now())))


def who_can(
    action: StudioPermission, obj: Model, *, after: int = 0, most: int = MOST_PEOPLE
) -> list[tuple[User, Decision]]:
    """Returns the studio's members and operators with open access, by name, each with the decision about `obj`.

    Require `MANAGE_PEOPLE` of the person who is shown this. Three queries and one for each fact source, at any number of
    people.

    Args:
        after: how many people to skip.
        most: at most `MOST_PEOPLE`; a shorter answer is the last page.
    """
    now = timezone.now()
    on = model_access.belonging(obj)
    page = read_everybody(on, now, after=after, most=min(most, MOST_PEOPLE))
    asked = _ObjectFacts(on, [user.pk for user, _ in page], now)
    return [(user, rule.evaluate(facts, action, asked.about(user.pk))) for user, facts in page]


def what_can(user: User, studio_id: UUID) -> list[tuple[StudioPermission, Decision]]:
    """Returns, for each permission of people, the decision about the studio in scope as a whole; one query.

    Grants on single objects are in `selectors.grants_of`. Require `MANAGE_PEOPLE` of the person who is shown this.
    """
    ask = _ask(user.actor, studio_id, lambda: {model_access.STUDIO: studio_id})
    return [(action, ask(action)) for action in StudioPermission.all() if action in LIMITS[Role.ADMIN]]


@dataclass(slots=True)
class _ObjectFacts:
    """The registered facts about one object and some people: each source is read when it first matters, and once."""

    on: Mapping[str, UUID]
    user_ids: Collection[UUID]
    now: datetime
    _holders: dict[FactSource, set[UUID]] = field(default_factory=dict)

    def about(self, user_id: UUID) -> rule.HoldsFact:
        """Returns the question whether a fact is true of one of the people."""

        def holds(source: FactSource) -> bool:
            if source not in self._holders:
                self._holders[source] = source.facts.holders(self.on, self.user_ids, self.now)
            return user_id in self._holders[source]

        return holds


def _question(actor: Actor, obj: Model) -> Callable[[StudioPermission], Decision]:
    return _ask(actor, model_access.studio_of(obj), lambda: model_access.belonging(obj))


def _ask(
    actor: Actor, studio_id: UUID, belonging: Callable[[], dict[str, UUID]]
) -> Callable[[StudioPermission], Decision]:
    """Reads the facts, once, and returns the question that may then be asked for several permissions."""
    if actor.kind is not ActorKind.USER or actor.id is None:
        known = actor.kind is ActorKind.SYSTEM or actor.studio_id == studio_id
        code = ReasonCode.MACHINE if known else ReasonCode.NOT_A_MEMBER
        return lambda action: Decision(_machine_may(actor, action, studio_id), Reason(code, action))
    if studio_id != current_studio_id():
        return lambda action: rule.evaluate(AccessFacts(), action, lambda source: False)
    now = timezone.now()
    on = belonging()
    facts = read_facts(actor.id, on, now)
    fact = _ObjectFacts(on, [actor.id], now).about(actor.id)

    def ask(action: StudioPermission) -> Decision:
        decision = rule.evaluate(facts, action, fact)
        if decision and not _in_scope(actor, action):
            return Decision(False, Reason(ReasonCode.OUT_OF_SCOPE, action))
        return decision

    return ask


def _in_scope(actor: Actor, action: StudioPermission) -> bool:
    """Returns whether an API key has the permission; a person without a key always."""
    return actor.scopes is None or action in actor.scopes


def _machine_may(actor: Actor, action: StudioPermission, studio_id: UUID) -> bool:
    match actor.kind:
        case ActorKind.AGENT:
            return actor.studio_id == studio_id and action in AGENT_PERMISSIONS
        case ActorKind.SYSTEM:
            return action in SYSTEM_PERMISSIONS
    return False


def _refused(reason: Reason) -> Forbidden:
    permission = f"“{title(reason.action)}”"
    if reason.code == ReasonCode.OUT_OF_SCOPE:
        return Forbidden(
            f"This API key does not include {permission} ({reason.action}).", code=Code.KEY_NOT_ENOUGH
        )
    if reason.code == ReasonCode.DENIED:
        return Forbidden(f"You have been denied {permission} here.")
    if (source := by_code(reason.code)) is not None:
        return Forbidden(str(source.text))
    if reason.role is None:
        return Forbidden(f"Your break-glass access does not include {permission}.")
    return Forbidden(f"Your role in this studio does not include {permission}.")
