"""Checks for managing people and for creating admins."""

from uuid import UUID

from django.db.models import Model

from control_plane.access import access
from control_plane.access.model_access import studio_of
from control_plane.access.models import RolePermissions
from control_plane.access.roles import effective
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import Forbidden
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.tenancy.locking import lock_studio
from control_plane.tenancy.permissions import MANAGE_PEOPLE


def require_people(actor: Actor, obj: Model) -> None:
    """Require that `actor` may manage people of the studio of `obj`.

    Raises:
        NotFound, Forbidden: the actor may not.
    """
    # The platform gives a studio its first people; afterwards its admins do.
    if actor.kind is not ActorKind.SYSTEM:
        access.require(actor, MANAGE_PEOPLE, obj)


def require_rank(actor: Actor, studio_id: UUID, role: Role) -> None:
    """Require that `actor` may assign `role` in the studio in scope: only an admin creates an admin.

    An API key creates an admin only with every permission of admins, regardless of its owner: the new admin could create a
    key with the rest.

    Raises:
        Forbidden: the actor may not.
    """
    if actor.kind is not ActorKind.USER or role != Role.ADMIN:
        return
    if access.role_of(actor, studio_id) != Role.ADMIN:
        raise Forbidden("Only an admin can make a member an admin.")
    chosen = RolePermissions.objects.filter(role=Role.ADMIN).values_list("actions", flat=True).first()
    may = effective(Role.ADMIN, chosen)
    access.require_in_scope(actor, [action for action in StudioPermission.all() if action in may])


def lock_people(actor: Actor, obj: Model) -> None:
    """Require that `actor` may manage people, and lock the studio's people until the transaction ends.

    Access is checked again under the lock: an actor who was removed while waiting for it changes nothing.

    Raises:
        NotFound, Forbidden: the actor may not.
    """
    require_people(actor, obj)
    lock_studio(studio_of(obj))
    require_people(actor, obj)
