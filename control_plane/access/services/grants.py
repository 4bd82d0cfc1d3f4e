"""Writes of grants and denials on single objects."""

from datetime import datetime

from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.utils import timezone

from control_plane.access import access, facts, roles
from control_plane.access.audit_events import DENIAL_GIVEN, DENIAL_LIFTED, GRANT_GIVEN, GRANT_TAKEN
from control_plane.access.member_permissions import lock_people
from control_plane.access.model_access import studio_of
from control_plane.access.models import REASON_LENGTH, Effect, ObjectPermission
from control_plane.access.object_permissions import permission_for
from control_plane.accounts.models import User
from control_plane.audit.services import record, record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, NotFound
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.selectors import members


def grant_permission(
    user: User,
    action: StudioPermission,
    obj: Model,
    *,
    actor: Actor,
    until: datetime | None = None,
    reason: str = "",
) -> ObjectPermission:
    """Grants a member a permission on one class, room or the studio, in addition to the role's.

    The grant includes the permissions that this one needs (`roles.granting`). A second call replaces the end and the reason.

    Args:
        until: the first instant at which the grant has no effect; None: no end.

    Raises:
        BadRequest: the permission is not grantable on this kind of object or to this role, or `until` is in the past.
        NotFound: the person is no member of the object's studio, or `actor` has no access to it.
        Forbidden: `actor` may not manage people.
        TooManyRequests: the rate limit of grants is exceeded.
    """
    return _put(Effect.ALLOW, user, action, obj, actor=actor, until=until, reason=reason)


def deny_permission(
    user: User,
    action: StudioPermission,
    obj: Model,
    *,
    actor: Actor,
    until: datetime | None = None,
    reason: str = "",
) -> ObjectPermission:
    """Denies a member a permission on one object and all that it contains. A denial overrides roles and grants.

    Raises:
        BadRequest, NotFound, Forbidden, TooManyRequests: as `grant_permission`.
    """
    return _put(Effect.DENY, user, action, obj, actor=actor, until=until, reason=reason)


def end_grant(
    user: User, action: StudioPermission, obj: Model, *, actor: Actor, effect: Effect = Effect.ALLOW
) -> None:
    """Revokes a grant on one object, or (`effect`) removes a denial; idempotent.

    Raises:
        NotFound, Forbidden: `actor` may not manage people.
    """
    studio_id = studio_of(obj)
    with studio_scope(studio_id):
        lock_people(actor, obj)
        permission = permission_for(action, type(obj))
        rights = ObjectPermission.objects.filter(
            user=user, permission=permission, object_pk=str(obj.pk), effect=effect
        )
        rights.delete()
        act = GRANT_TAKEN if effect == Effect.ALLOW else DENIAL_LIFTED
        record_for(act, obj, actor=actor, details={"user": str(user.id), "right": action})


def revoke_grant(grant: ObjectPermission, *, actor: Actor) -> None:
    """Revokes one grant or denial that a page lists; idempotent.

    Raises:
        NotFound, Forbidden: `actor` may not manage people.
    """
    with studio_scope(grant.studio_id):
        lock_people(actor, grant)
        label, action = facts.grant_target(grant)
        ObjectPermission.objects.filter(pk=grant.pk).delete()
        act = GRANT_TAKEN if grant.effect == Effect.ALLOW else DENIAL_LIFTED
        record(
            act,
            actor=actor,
            studio_id=grant.studio_id,
            object_type=label,
            object_id=grant.object_pk,
            details={"user": str(grant.user_id), "right": action or ""},
        )


def _put(
    effect: Effect,
    user: User,
    action: StudioPermission,
    obj: Model,
    *,
    actor: Actor,
    until: datetime | None,
    reason: str,
) -> ObjectPermission:
    studio_id, now, reason = studio_of(obj), timezone.now(), reason.strip()
    with studio_scope(studio_id):
        # Under the lock: a person who is being removed is no longer a member, or loses this grant with the others.
        lock_people(actor, obj)
        act = GRANT_GIVEN if effect == Effect.ALLOW else DENIAL_GIVEN
        require_rate(act, actor=actor)
        if effect == Effect.ALLOW:
            access.require_in_scope(actor, [action])
        role = members(now).filter(user=user).values_list("role", flat=True).first()
        if role is None:
            raise NotFound("This person is no member of the studio.")
        _check(effect, Role(role), action, obj, until, now, reason)
        grant, _ = ObjectPermission.objects.update_or_create(
            user=user,
            permission=permission_for(action, type(obj)),
            content_type=ContentType.objects.get_for_model(obj),
            object_pk=str(obj.pk),
            effect=effect,
            defaults={"until": until, "reason": reason, "given_by": actor.id},
            create_defaults={
                "until": until,
                "reason": reason,
                "given_by": actor.id,
                "studio_id": studio_id,
                "content_object": obj,
            },
        )
        details = {
            "user": str(user.id),
            "right": action,
            "until": until.isoformat() if until else None,
            "reason": reason,
        }
        record_for(act, obj, actor=actor, details=details)
    found: ObjectPermission = grant
    return found


def _check(
    effect: Effect,
    role: Role,
    action: StudioPermission,
    obj: Model,
    until: datetime | None,
    now: datetime,
    reason: str,
) -> None:
    words = action.replace("_", " ")
    if action not in roles.GRANTABLE_ON.get(obj._meta.label, frozenset()):
        raise BadRequest(
            f"{words} cannot be given or denied on a single {obj._meta.verbose_name}; a role decides it."
        )
    if effect == Effect.ALLOW and action not in roles.LIMITS[role]:
        raise BadRequest(f"{words} is beyond what a member with the role {role.label} can be given.")
    if until is not None and until <= now:
        raise BadRequest("until: this moment is over; choose one that is yet to come.")
    if len(reason) > REASON_LENGTH:
        raise BadRequest(f"reason: at most {REASON_LENGTH} characters.")
