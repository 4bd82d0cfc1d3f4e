"""JSON representations of models. Only the fields that are listed here are ever returned."""

from datetime import datetime
from typing import Any

from control_plane.access import facts
from control_plane.access.decision import Decision
from control_plane.access.models import ApiKey, ObjectPermission
from control_plane.access.reason_text import reason_text
from control_plane.access.roles import DEFAULTS, FLOOR, LIMITS, ROLE_MEANINGS, effective
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.compliance.search import Row
from control_plane.identity.models import SigninPolicy
from control_plane.keys.models import StudioKey
from control_plane.people.models import Dancer, Guardianship
from control_plane.recordings.models import ClassSession
from control_plane.tenancy.models import Invitation, Membership, Studio

Json = dict[str, Any]
THINGS = {"tenancy.Studio": "studio", "tenancy.Room": "room", "recordings.ClassSession": "class"}
"""API names of the kinds of objects that grants apply to."""


def studio(row: Studio) -> Json:
    """A studio."""
    return {
        "id": str(row.id),
        "slug": row.slug,
        "name": row.name,
        "time_zone": row.time_zone,
        "accent": row.accent,
    }


def member(row: Membership) -> Json:
    """A membership, with its user."""
    return {
        "id": str(row.id),
        "user_id": str(row.user_id),
        "email": row.user.email,
        "name": row.user.display_name,
        "role": row.role,
        "ends_at": _at(row.ends_at),
    }


def invitation(row: Invitation) -> Json:
    """An invitation, without its token."""
    return {
        "id": str(row.id),
        "email": row.email,
        "role": row.role,
        "expires_at": _at(row.expires_at),
        "membership_ends_at": _at(row.membership_ends_at),
        "accepted_at": _at(row.accepted_at),
        "revoked_at": _at(row.revoked_at),
    }


def role(name: Role, chosen: list[str] | None) -> Json:
    """A column of the role table: its permissions, and the limits within which a studio may change them."""
    return {
        "role": name.value,
        "meaning": ROLE_MEANINGS[name],
        "changed": chosen is not None,
        "actions": actions(effective(name, chosen)),
        "default": actions(DEFAULTS[name]),
        "limit": actions(LIMITS[name]),
        "floor": actions(FLOOR[name]),
    }


def actions(some: frozenset[StudioPermission]) -> list[str]:
    """Names of permissions, in the order of the table."""
    return [action for action in StudioPermission.all() if action in some]


def action(name: StudioPermission) -> Json:
    """A row of the role table."""
    return {"action": name, "title": name.label, "meaning": name.meaning}


def grant(row: ObjectPermission) -> Json:
    """A grant or a denial on one object."""
    label, name = facts.grant_target(row)
    return {
        "id": str(row.pk),
        "user_id": str(row.user_id),
        "effect": row.effect,
        "action": name,
        "thing": THINGS.get(label, label),
        "thing_id": row.object_pk,
        "until": _at(row.until),
        "reason": row.reason,
        "given_at": _at(row.given_at),
    }


def decision(answer: Decision) -> Json:
    """An access decision, with its reason as text."""
    return {"allowed": answer.allowed, "code": answer.reason.code, "reason": reason_text(answer.reason)}


def dancer(row: Dancer) -> Json:
    """A dancer, with the fields that staff may see."""
    return {
        "id": str(row.id),
        "name": row.name,
        "birth_date": row.birth_date.isoformat() if row.birth_date else None,
        "birth_year": row.birth_year,
        "protected": row.protected,
        "note": row.note,
        "left_at": _at(row.left_at),
    }


def guardianship(row: Guardianship) -> Json:
    """A guardianship of a dancer."""
    return {
        "id": str(row.id),
        "user_id": str(row.user_id),
        "relation": row.relation,
        "started_at": _at(row.started_at),
        "ended_at": _at(row.ended_at),
    }


def class_session(row: ClassSession) -> Json:
    """A class: title, room, state and time; no footage."""
    return {
        "id": str(row.id),
        "title": row.title,
        "room_id": str(row.room_id),
        "room": row.room.name,
        "state": row.state,
        "requested_at": _at(row.requested_at),
    }


def signin_policy(row: SigninPolicy | None) -> Json:
    """The sign-in policy of a studio."""
    return {
        "admins_need_second_factor": row.admins_need_second_factor if row else False,
        "provider_only": row.provider_only if row else False,
        "session_hours": row.session_hours if row else None,
        "idle_minutes": row.idle_minutes if row else None,
    }


def studio_key(row: StudioKey) -> Json:
    """A generation of a studio's keys, without key material."""
    return {
        "id": str(row.id),
        "made_at": _at(row.created_at),
        "retired_at": _at(row.retired_at),
        "root_key": row.root_key_id,
    }


def api_key(row: ApiKey) -> Json:
    """An API key, without its secret."""
    return {
        "id": str(row.id),
        "name": row.name,
        "shown": row.shown,
        "user_id": str(row.user_id),
        "actions": row.actions,
        "expires_at": _at(row.expires_at),
        "last_used_at": _at(row.last_used_at),
        "revoked_at": _at(row.revoked_at),
    }


def entry(row: Row) -> Json:
    """An event of the audit log."""
    return {
        "sequence": row.sequence,
        "at": _at(row.at),
        "words": row.words,
        "who": row.who,
        "category": row.category,
        "action": row.entry.action,
        "actor_kind": row.entry.actor_kind,
        "actor_id": str(row.entry.actor_id) if row.entry.actor_id else None,
        "actor_job": row.entry.actor_job,
        "object_type": row.entry.object_type,
        "object_id": row.entry.object_id,
        "details": row.entry.details,
        "hash": bytes(row.entry.hash).hex(),
    }


def _at(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
