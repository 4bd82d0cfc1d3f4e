"""Writes of the role table: what each role allows in one studio."""

from collections.abc import Iterable

from control_plane.access import access
from control_plane.access.actions import Action
from control_plane.access.models import RoleActions
from control_plane.access.roles import DEFAULTS, effective, objections
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.tenancy.locking import lock_studio
from control_plane.tenancy.models import Studio


def set_role_actions(
    studio: Studio, role: Role, actions: Iterable[Action], *, actor: Actor
) -> frozenset[Action]:
    """Replaces the permissions of a role in the studio; returns them.

    Raises:
        BadRequest: beyond the role's limit, below its floor, or of no use; each by name.
        NotFound, Forbidden: `actor` may not manage policy, or is a key that does not lend what the role would gain.
    """
    wanted = frozenset(Action(action) for action in actions)
    return _set(studio, Role(role), wanted, list(wanted), actor)


def reset_role(studio: Studio, role: Role, *, actor: Actor) -> frozenset[Action]:
    """Lets a role allow again what it comes with; returns that.

    Raises:
        NotFound, Forbidden: `actor` may not manage policy.
    """
    return _set(studio, Role(role), DEFAULTS[Role(role)], None, actor)


def _set(
    studio: Studio, role: Role, wanted: frozenset[Action], chosen: list[Action] | None, actor: Actor
) -> frozenset[Action]:
    with studio_scope(studio.id):
        access.require(actor, Action.MANAGE_POLICY, studio)
        if found := objections(role, wanted):
            raise BadRequest(" ".join(found))
        lock_studio(studio.id)
        access.require(actor, Action.MANAGE_POLICY, studio)
        row: RoleActions | None = RoleActions.objects.filter(role=role).first()
        before = effective(role, row.actions if row else None)
        # Else a key that lends no more than the table of roles would have anything done by whoever has the role.
        access.require_lent(actor, [action for action in Action if action in wanted - before])
        if chosen is None:
            RoleActions.objects.filter(role=role).delete()
        else:
            values = [action.value for action in Action if action in wanted]
            RoleActions.objects.update_or_create(
                role=role,
                defaults={"actions": values, "changed_by": actor.id},
                create_defaults={"actions": values, "changed_by": actor.id, "studio_id": studio.id},
            )
        record_for(
            Act.ROLE_RESET if chosen is None else Act.ROLE_CHANGED,
            studio,
            actor=actor,
            details={
                "role": role.value,
                "added": [action.value for action in Action if action in wanted - before],
                "removed": [action.value for action in Action if action in before - wanted],
            },
        )
    return wanted
