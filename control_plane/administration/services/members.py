"""Writes of memberships: role, end, removal, and the end of sessions."""

from datetime import datetime

from django.utils import timezone

from control_plane.access.member_permissions import lock_people, require_people, require_rank
from control_plane.access.models import ApiKey, ObjectPermission
from control_plane.accounts.models import User
from control_plane.accounts.services import (
    end_other_sessions,
    end_signin_links,
    forbid_first_credential,
    lacks_own_signin,
    lock_account,
)
from control_plane.administration.services.notices import tell_member
from control_plane.audit.events import AuditEvent
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.roles import Role
from control_plane.common.saving import save_new
from control_plane.common.scoping import studio_scope
from control_plane.people.services import end_guardianships_of
from control_plane.plans.models import Limit
from control_plane.plans.quotas import require_quota
from control_plane.tenancy.audit_events import (
    MEMBER_ADDED,
    MEMBER_CHANGED,
    MEMBER_LEFT,
    MEMBER_REMOVED,
    MEMBER_SESSIONS_ENDED,
)
from control_plane.tenancy.locking import lock_studio
from control_plane.tenancy.models import Membership, Studio
from control_plane.tenancy.selectors import members, studios_of_account
from shared.protocol.errors import Code

JOB = Actor.system("administration.members")
_LAST_ADMIN = "A studio needs an admin. Make somebody else an admin first."


def add_member(
    studio: Studio, user: User, role: Role, *, actor: Actor, ends_at: datetime | None = None
) -> Membership:
    """Makes a person a member until `ends_at` (None: no end). For the platform only; people join by invitation.

    Membership shows the account to the studio's admins, and the studio to the person. That needs the consent that only
    the person can give (`services.invitations.accept`).

    Raises:
        BadRequest: `ends_at` is in the past, or the role is admin, which has no end.
        Conflict: the person is a member already.
        Forbidden: `actor` is a person.
        NotFound: `actor` has no access to the studio.
    """
    with studio_scope(studio.id):
        if actor.kind is not ActorKind.SYSTEM:
            require_people(actor, studio)
            raise Forbidden("People join a studio by invitation: invite them.")
        lock_studio(studio.id)
        _check_end(role, ends_at)
        return join(studio, user, role, actor, ends_at=ends_at)


def change_role(membership: Membership, role: Role, *, actor: Actor) -> Membership:
    """Changes a member's role, at once.

    Raises:
        Conflict: the studio would have no admin; or the new admin's membership has an end.
        NotFound: there is no such member any more, or `actor` has no access to the studio.
        Forbidden: `actor` may not manage people, or may not make admins.
    """
    with studio_scope(membership.studio_id):
        locked = _lock_member(membership, actor)
        require_rank(actor, locked.studio_id, role)
        before = locked.role
        if role == Role.ADMIN and locked.ends_at is not None:
            raise Conflict("This membership has an end, but an admin's must not; remove the end first.")
        _require_other_admin(locked, role)
        locked.role = role
        locked.save(update_fields=["role"])
        details = {"user": str(locked.user_id), "from": str(before), "to": Role(role).value}
        record_for(MEMBER_CHANGED, locked, actor=actor, details=details)
        tell_member(locked, MEMBER_CHANGED, actor=actor)
    membership.role = locked.role
    return membership


def set_membership_end(membership: Membership, ends_at: datetime | None, *, actor: Actor) -> Membership:
    """Sets when a membership expires (None: never). An expired membership grants nothing.

    Raises:
        BadRequest: the end is in the past, or the member is an admin, whose membership has no end.
        NotFound: there is no such member any more, or `actor` has no access to the studio.
        Forbidden: `actor` may not manage people.
    """
    with studio_scope(membership.studio_id):
        locked = _lock_member(membership, actor)
        _check_end(Role(locked.role), ends_at)
        _set_end(locked, ends_at, actor)
    membership.ends_at = locked.ends_at
    return membership


def suspend_membership(membership: Membership, now: datetime, *, actor: Actor) -> None:
    """Ends a membership now but keeps its permissions and guardianships, so that it can be resumed. Also for admins.

    Raises:
        Conflict: the studio would have no admin.
        NotFound, Forbidden: there is no such member any more, or `actor` may not manage people.
    """
    with studio_scope(membership.studio_id):
        locked = _lock_member(membership, actor)
        _require_other_admin(locked, None)
        _set_end(locked, now, actor)


def remove_member(membership: Membership, *, actor: Actor) -> None:
    """Ends a membership, with all permissions on single objects, guardianships and API keys in this studio, at once.

    Raises:
        Conflict: the studio would have no admin.
        NotFound: there is no such member any more, or `actor` has no access to the studio.
        Forbidden: `actor` may not manage people.
    """
    with studio_scope(membership.studio_id):
        locked = _lock_member(membership, actor)
        _require_other_admin(locked, None)
        _end_membership(locked, MEMBER_REMOVED, actor)
        tell_member(locked, MEMBER_REMOVED, actor=actor)


def leave_studio(membership: Membership, *, actor: Actor) -> None:
    """Ends the actor's own membership, like `remove_member`. Needs no permission: everyone may leave.

    Raises:
        Conflict: the studio would have no admin.
        Forbidden: `actor` is an API key, which must not change its person's membership.
        NotFound: the membership belongs to another person, or does not exist any more.
    """
    with studio_scope(membership.studio_id):
        lock_studio(membership.studio_id)
        mine: Membership | None = Membership.objects.filter(pk=membership.pk, user_id=actor.id).first()
        if mine is None or actor.kind is not ActorKind.USER:
            raise NotFound
        if actor.scopes is not None:
            raise Forbidden("An API key cannot leave a studio for its person.", code=Code.KEY_NOT_ENOUGH)
        _require_other_admin(mine, None)
        _end_membership(mine, MEMBER_LEFT, actor)


def end_member_sessions(membership: Membership, *, actor: Actor) -> None:
    """Requires a member to sign in again before this studio opens, in all sessions, at once.

    The sessions themselves continue: they belong to the person, and may be open in other studios.

    Raises:
        NotFound: there is no such member any more, or `actor` has no access to the studio.
        Forbidden: `actor` may not manage people.
    """
    with studio_scope(membership.studio_id):
        locked = _lock_member(membership, actor)
        locked.signin_not_before = timezone.now()
        locked.save(update_fields=["signin_not_before"])
        if studios_of_account(locked.user_id) <= {locked.studio_id}:
            # Otherwise the holder of a session could set a first password and sign in with it. If the account belongs to
            # other studios too, this studio must not decide who may set its password.
            forbid_first_credential(locked.user)
        record_for(MEMBER_SESSIONS_ENDED, locked, actor=actor, details={"user": str(locked.user_id)})
        tell_member(locked, MEMBER_SESSIONS_ENDED, actor=actor)


def join(
    studio: Studio,
    user: User,
    role: Role,
    actor: Actor,
    *,
    ends_at: datetime | None = None,
    keep_key: str | None = None,
) -> Membership:
    """Makes a person a member. The caller has checked `access` and opened the scope.

    Every way of joining ends here. If the person has no credentials, their open sessions may belong to somebody else: an
    admin of another of their studios can make a sign-in link and use it. So these sessions end.

    Args:
        keep_key: the session in which the person joins, which stays; None: there is none.

    Raises:
        Conflict: the person is a member already.
    """
    require_quota(Limit.MEMBERS, Membership.objects.count)
    membership = Membership(studio=studio, user=user, role=role, ends_at=ends_at)
    save_new(membership, "This person is a member already.")
    # A sign-in link made by another studio's admin would open this studio too, and so would a session opened by it.
    # The account stays locked until commit, so a link is either used before this, or deleted.
    end_signin_links(user)
    if lacks_own_signin(lock_account(user)):
        end_other_sessions(user, keep_key=keep_key, actor=JOB)
    record_for(
        MEMBER_ADDED,
        membership,
        actor=actor,
        details={
            "user": str(user.id),
            "role": Role(role).value,
            "ends_at": ends_at.isoformat() if ends_at else None,
        },
    )
    return membership


def _lock_member(membership: Membership, actor: Actor) -> Membership:
    lock_people(actor, membership)
    found: Membership | None = Membership.objects.filter(pk=membership.pk).first()
    if found is None:
        raise NotFound("This person is not a member any more.")
    return found


def _end_membership(membership: Membership, act: AuditEvent, actor: Actor) -> None:
    """Deletes a membership and everything that depends on it in the studio. The caller holds the studio's lock."""
    user_id = membership.user_id
    Membership.objects.filter(pk=membership.pk).delete()
    rights, _ = ObjectPermission.objects.filter(user_id=user_id).delete()
    end_guardianships_of(user_id, actor=actor)
    # API keys do not work without the membership, but must not revive if the person returns.
    keys = ApiKey.objects.filter(user_id=user_id, revoked_at=None).update(revoked_at=timezone.now())
    details = {"user": str(user_id), "role": str(membership.role), "rights": rights, "api_keys": keys}
    record_for(act, membership, actor=actor, details=details)


def _set_end(membership: Membership, ends_at: datetime | None, actor: Actor) -> None:
    membership.ends_at = ends_at
    membership.save(update_fields=["ends_at"])
    details = {"user": str(membership.user_id), "ends_at": ends_at.isoformat() if ends_at else None}
    record_for(MEMBER_CHANGED, membership, actor=actor, details=details)


def _check_end(role: Role, ends_at: datetime | None) -> None:
    if ends_at is None:
        return
    if role == Role.ADMIN:
        raise BadRequest("ends_at: an admin's membership has no end; change the role first.")
    if ends_at <= timezone.now():
        raise BadRequest("ends_at: choose a time in the future.")


def _require_other_admin(membership: Membership, role: Role | None) -> None:
    """Raises unless another active member is an admin. The caller holds the studio's lock."""
    others = members(timezone.now()).filter(role=Role.ADMIN).exclude(pk=membership.pk)
    if role != Role.ADMIN and membership.role == Role.ADMIN and not others.exists():
        raise Conflict(_LAST_ADMIN)
