"""Reads the facts of the access rule about people of the studio in scope: one statement, no rule.

Read are the membership, the studio's changes to its role, grants and denials, and break-glass access, each only while it is
in force. `rule` decides what follows from them.
"""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from control_plane.access import model_access
from control_plane.access.decision import AccessFacts, ActiveBreakGlass, ActiveGrant
from control_plane.access.models import BreakGlass, Effect, ObjectPermission
from control_plane.access.roles import BREAK_GLASS_PERMISSIONS, effective
from control_plane.accounts.models import User
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import current_studio_id
from control_plane.tenancy.selectors import members

_LABELS = {
    label.rpartition(".")[2].lower(): label
    for label in (model_access.CLASS, model_access.ROOM, model_access.STUDIO)
}


def open_break_glass(now: datetime, among: QuerySet[BreakGlass] | None = None) -> QuerySet[BreakGlass]:
    """Returns the break-glass access that is open now, of the studio in scope or `among` the given rows."""
    rows: QuerySet[BreakGlass] = BreakGlass.objects.all() if among is None else among
    return rows.filter(
        closed_at__isnull=True, ends_at__gt=now, operator__is_operator=True, operator__is_active=True
    )


def read_facts(user_id: UUID, on: Mapping[str, UUID], now: datetime) -> AccessFacts:
    """Returns the facts about a person, the studio in scope and the objects `on` (label -> id); one query."""
    return _read([user_id], on.values(), now).get(user_id, AccessFacts())


def read_everybody(
    on: Mapping[str, UUID], now: datetime, *, after: int, most: int
) -> list[tuple[User, AccessFacts]]:
    """Returns a page of the studio's members and operators with open access, by name; two queries."""
    inside = Q(Exists(members(now).filter(user_id=OuterRef("pk")))) | Q(
        Exists(open_break_glass(now).filter(operator_id=OuterRef("pk")))
    )
    page = User.objects.filter(inside).order_by("display_name", "email", "pk")[after : after + most]
    people = {user.pk: user for user in page}
    found = _read(people, on.values(), now)
    return [(user, found.get(pk, AccessFacts())) for pk, user in people.items()]


# Hand-written, because every key and playlist needs it: building it through the ORM took ten times as long as the database
# needs to answer. `tests/control_plane/access/test_visible.py` compares it with the conditions of `rule`.
_SQL = """
SELECT person.id, member.role, chosen.actions,
    (SELECT jsonb_agg(
            jsonb_build_array(
                permission.codename, kind.model, given.effect, given.until, given.given_by, given.reason
            ) ORDER BY given.given_at DESC, given.id)
        FROM access_objectpermission given
        JOIN auth_permission permission ON permission.id = given.permission_id
        JOIN django_content_type kind ON kind.id = given.content_type_id
        WHERE given.studio_id = %(studio)s AND given.user_id = person.id AND given.object_pk = ANY(%(on)s)
            AND (given.until IS NULL OR given.until > %(now)s)),
    (SELECT jsonb_agg(jsonb_build_array(glass.id, glass.actions, glass.ends_at) ORDER BY glass.created_at)
        FROM access_breakglass glass
        WHERE glass.studio_id = %(studio)s AND glass.operator_id = person.id AND person.is_operator
            AND glass.closed_at IS NULL AND glass.ends_at > %(now)s)
FROM accounts_user person
LEFT JOIN tenancy_membership member ON member.studio_id = %(studio)s AND member.user_id = person.id
    AND (member.ends_at IS NULL OR member.ends_at > %(now)s)
LEFT JOIN access_rolepermissions chosen ON chosen.studio_id = %(studio)s AND chosen.role = member.role
WHERE person.is_active AND person.id = ANY(%(people)s)
"""


def _read(people: Collection[UUID], on: Collection[UUID], now: datetime) -> dict[UUID, AccessFacts]:
    values: dict[str, Any] = {
        "studio": current_studio_id(),
        "people": list(people),
        "on": [str(id_) for id_ in on],
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SQL, values)
        rows = cursor.fetchall()
    return {row[0]: _facts(*row[1:]) for row in rows}


def _facts(role: str | None, chosen: str | None, grants: str | None, glasses: str | None) -> AccessFacts:
    return AccessFacts(
        role=Role(role) if role else None,
        allowed=_allowed(role, chosen) if role else frozenset(),
        grants=tuple(grant for row in json.loads(grants or "[]") if (grant := _grant(*row)) is not None),
        break_glasses=tuple(_break_glass(*row) for row in json.loads(glasses or "[]")),
    )


@lru_cache(maxsize=512)
def _allowed(role: str, chosen: str | None) -> frozenset[StudioPermission]:
    # Nothing of a studio is cached here: both arguments have just been read, and the result depends on nothing else.
    return effective(Role(role), json.loads(chosen) if chosen else None)


def _grant(
    codename: str, model: str, effect: str, until: str | None, given_by: str | None, reason: str
) -> ActiveGrant | None:
    action = _known(codename.removesuffix(f"_{model}"))
    if action is None:
        return None
    return ActiveGrant(
        action=action,
        allows=effect == Effect.ALLOW,
        object_label=_LABELS.get(model, ""),
        until=datetime.fromisoformat(until) if until else None,
        given_by=UUID(given_by) if given_by else None,
        reason=reason,
    )


def _break_glass(id_: str, values: list[str], ends_at: str) -> ActiveBreakGlass:
    actions = frozenset(action for text in values if (action := _known(text)) is not None)
    return ActiveBreakGlass(
        id=UUID(id_), actions=actions & BREAK_GLASS_PERMISSIONS, ends_at=datetime.fromisoformat(ends_at)
    )


def _known(text: str) -> StudioPermission | None:
    return StudioPermission.get(text)


def grant_target(grant: ObjectPermission) -> tuple[str, StudioPermission | None]:
    """Returns the label of the object that a grant is on, and its permission (None: one that no longer exists)."""
    model = grant.content_type.model
    label = _LABELS.get(model, grant.content_type.app_label + "." + model)
    return label, _known(grant.permission.codename.removesuffix(f"_{model}"))
