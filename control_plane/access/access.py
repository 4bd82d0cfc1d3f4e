"""The only place that decides who may do what. Nothing is cached: a right taken away is gone at the next question.

`decide` says yes or no, and why; `can`, `require`, `permissions` and `who_can` are that one question asked in other
shapes, and `visible` is the same rule as a condition of a query. Ask inside `studio_scope` of the thing's studio. In
which order it is decided, and why, stands in `docs/design/access.md`.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import CharField, Exists, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Cast
from django.utils import timezone

from control_plane.access import model_access, sources
from control_plane.access.decision import Decision, Reason, Standing, Why, giving, judge
from control_plane.access.facts import everybody, open_visits, standing_of
from control_plane.access.model_access import UnlistedModel, permission_name, view_action
from control_plane.access.models import Effect, ObjectRight, RoleActions
from control_plane.access.roles import (
    AGENT_ACTIONS,
    BREAK_GLASS_ACTIONS,
    DEFAULTS,
    FLOOR,
    LIMITS,
    OWN_ONLY,
    SYSTEM_ACTIONS,
    denying,
    title,
)
from control_plane.accounts.models import User
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import Forbidden, NotFound, SignInRequired
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import CurrentStudio, current_studio_id
from control_plane.tenancy.models import Membership
from control_plane.tenancy.selectors import in_force, members
from shared.protocol.errors import Code

__all__ = [
    "Decision",
    "Reason",
    "UnlistedModel",
    "Why",
    "can",
    "decide",
    "permission_name",
    "permissions",
    "require",
    "require_lent",
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

ROLE_PERMISSIONS = DEFAULTS


def decide(actor: Actor, action: StudioPermission, obj: Model) -> Decision:
    """Returns whether `actor` may do `action` to `obj` (a Studio, or a listed thing that has a `studio_id`), and why.

    Raises:
        ScopeMissing: no studio is in scope.
        UnlistedModel: rows of this table cannot be asked about.
    """
    return _question(actor, obj)(action)


def can(actor: Actor, action: StudioPermission, obj: Model) -> bool:
    """Returns whether `actor` may do `action` to `obj`.

    Raises:
        ScopeMissing, UnlistedModel: as `decide`.
    """
    return decide(actor, action, obj).allowed


def require(actor: Actor, action: StudioPermission, obj: Model) -> None:
    """Returns when `actor` may do `action` to `obj`.

    Raises:
        NotFound: the actor does not belong to the studio, or may not even see the thing.
        Forbidden: the actor may see it, but not this.
        ScopeMissing, UnlistedModel: as `decide`.
    """
    ask = _question(actor, obj)
    decision = ask(action)
    if decision:
        return
    if decision.reason.why is Why.NOT_A_MEMBER:
        raise NotFound
    if decision.reason.why is Why.MACHINE:
        raise Forbidden(f"{action} is not a right of {actor.kind}")
    view = view_action(type(obj))
    if action is not view and not ask(view):
        raise NotFound
    raise _refused(decision.reason)


def require_lent(actor: Actor, actions: Iterable[StudioPermission]) -> None:
    """Return where `actor` may hand `actions` on: a person may, an API key no more than it lends itself.

    Raises:
        Forbidden: a key asks that does not lend one of them.
    """
    for action in actions:
        if not _lent(actor, action):
            raise _refused(Reason(Why.NOT_LENT, action))


def require_signed_in(user: object) -> Actor:
    """Returns the person of a request as an actor.

    Raises:
        SignInRequired: nobody is signed in.
    """
    if isinstance(user, User) and user.is_active:
        return user.actor
    raise SignInRequired


def role_of(actor: Actor, studio_id: UUID) -> Role | None:
    """Returns the person's role in the studio in scope; None for strangers and for those who are no person."""
    if actor.kind is not ActorKind.USER or actor.id is None:
        return None
    found = members(timezone.now()).filter(studio_id=studio_id, user_id=actor.id)
    role = found.values_list("role", flat=True).first()
    return None if role is None else Role(role)


def permissions(actor: Actor, studio_id: UUID) -> frozenset[StudioPermission]:
    """Returns what the actor may do throughout the studio in scope; rights on single things come on top."""
    ask = _ask(actor, studio_id, lambda: {model_access.STUDIO: studio_id})
    return frozenset(action for action in StudioPermission.all() if ask(action))


def visible(actor: Actor, of: type[M] | QuerySet[M], *, to: StudioPermission | None = None) -> QuerySet[M]:
    """Returns the rows of the studio in scope that `actor` may see, in one query that decides as `can` does.

    Args:
        to: what else than seeing them the rows are asked for, such as to replay them.

    Raises:
        ScopeMissing: no studio is in scope.
        UnlistedModel: nobody has said which action shows these rows.
    """
    queryset: QuerySet[Any] = of if isinstance(of, QuerySet) else of._default_manager.all()
    model = queryset.model
    action = to or view_action(model)
    studio_id, now = current_studio_id(), timezone.now()
    if model is User:
        queryset = queryset.filter(pk__in=Membership.objects.values("user_id"))
    if actor.kind is not ActorKind.USER or actor.id is None:
        return queryset if _machine_may(actor, action, studio_id) else queryset.none()
    if not _lent(actor, action):
        return queryset.none()
    mine = members(now).filter(user_id=actor.id)
    theirs = ObjectRight.objects.filter(in_force(now), user_id=actor.id)
    denials = theirs.filter(_rights_on(model, lambda _: denying(action)), effect=Effect.DENY)
    grants = theirs.filter(_rights_on(model, lambda label: giving(action, label)), effect=Effect.ALLOW)
    limited = [role for role in Role if action in LIMITS[role]]
    by_role = _by_role(model, action, mine, actor.id, now)
    by_grant = Q(Exists(mine.filter(role__in=limited))) & Q(Exists(grants))
    visits = open_visits(now).filter(operator_id=actor.id)
    by_visit = (
        Q(Exists(visits.filter(actions__contains=[action])))
        if action in BREAK_GLASS_ACTIONS
        else Q(pk__in=[])
    )
    denied = Q(Exists(mine)) & Q(Exists(denials))
    return queryset.filter((by_role | by_grant | by_visit) & ~denied)


def who_can(
    action: StudioPermission, obj: Model, *, after: int = 0, most: int = MOST_PEOPLE
) -> list[tuple[User, Decision]]:
    """Returns everybody who is something to the studio, by name, each with the decision about `obj`.

    Ask `MANAGE_PEOPLE` of whoever is shown this. At most four queries, however many people.

    Args:
        after: how many to pass over. most: at most `MOST_PEOPLE`; a shorter answer is the last page.
    """
    now = timezone.now()
    on = model_access.belonging(obj)
    page = everybody(on, now, after=after, most=min(most, MOST_PEOPLE))
    guardians = [user.id for user, standing in page if _asks_own(standing, action)]
    own = sources.guardians.owners(on.get(model_access.CLASS), guardians, now)
    return [
        (user, judge(standing, action, owns=lambda user_id=user.id: user_id in own))  # type: ignore[misc]
        for user, standing in page
    ]


def what_can(user: User, studio_id: UUID) -> list[tuple[StudioPermission, Decision]]:
    """Returns, for each action of people, the decision about the studio in scope as a whole; one query.

    Rights on single things stand in `selectors.rights_of`. Ask `MANAGE_PEOPLE` of whoever is shown this.
    """
    ask = _ask(user.actor, studio_id, lambda: {model_access.STUDIO: studio_id})
    return [(action, ask(action)) for action in StudioPermission.all() if action in LIMITS[Role.ADMIN]]


def _question(actor: Actor, obj: Model) -> Callable[[StudioPermission], Decision]:
    return _ask(actor, model_access.studio_of(obj), lambda: model_access.belonging(obj))


def _ask(
    actor: Actor, studio_id: UUID, belonging: Callable[[], dict[str, UUID]]
) -> Callable[[StudioPermission], Decision]:
    """Reads what there is to know, once, and returns the question that may then be asked for several actions."""
    if actor.kind is not ActorKind.USER or actor.id is None:
        known = actor.kind is ActorKind.SYSTEM or actor.studio_id == studio_id
        why = Why.MACHINE if known else Why.NOT_A_MEMBER
        return lambda action: Decision(_machine_may(actor, action, studio_id), Reason(why, action))
    user_id, now = actor.id, timezone.now()
    if studio_id != current_studio_id():
        return lambda action: judge(Standing(), action, owns=lambda: False)
    on = belonging()
    standing = standing_of(user_id, on, now)

    def ask(action: StudioPermission) -> Decision:
        decision = judge(
            standing,
            action,
            owns=lambda: user_id in sources.guardians.owners(on.get(model_access.CLASS), [user_id], now),
        )
        if decision and not _lent(actor, action):
            return Decision(False, Reason(Why.NOT_LENT, action))
        return decision

    return ask


def _lent(actor: Actor, action: StudioPermission) -> bool:
    """Returns whether a program that acts by a key may use this right of its person."""
    return actor.scopes is None or action in actor.scopes


def _machine_may(actor: Actor, action: StudioPermission, studio_id: UUID) -> bool:
    match actor.kind:
        case ActorKind.AGENT:
            return actor.studio_id == studio_id and action in AGENT_ACTIONS
        case ActorKind.SYSTEM:
            return action in SYSTEM_ACTIONS
    return False


def _by_role(
    model: type[Model], action: StudioPermission, mine: QuerySet[Membership], user_id: UUID, now: datetime
) -> Q:
    """Returns the condition under which a role shows rows of `model`: the defaults, or what the studio chose."""
    kept = [role for role in Role if action in FLOOR[role]]
    usual = [role for role in Role if action in DEFAULTS[role]]
    limited = [role for role in Role if action in LIMITS[role]]
    chosen = RoleActions.objects.filter(role=OuterRef("role"))
    allowed = mine.filter(
        Q(role__in=kept)
        | Q(role__in=limited) & Exists(chosen.filter(actions__contains=[action]))
        | Q(role__in=usual) & ~Exists(chosen)
    )
    own_only = [role for role in Role if action in OWN_ONLY.get(role, frozenset())]
    everywhere = Q(Exists(allowed.exclude(role__in=own_only)))
    class_path = model_access.paths(model).get(model_access.CLASS)
    if not own_only or class_path is None:
        return everywhere
    return everywhere | Q(Exists(allowed.filter(role__in=own_only))) & sources.guardians.owned(
        user_id, class_path, now
    )


def _rights_on(model: type[Model], actions: Callable[[str], frozenset[StudioPermission]]) -> Q:
    """Returns the condition that a right is one of `actions(label)` on the outer row, or on what that belongs to."""
    where: dict[str, Any] = {label: OuterRef(path) for label, path in model_access.paths(model).items()}
    found = Q(pk__in=[])
    for label, key in (where | {model_access.STUDIO: CurrentStudio()}).items():
        names = [permission_name(action, label) for action in actions(label)]
        found |= Q(object_pk=Cast(key, CharField()), permission__codename__in=names)
    return found


def _asks_own(standing: Standing, action: StudioPermission) -> bool:
    return standing.role is not None and action in OWN_ONLY.get(standing.role, frozenset())


def _refused(reason: Reason) -> Forbidden:
    right = f"“{title(reason.action)}”"
    if reason.why is Why.NOT_LENT:
        lent = f"This key does not lend {right} ({reason.action})."
        return Forbidden(lent, code=Code.KEY_NOT_ENOUGH)
    if reason.why is Why.DENIED:
        return Forbidden(f"You have been denied {right} here.")
    if reason.role is None:
        return Forbidden(f"You were not let in for {right}.")
    return Forbidden(f"Your role in this studio does not include {right}.")
