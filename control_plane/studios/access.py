"""The only place that decides who may do what. Nothing is cached: a right taken away is gone at the next question.

A decision looks at, in this order: whether the actor belongs to the thing's studio, the membership's role
(`ROLE_PERMISSIONS`), and rights on that one thing (django-guardian). Ask inside `studio_scope` of the thing's studio.
"""

from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet, UUIDField
from django.db.models.functions import Cast
from guardian.core import ObjectPermissionChecker
from guardian.models import UserObjectPermission

from control_plane.accounts.models import User
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import Forbidden, NotFound, SignInRequired
from control_plane.common.scoping import current_studio_id
from control_plane.studios.models import Membership, Role

M = TypeVar("M", bound=Model)


class Action(StrEnum):
    """What can be asked for. With a model's name it is also a guardian permission: `replay_classsession`."""

    VIEW_STUDIO = "view_studio"
    MANAGE_STUDIO = "manage_studio"
    MANAGE_ROOMS = "manage_rooms"
    MANAGE_PEOPLE = "manage_people"
    VIEW_AGENTS = "view_agents"
    MANAGE_AGENTS = "manage_agents"
    MANAGE_CAMERAS = "manage_cameras"
    RECORD = "record"
    VIEW_CLASS = "view_class"
    MANAGE_CLASS = "manage_class"
    REPLAY = "replay"
    VIEW_LIVE = "view_live"
    ANNOTATE = "annotate"
    SHARE = "share"
    EXPORT = "export"
    VIEW_DANCERS = "view_dancers"
    MANAGE_DANCERS = "manage_dancers"
    MANAGE_POLICY = "manage_policy"
    MANAGE_STORAGE = "manage_storage"
    VIEW_AUDIT = "view_audit"
    UPLOAD = "upload"
    REPORT = "report"
    MAINTAIN = "maintain"
    """Sweeps, checks and other work of the control plane itself; never a look at footage."""


ROLE_PERMISSIONS: dict[Role, frozenset[Action]] = {
    Role.ADMIN: frozenset(Action) - {Action.UPLOAD, Action.REPORT, Action.MAINTAIN},
    Role.INSTRUCTOR: frozenset(
        {
            Action.VIEW_STUDIO,
            Action.VIEW_AGENTS,
            Action.RECORD,
            Action.VIEW_CLASS,
            Action.MANAGE_CLASS,
            Action.REPLAY,
        }
    ),
    Role.VIEWER: frozenset({Action.VIEW_STUDIO, Action.VIEW_CLASS, Action.REPLAY}),
    Role.GUARDIAN: frozenset({Action.VIEW_STUDIO}),
    Role.PARTNER: frozenset({Action.VIEW_STUDIO}),
}
AGENT_PERMISSIONS = frozenset({Action.UPLOAD, Action.REPORT})
SYSTEM_PERMISSIONS = frozenset({Action.MAINTAIN, Action.VIEW_STUDIO, Action.UPLOAD})

VIEW_ACTIONS: dict[str, Action] = {
    "studios.Studio": Action.VIEW_STUDIO,
    "studios.Room": Action.VIEW_STUDIO,
    "studios.Membership": Action.MANAGE_PEOPLE,
    "studios.StudioKey": Action.MANAGE_STUDIO,
    "studios.Dancer": Action.VIEW_DANCERS,
    "studios.Guardianship": Action.VIEW_DANCERS,
    "accounts.User": Action.MANAGE_PEOPLE,
    "audit.Entry": Action.VIEW_AUDIT,
    "audit.ChainHead": Action.VIEW_AUDIT,
    "fleet.Agent": Action.VIEW_AGENTS,
    "fleet.Camera": Action.VIEW_AGENTS,
    "fleet.PairingCode": Action.MANAGE_AGENTS,
    "recordings.ClassSession": Action.VIEW_CLASS,
    "recordings.Appearance": Action.VIEW_DANCERS,
    "recordings.Track": Action.VIEW_CLASS,
    "recordings.Segment": Action.VIEW_CLASS,
    "recordings.Gap": Action.VIEW_CLASS,
}
"""Which action shows rows of a model; a model that is not listed is shown to studio admins only."""


def role_of(actor: Actor, studio_id: UUID) -> Role | None:
    """Returns the person's role in the studio in scope; None for strangers and for those who are no person."""
    if actor.kind is not ActorKind.USER:
        return None
    role = (
        Membership.objects.filter(studio_id=studio_id, user_id=actor.id, user__is_active=True)
        .values_list("role", flat=True)
        .first()
    )
    return None if role is None else Role(role)


def permissions(actor: Actor, studio_id: UUID) -> frozenset[Action]:
    """Returns what the actor may do throughout the studio in scope; rights on single things come on top."""
    match actor.kind:
        case ActorKind.AGENT:
            return AGENT_PERMISSIONS if actor.studio_id == studio_id else frozenset()
        case ActorKind.SYSTEM:
            return SYSTEM_PERMISSIONS
        case ActorKind.USER:
            role = role_of(actor, studio_id)
            return ROLE_PERMISSIONS[role] if role else frozenset()


def can(actor: Actor, action: Action, obj: Model) -> bool:
    """Says whether `actor` may do `action` to `obj`: a Studio, or anything that has a `studio_id`.

    Raises:
        ScopeMissing: the thing's studio is not in scope.
    """
    if action in permissions(actor, _studio_id(obj)):
        return True
    return _has_grant(actor, action, obj)


def require(actor: Actor, action: Action, obj: Model) -> None:
    """Returns when `actor` may do `action` to `obj`.

    Raises:
        NotFound: the actor does not belong to the studio, or may not even see the thing.
        Forbidden: the actor may see it, but not this.
        ScopeMissing: the thing's studio is not in scope.
    """
    if can(actor, action, obj):
        return
    studio_id = _studio_id(obj)
    if actor.kind is ActorKind.SYSTEM or actor.studio_id == studio_id:
        raise Forbidden(f"{action} is not a right of {actor.kind}")
    view = view_action(type(obj))
    if role_of(actor, studio_id) is None or (action is not view and not can(actor, view, obj)):
        raise NotFound
    raise Forbidden(f"Your role in this studio does not include {action.replace('_', ' ')}.")


def require_signed_in(user: object) -> Actor:
    """Returns the person of a request as an actor.

    Raises:
        SignInRequired: nobody is signed in.
    """
    if isinstance(user, User) and user.is_active:
        return user.actor
    raise SignInRequired


def visible(actor: Actor, of: type[M] | QuerySet[M]) -> QuerySet[M]:
    """Returns the rows of the studio in scope that `actor` may see: all, those granted one by one, or none.

    Raises:
        ScopeMissing: no studio is in scope.
    """
    queryset: QuerySet[Any] = of if isinstance(of, QuerySet) else of._default_manager.all()
    model = queryset.model
    action = view_action(model)
    studio_id = current_studio_id()
    if model is User:
        queryset = queryset.filter(pk__in=Membership.objects.values("user_id"))
    if action in permissions(actor, studio_id):
        return queryset
    if actor.kind is not ActorKind.USER or role_of(actor, studio_id) is None:
        return queryset.none()
    granted = (
        UserObjectPermission.objects.filter(
            user_id=actor.id,
            permission__codename=permission_name(action, model),
            content_type__app_label=model._meta.app_label,
            content_type__model=model._meta.model_name,
        )
        .annotate(row_id=Cast("object_pk", UUIDField()))
        .values("row_id")
    )
    return queryset.filter(pk__in=granted)


def view_action(model: type[Model]) -> Action:
    """Returns the action that shows rows of `model`."""
    return VIEW_ACTIONS.get(model._meta.label, Action.MANAGE_STUDIO)


def permission_name(action: Action, model: type[Model]) -> str:
    """Returns the codename under which guardian stores a right on one row."""
    return f"{action.value}_{model._meta.model_name}"


def _studio_id(obj: Model) -> UUID:
    studio_id: UUID = obj.studio_id  # type: ignore[attr-defined]
    return studio_id


def _has_grant(actor: Actor, action: Action, obj: Model) -> bool:
    if actor.kind is not ActorKind.USER or role_of(actor, _studio_id(obj)) is None:
        return False
    checker = ObjectPermissionChecker(_person(actor))
    return permission_name(action, type(obj)) in checker.get_user_perms(obj)


def _person(actor: Actor) -> User:
    if actor.id is None:
        raise NotFound
    return User.objects.get(pk=actor.id)
