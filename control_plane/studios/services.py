"""Writes of tenancy. Each requires access, changes, and records, in one transaction of the studio's scope."""

from collections.abc import Callable
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Model
from django.utils import timezone
from guardian.models import UserObjectPermission

from control_plane.accounts.models import User
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.studios import access, vault
from control_plane.studios.models import Membership, Role, Room, Studio, StudioKey
from control_plane.studios.permissions import permission_for

STUDIO_FIELDS = frozenset({"name", "time_zone", "accent"})


def create_studio(
    *, slug: str, name: str, actor: Actor, admin: User | None = None, time_zone: str = "UTC", accent: str = ""
) -> Studio:
    """Makes a studio with its keys, and its first admin where given. Only the platform itself may.

    Raises:
        Forbidden: `actor` is not the system.
        BadRequest: a value breaks a rule.
        Conflict: the slug is taken.
    """
    if actor.kind is not ActorKind.SYSTEM:
        raise Forbidden("Only the platform makes studios.")
    studio = Studio(slug=slug, name=name, time_zone=time_zone)
    if accent:
        studio.accent = accent
    with studio_scope(studio.id):
        _save_new(studio, f"There is a studio at {slug!r} already.")
        key = vault.new_studio_key(studio)
        key.save()
        record(
            Act.STUDIO_CREATED,
            actor=actor,
            studio_id=studio.id,
            object_type="studios.Studio",
            object_id=studio.id,
        )
        _record_key(key, actor)
        if admin is not None:
            _add_member(studio, admin, Role.ADMIN, actor)
    return studio


def change_studio(studio: Studio, *, actor: Actor, **values: str) -> Studio:
    """Changes name, time zone or accent.

    Raises:
        BadRequest: an unknown field, or a value that breaks a rule.
        NotFound, Forbidden: `actor` may not manage the studio.
    """
    unknown = set(values) - STUDIO_FIELDS
    if unknown:
        raise BadRequest(f"{', '.join(sorted(unknown))} cannot be changed")
    with studio_scope(studio.id):
        access.require(actor, access.Action.MANAGE_STUDIO, studio)
        for name, value in values.items():
            setattr(studio, name, value)
        _check(studio)
        studio.save(update_fields=sorted(values))
        record(
            Act.STUDIO_CHANGED,
            actor=actor,
            studio_id=studio.id,
            object_type="studios.Studio",
            object_id=studio.id,
            details={"fields": sorted(values)},
        )
    return studio


def rotate_studio_key(studio: Studio, *, actor: Actor) -> StudioKey:
    """Makes a new generation of the studio's keys; the one before still opens what was sealed to it.

    Raises:
        NotFound, Forbidden: `actor` may not manage the studio.
    """
    with studio_scope(studio.id):
        access.require(actor, access.Action.MANAGE_STUDIO, studio)
        StudioKey.objects.filter(retired_at__isnull=True).update(retired_at=timezone.now())
        key = vault.new_studio_key(studio)
        key.save()
        _record_key(key, actor)
    return key


def create_room(studio: Studio, *, name: str, actor: Actor) -> Room:
    """Makes a room.

    Raises:
        BadRequest: the name is empty or too long.
        Conflict: the studio has a room of this name.
        NotFound, Forbidden: `actor` may not manage rooms.
    """
    room = Room(studio=studio, name=name.strip())
    with studio_scope(studio.id):
        access.require(actor, access.Action.MANAGE_ROOMS, studio)
        _save_new(room, f"There is a room called {name!r} already.")
        record(
            Act.ROOM_CREATED,
            actor=actor,
            studio_id=studio.id,
            object_type="studios.Room",
            object_id=room.id,
        )
    return room


def rename_room(room: Room, *, name: str, actor: Actor) -> Room:
    """Renames a room.

    Raises:
        BadRequest: the name is empty or too long.
        Conflict: the studio has a room of this name.
        NotFound, Forbidden: `actor` may not manage rooms.
    """
    with studio_scope(room.studio_id):
        access.require(actor, access.Action.MANAGE_ROOMS, room)
        room.name = name.strip()
        _check(room)
        _unless_taken(lambda: room.save(update_fields=["name"]), f"There is a room called {name!r} already.")
        record(
            Act.ROOM_CHANGED,
            actor=actor,
            studio_id=room.studio_id,
            object_type="studios.Room",
            object_id=room.id,
            details={"fields": ["name"]},
        )
    return room


def add_member(studio: Studio, user: User, role: Role, *, actor: Actor) -> Membership:
    """Makes a person a member.

    Raises:
        Conflict: the person is a member already.
        NotFound, Forbidden: `actor` may not manage people.
    """
    with studio_scope(studio.id):
        _require_people(actor, studio)
        return _add_member(studio, user, role, actor)


def change_role(membership: Membership, role: Role, *, actor: Actor) -> Membership:
    """Gives a member another role, at once.

    Raises:
        Conflict: the studio would be left without an admin.
        NotFound, Forbidden: `actor` may not manage people.
    """
    with studio_scope(membership.studio_id):
        _require_people(actor, membership)
        before = membership.role
        _keep_an_admin(membership, role)
        membership.role = role
        membership.save(update_fields=["role"])
        record(
            Act.MEMBER_CHANGED,
            actor=actor,
            studio_id=membership.studio_id,
            object_type="studios.Membership",
            object_id=membership.id,
            details={"user": str(membership.user_id), "from": str(before), "to": role.value},
        )
    return membership


def remove_member(membership: Membership, *, actor: Actor) -> None:
    """Ends a membership and every right on single things that the person has in this studio, at once.

    Raises:
        Conflict: the studio would be left without an admin.
        NotFound, Forbidden: `actor` may not manage people.
    """
    with studio_scope(membership.studio_id):
        _require_people(actor, membership)
        _keep_an_admin(membership, None)
        membership_id, user_id = membership.id, membership.user_id
        Membership.objects.filter(pk=membership_id).delete()
        _drop_rights(user_id)
        record(
            Act.MEMBER_REMOVED,
            actor=actor,
            studio_id=membership.studio_id,
            object_type="studios.Membership",
            object_id=membership_id,
            details={"user": str(user_id), "role": str(membership.role)},
        )


def give_right(user: User, action: access.Action, obj: Model, *, actor: Actor) -> None:
    """Gives a member a right on one thing, beside the role's.

    Raises:
        NotFound: the person is no member of the thing's studio; or `actor` is a stranger.
        Forbidden: `actor` may not manage people.
    """
    studio_id: UUID = obj.studio_id  # type: ignore[attr-defined]
    with studio_scope(studio_id):
        _require_people(actor, obj)
        if not Membership.objects.filter(user=user).exists():
            raise NotFound("This person is no member of the studio.")
        UserObjectPermission.objects.assign_perm(permission_for(action, type(obj)), user, obj)
        _record_right(Act.GRANT_GIVEN, user, action, obj, actor)


def take_right(user: User, action: access.Action, obj: Model, *, actor: Actor) -> None:
    """Takes a right on one thing back; where there is none, all is well.

    Raises:
        NotFound, Forbidden: `actor` may not manage people.
    """
    studio_id: UUID = obj.studio_id  # type: ignore[attr-defined]
    with studio_scope(studio_id):
        _require_people(actor, obj)
        UserObjectPermission.objects.remove_perm(permission_for(action, type(obj)), user, obj)
        _record_right(Act.GRANT_TAKEN, user, action, obj, actor)


def _require_people(actor: Actor, obj: Model) -> None:
    # The platform gives a studio its first people; afterwards its admins do.
    if actor.kind is not ActorKind.SYSTEM:
        access.require(actor, access.Action.MANAGE_PEOPLE, obj)


def _add_member(studio: Studio, user: User, role: Role, actor: Actor) -> Membership:
    membership = Membership(studio=studio, user=user, role=role)
    _save_new(membership, "This person is a member already.")
    record(
        Act.MEMBER_ADDED,
        actor=actor,
        studio_id=studio.id,
        object_type="studios.Membership",
        object_id=membership.id,
        details={"user": str(user.id), "role": Role(role).value},
    )
    return membership


def _keep_an_admin(membership: Membership, role: Role | None) -> None:
    # The studio's row is the lock: of two admins who remove each other, the second finds nobody left.
    Studio.objects.select_for_update().get(pk=membership.studio_id)
    others = Membership.objects.filter(role=Role.ADMIN).exclude(pk=membership.pk)
    if role != Role.ADMIN and membership.role == Role.ADMIN and not others.exists():
        raise Conflict("A studio needs an admin; make somebody else one first.")


def _drop_rights(user_id: UUID) -> None:
    for right in UserObjectPermission.objects.filter(user_id=user_id).select_related("content_type"):
        model = right.content_type.model_class()
        # Under the scope, a row of another studio is not found, and the right on it stays.
        if model is not None and model._default_manager.filter(pk=right.object_pk).exists():
            right.delete()


def _record_key(key: StudioKey, actor: Actor) -> None:
    record(
        Act.STUDIO_KEY_MADE,
        actor=actor,
        studio_id=key.studio_id,
        object_type="studios.StudioKey",
        object_id=key.id,
        details={"root_key": key.root_key_id},
    )


def _record_right(act: Act, user: User, action: access.Action, obj: Model, actor: Actor) -> None:
    record(
        act,
        actor=actor,
        studio_id=obj.studio_id,  # type: ignore[attr-defined]
        object_type=obj._meta.label,
        object_id=str(obj.pk),
        details={"user": str(user.id), "right": action.value},
    )


def _check(row: Model) -> None:
    try:
        row.clean_fields()
        row.clean()
    except ValidationError as error:
        raise BadRequest(
            "; ".join(f"{name}: {' '.join(text)}" for name, text in error.message_dict.items())
        ) from error


def _save_new(row: Model, taken: str) -> None:
    _check(row)
    _unless_taken(lambda: row.save(force_insert=True), taken)


def _unless_taken(save: Callable[[], None], taken: str) -> None:
    try:
        with transaction.atomic():
            save()
    except IntegrityError as error:
        raise Conflict(taken) from error
