"""Writes of API keys: created by a member with some of their own permissions, revoked by that member or by an admin."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from control_plane.access import access
from control_plane.access.audit_events import API_KEY_MADE, API_KEY_REVOKED
from control_plane.access.models import ApiKey
from control_plane.access.permissions import USE_API
from control_plane.access.roles import ALWAYS_LENT, MACHINE_PERMISSIONS, missing_needs
from control_plane.accounts.models import User
from control_plane.audit.services import record_for
from control_plane.common.actors import Actor, ActorKind
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.permissions import StudioPermission
from control_plane.common.saving import check
from control_plane.common.scoping import capability_scope, studio_scope
from control_plane.plans.rate_limits import require_rate
from control_plane.tenancy.models import Studio
from control_plane.tenancy.permissions import MANAGE_STUDIO
from shared.protocol.errors import Code

PREFIX = "3dk_"
LONGEST = timedelta(days=366)
MOST_KEYS = 50
TOUCH_EVERY = timedelta(minutes=1)
_JOB = "api_key:"
"""Prefix of the actor's job in the audit log for a person who uses an API key; the key's id follows."""


def make_api_key(
    studio: Studio, *, name: str, actions: Iterable[StudioPermission], expires_at: datetime, actor: Actor
) -> tuple[ApiKey, str]:
    """Creates a key with `actions` of the actor's own permissions; returns it with its secret, which is shown once.

    Raises:
        BadRequest: no name, no permission, one that no person has or that needs another, or an invalid expiry.
        Conflict: the studio has `MOST_KEYS` open keys.
        Forbidden, NotFound: the actor may not use the API, or is not a signed-in person.
        TooManyRequests: the rate limit of new keys is exceeded.
    """
    chosen = frozenset(StudioPermission.named(action) for action in actions)
    wanted = chosen | ALWAYS_LENT
    if actor.kind is not ActorKind.USER or actor.id is None or actor.scopes is not None:
        raise Forbidden("Only a signed-in person can create an API key.", code=Code.KEY_NOT_ENOUGH)
    if not chosen:
        raise BadRequest("actions: choose at least one permission.")
    _check(wanted, expires_at)
    secret = PREFIX + secrets.token_urlsafe(32)
    with studio_scope(studio.id):
        access.require(actor, USE_API, studio)
        require_rate(API_KEY_MADE, actor=actor)
        if ApiKey.objects.filter(revoked_at=None, expires_at__gt=timezone.now()).count() >= MOST_KEYS:
            raise Conflict(f"There are {MOST_KEYS} API keys in use. Revoke one first.")
        key = ApiKey(
            studio=studio,
            user=User.objects.get(pk=actor.id),
            name=name.strip(),
            shown=secret[:10],
            secret_sha256=_hash(secret),
            actions=[action for action in StudioPermission.all() if action in wanted],
            expires_at=expires_at,
        )
        check(key)
        key.save(force_insert=True)
        details = {"user": str(key.user_id), "actions": key.actions, "until": expires_at.isoformat()}
        record_for(API_KEY_MADE, key, actor=actor, details=details)
    return key, secret


def revoke_api_key(key: ApiKey, *, actor: Actor) -> None:
    """Revokes a key immediately; idempotent.

    Members revoke their own keys, members with `MANAGE_STUDIO` all. A key can revoke itself, and others within its scope.

    Raises:
        NotFound: no such key, or the actor may not see it.
    """
    with studio_scope(key.studio_id):
        if not keys_of(actor, key.studio).filter(pk=key.pk).exists():
            raise NotFound
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()):
            record_for(API_KEY_REVOKED, key, actor=actor, details={"user": str(key.user_id)})


def keys_of(actor: Actor, studio: Studio) -> QuerySet[ApiKey]:
    """Returns the keys of the studio in scope that `actor` may see and revoke, revoked ones included."""
    found: QuerySet[ApiKey] = ApiKey.objects.all()
    if actor.kind is not ActorKind.USER or actor.id is None:
        return found.none()
    if access.can(actor, MANAGE_STUDIO, studio):
        return found
    mine = found.filter(user_id=actor.id)
    return mine if actor.scopes is None else mine.filter(pk=actor.job.removeprefix(_JOB))


def key_of(secret: str) -> ApiKey | None:
    """Returns the open key with this secret and stores the time of use; None without one."""
    hashed = _hash(secret)
    with capability_scope("api_key_hash", hashed.hex()):
        key: ApiKey | None = (
            ApiKey.reachable.filter(secret_sha256=hashed, user__is_active=True).select_related("user").first()
        )
    if key is None or not key.is_open:
        return None
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > TOUCH_EVERY:
        with studio_scope(UUID(str(key.studio_id))):
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def actor_of(key: ApiKey) -> Actor:
    """Returns the member as an actor within the key's scope."""
    return Actor(
        ActorKind.USER, id=UUID(str(key.user_id)), job=f"{_JOB}{key.id}", scopes=frozenset(key.actions)
    )


def _check(wanted: frozenset[StudioPermission], expires_at: datetime) -> None:
    if wanted & MACHINE_PERMISSIONS:
        raise BadRequest("actions: permissions of agents and of the platform are not for API keys.")
    if found := missing_needs(wanted):
        raise BadRequest("actions: " + " ".join(found))
    now = timezone.now()
    if not now < expires_at <= now + LONGEST:
        raise BadRequest("expires_at: a moment within the next year.")


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
