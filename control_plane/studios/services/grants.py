"""Writes of rights on single things."""

from uuid import UUID

from django.db.models import Model
from guardian.models import UserObjectPermission

from control_plane.accounts.models import User
from control_plane.audit.catalogue import Action as Act
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.errors import NotFound
from control_plane.common.scoping import studio_scope
from control_plane.studios import access
from control_plane.studios.models import Membership
from control_plane.studios.permissions import permission_for
from control_plane.studios.services.people import require_people


def give_right(user: User, action: access.Action, obj: Model, *, actor: Actor) -> None:
    """Gives a member a right on one thing, beside the role's.

    Raises:
        NotFound: the person is no member of the thing's studio; or `actor` is a stranger.
        Forbidden: `actor` may not manage people.
    """
    studio_id: UUID = obj.studio_id  # type: ignore[attr-defined]
    with studio_scope(studio_id):
        require_people(actor, obj)
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
        require_people(actor, obj)
        UserObjectPermission.objects.remove_perm(permission_for(action, type(obj)), user, obj)
        _record_right(Act.GRANT_TAKEN, user, action, obj, actor)


def _record_right(act: Act, user: User, action: access.Action, obj: Model, actor: Actor) -> None:
    record(
        act,
        actor=actor,
        studio_id=obj.studio_id,  # type: ignore[attr-defined]
        object_type=obj._meta.label,
        object_id=str(obj.pk),
        details={"user": str(user.id), "right": action.value},
    )
