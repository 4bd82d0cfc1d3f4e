"""Writes of people: who is a member, and as what."""

from uuid import UUID

from django.db.models import Model
from guardian.models import UserObjectPermission

from control_plane.accounts.models import User
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import Conflict
from control_plane.common.scoping import studio_scope
from control_plane.studios import access
from control_plane.studios.models import Membership, Role, Studio
from control_plane.studios.services.dancers import end_guardianships_of
from control_plane.studios.services.saving import save_new


def add_member(studio: Studio, user: User, role: Role, *, actor: Actor) -> Membership:
    """Makes a person a member.

    Raises:
        Conflict: the person is a member already.
        NotFound, Forbidden: `actor` may not manage people.
    """
    with studio_scope(studio.id):
        require_people(actor, studio)
        return join(studio, user, role, actor)


def change_role(membership: Membership, role: Role, *, actor: Actor) -> Membership:
    """Gives a member another role, at once.

    Raises:
        Conflict: the studio would be left without an admin.
        NotFound, Forbidden: `actor` may not manage people.
    """
    with studio_scope(membership.studio_id):
        require_people(actor, membership)
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
    """Ends a membership, every right on single things in this studio, and what the person answers for, at once.

    Raises:
        Conflict: the studio would be left without an admin.
        NotFound, Forbidden: `actor` may not manage people.
    """
    with studio_scope(membership.studio_id):
        require_people(actor, membership)
        _keep_an_admin(membership, None)
        membership_id, user_id = membership.id, membership.user_id
        Membership.objects.filter(pk=membership_id).delete()
        _drop_rights(user_id)
        end_guardianships_of(user_id, actor=actor)
        record(
            Act.MEMBER_REMOVED,
            actor=actor,
            studio_id=membership.studio_id,
            object_type="studios.Membership",
            object_id=membership_id,
            details={"user": str(user_id), "role": str(membership.role)},
        )


def require_people(actor: Actor, obj: Model) -> None:
    """Returns when `actor` may manage people of the studio of `obj`.

    Raises:
        NotFound, Forbidden: the actor may not.
    """
    # The platform gives a studio its first people; afterwards its admins do.
    if actor.kind is not ActorKind.SYSTEM:
        access.require(actor, access.Action.MANAGE_PEOPLE, obj)


def join(studio: Studio, user: User, role: Role, actor: Actor) -> Membership:
    """Makes a person a member; the caller has asked `access` and opened the scope.

    Raises:
        Conflict: the person is a member already.
    """
    membership = Membership(studio=studio, user=user, role=role)
    save_new(membership, "This person is a member already.")
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
