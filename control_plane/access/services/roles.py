"""Writes of the table of roles: the permissions of each role in one studio."""

from collections.abc import Iterable

from control_plane.access import access
from control_plane.access.audit_events import ROLE_CHANGED, ROLE_RESET
from control_plane.access.models import RolePermissions
from control_plane.access.permissions import MANAGE_POLICY
from control_plane.access.roles import DEFAULTS, effective, objections
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.tenancy.locking import lock_studio
from control_plane.tenancy.models import Studio


def set_role_actions(
    studio: Studio, role: Role, actions: Iterable[StudioPermission], *, actor: Actor
) -> frozenset[StudioPermission]:
    """Replaces the permissions of a role in the studio; returns them.

    Raises:
        BadRequest: beyond the role's limit, below its floor, or without a permission that another needs; each is named.
        NotFound, Forbidden: `actor` may not manage policy, or is a key without a permission that the role would gain.
    """
    wanted = frozenset(StudioPermission.named(action) for action in actions)
    return _set(studio, Role(role), wanted, list(wanted), actor)


def reset_role(studio: Studio, role: Role, *, actor: Actor) -> frozenset[StudioPermission]:
    """Resets a role to its default permissions; returns them.

    Raises:
        NotFound, Forbidden: `actor` may not manage policy.
    """
    return _set(studio, Role(role), DEFAULTS[Role(role)], None, actor)


def _set(
    studio: Studio,
    role: Role,
    wanted: frozenset[StudioPermission],
    chosen: list[StudioPermission] | None,
    actor: Actor,
) -> frozenset[StudioPermission]:
    with studio_scope(studio.id):
        access.require(actor, MANAGE_POLICY, studio)
        if found := objections(role, wanted):
            raise BadRequest(" ".join(found))
        lock_studio(studio.id)
        access.require(actor, MANAGE_POLICY, studio)
        row: RolePermissions | None = RolePermissions.objects.filter(role=role).first()
        before = effective(role, row.actions if row else None)
        # A key that may change roles must not give one more than it has itself.
        access.require_in_scope(
            actor, [action for action in StudioPermission.all() if action in wanted - before]
        )
        if chosen is None:
            RolePermissions.objects.filter(role=role).delete()
        else:
            values = [action for action in StudioPermission.all() if action in wanted]
            RolePermissions.objects.update_or_create(
                role=role,
                defaults={"actions": values, "changed_by": actor.id},
                create_defaults={"actions": values, "changed_by": actor.id, "studio_id": studio.id},
            )
        record_for(
            ROLE_RESET if chosen is None else ROLE_CHANGED,
            studio,
            actor=actor,
            details={
                "role": role.value,
                "added": [action for action in StudioPermission.all() if action in wanted - before],
                "removed": [action for action in StudioPermission.all() if action in before - wanted],
            },
        )
    return wanted
