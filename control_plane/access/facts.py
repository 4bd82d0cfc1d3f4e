"""Reads what people are to the studio in scope, in one query: membership, role table, rights, break-glass."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from control_plane.access import model_access
from control_plane.access.decision import Held, Standing, Visit
from control_plane.access.models import BreakGlass, Effect, ObjectRight
from control_plane.access.roles import BREAK_GLASS_ACTIONS, effective
from control_plane.accounts.models import User
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import current_studio_id
from control_plane.tenancy.selectors import members

_LABELS = {
    label.rpartition(".")[2].lower(): label
    for label in (model_access.CLASS, model_access.ROOM, model_access.STUDIO)
}


def open_visits(now: datetime, among: QuerySet[BreakGlass] | None = None) -> QuerySet[BreakGlass]:
    """Returns the break-glasses that are open now, of the studio in scope or `among` those given."""
    rows: QuerySet[BreakGlass] = BreakGlass.objects.all() if among is None else among
    return rows.filter(
        closed_at__isnull=True, ends_at__gt=now, operator__is_operator=True, operator__is_active=True
    )


def standing_of(user_id: UUID, on: Mapping[str, UUID], now: datetime) -> Standing:
    """Returns what a person is to the studio in scope and to the things `on` (label -> id); one query."""
    return _read([user_id], on.values(), now).get(user_id, Standing())


def everybody(on: Mapping[str, UUID], now: datetime, *, after: int, most: int) -> list[tuple[User, Standing]]:
    """Returns a page of all who are something to the studio in scope, by name; two queries."""
    inside = Q(Exists(members(now).filter(user_id=OuterRef("pk")))) | Q(
        Exists(open_visits(now).filter(operator_id=OuterRef("pk")))
    )
    page = User.objects.filter(inside).order_by("display_name", "email", "pk")[after : after + most]
    people = {user.pk: user for user in page}
    standings = _read(people, on.values(), now)
    return [(user, standings.get(pk, Standing())) for pk, user in people.items()]


# By hand, because it is asked for every key and playlist: putting it together through the ORM took ten times as long as
# the database needs to answer. `tests/control_plane/access/test_visible.py` holds it against the ORM's conditions.
_SQL = """
SELECT person.id, member.role, chosen.actions,
    (SELECT jsonb_agg(
            jsonb_build_array(
                permission.codename, thing.model, held.effect, held.until, held.given_by, held.reason
            ) ORDER BY held.given_at DESC, held.id)
        FROM access_objectright held
        JOIN auth_permission permission ON permission.id = held.permission_id
        JOIN django_content_type thing ON thing.id = held.content_type_id
        WHERE held.studio_id = %(studio)s AND held.user_id = person.id AND held.object_pk = ANY(%(on)s)
            AND (held.until IS NULL OR held.until > %(now)s)),
    (SELECT jsonb_agg(jsonb_build_array(glass.id, glass.actions, glass.ends_at) ORDER BY glass.created_at)
        FROM access_breakglass glass
        WHERE glass.studio_id = %(studio)s AND glass.operator_id = person.id AND person.is_operator
            AND glass.closed_at IS NULL AND glass.ends_at > %(now)s)
FROM accounts_user person
LEFT JOIN tenancy_membership member ON member.studio_id = %(studio)s AND member.user_id = person.id
    AND (member.ends_at IS NULL OR member.ends_at > %(now)s)
LEFT JOIN access_roleactions chosen ON chosen.studio_id = %(studio)s AND chosen.role = member.role
WHERE person.is_active AND person.id = ANY(%(people)s)
"""


def _read(people: Collection[UUID], on: Collection[UUID], now: datetime) -> dict[UUID, Standing]:
    values: dict[str, Any] = {
        "studio": current_studio_id(),
        "people": list(people),
        "on": [str(id_) for id_ in on],
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SQL, values)
        rows = cursor.fetchall()
    return {row[0]: _standing(*row[1:]) for row in rows}


def _standing(role: str | None, chosen: str | None, rights: str | None, visits: str | None) -> Standing:
    member = Role(role) if role else None
    return Standing(
        role=member,
        allowed=effective(member, json.loads(chosen) if chosen else None) if member else frozenset(),
        rights=tuple(right for row in json.loads(rights or "[]") if (right := _right(*row)) is not None),
        visits=tuple(_visit(*row) for row in json.loads(visits or "[]")),
    )


def _right(
    codename: str, model: str, effect: str, until: str | None, given_by: str | None, reason: str
) -> Held | None:
    action = _known(codename.removesuffix(f"_{model}"))
    if action is None:
        return None
    return Held(
        action=action,
        allows=effect == Effect.ALLOW,
        thing=_LABELS.get(model, ""),
        until=datetime.fromisoformat(until) if until else None,
        given_by=UUID(given_by) if given_by else None,
        reason=reason,
    )


def _visit(id_: str, values: list[str], ends_at: str) -> Visit:
    actions = frozenset(action for text in values if (action := _known(text)) is not None)
    return Visit(id=UUID(id_), actions=actions & BREAK_GLASS_ACTIONS, ends_at=datetime.fromisoformat(ends_at))


def _known(text: str) -> StudioPermission | None:
    return StudioPermission.get(text)


def right_on(right: ObjectRight) -> tuple[str, StudioPermission | None]:
    """Returns the label of what a right is on, and its action (None: one that there is no longer)."""
    model = right.content_type.model
    label = _LABELS.get(model, right.content_type.app_label + "." + model)
    return label, _known(right.permission.codename.removesuffix(f"_{model}"))
