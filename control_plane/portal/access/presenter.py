"""Data of the access page of an object: each person with the reason, and the grants and denials."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from uuid import UUID

from django.db.models import Model
from django.utils import timezone

from control_plane.access import access, model_access, roles
from control_plane.access.decision import Decision
from control_plane.access.models import Effect, ObjectPermission, RolePermissions
from control_plane.access.reason_text import reason_text
from control_plane.accounts.models import User
from control_plane.common.actors import Actor
from control_plane.common.names import name_key
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.recordings.permissions import ANNOTATE, EXPORT, REPLAY, SHARE, VIEW_CLASS, VIEW_LIVE
from control_plane.tenancy.models import Membership

Asked = tuple[User, Decision]
ASKED = (REPLAY, VIEW_CLASS, VIEW_LIVE, ANNOTATE, SHARE, EXPORT)
"""Permissions that the page offers for a class or a room, in order."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One person and the decision. `membership_id` is None for an operator with break-glass access."""

    user_id: UUID
    membership_id: UUID | None
    name: str
    email: str
    role_text: str
    allowed: bool
    because: str
    note: str


@dataclass(frozen=True, slots=True)
class GrantLine:
    """One grant or denial on one object. `is_over`: it has ended."""

    id: UUID
    user_id: UUID
    name: str
    may: bool
    words: str
    on: str
    until: datetime | None
    given_at: datetime
    given_by: str
    reason: str
    is_over: bool


def table_of(actor: Actor) -> dict[Role, frozenset[StudioPermission]]:
    """Returns the permissions of each role in the studio now. The caller requires `MANAGE_POLICY`."""
    chosen = dict(access.visible(actor, RolePermissions).values_list("role", "actions"))
    return {role: roles.effective(role, chosen.get(role.value)) for role in Role}


def everybody(action: StudioPermission, obj: Model, *, wanted: str = "") -> tuple[list[Asked], bool]:
    """Returns all people with the decision, by name, and whether the studio has more people than were examined.

    The caller requires `MANAGE_PEOPLE`. `wanted`: only people with this text in name or address.
    """
    found = access.who_can(action, obj, most=access.MOST_PEOPLE)
    is_more = len(found) == access.MOST_PEOPLE
    if wanted:
        text = name_key(wanted)
        found = [item for item in found if text in name_key(f"{item[0].display_name} {item[0].email}")]
    return found, is_more


def answers(asked: Sequence[Asked]) -> list[Answer]:
    """Returns the lines of one page of `everybody`, in two queries for any number of people."""
    members = dict(
        Membership.objects.filter(user_id__in=[user.id for user, _ in asked]).values_list("user_id", "id")
    )
    names = names_of(decision.reason.by for _, decision in asked)
    zone = timezone.get_current_timezone()
    return [_answer(user, decision, members, names, zone) for user, decision in asked]


def grants_on(actor: Actor, obj: Model) -> list[GrantLine]:
    """Returns the grants and denials on an object that `actor` may see, those in force first."""
    rows = access.visible(actor, ObjectPermission).filter(object_pk=str(obj.pk))
    return grant_lines(list(rows.select_related("user", "permission").order_by("-given_at")))


def grant_lines(rows: Sequence[ObjectPermission], on: dict[str, str] | None = None) -> list[GrantLine]:
    """Returns the lines of grants and denials whose users and permissions are loaded; `on` maps object ids to names."""
    names = names_of(row.given_by for row in rows)
    now = timezone.now()
    lines = [
        GrantLine(
            id=row.id,
            user_id=row.user_id,
            name=row.user.get_full_name(),
            may=row.effect == Effect.ALLOW,
            words=permission_title(row),
            on=(on or {}).get(row.object_pk, ""),
            until=row.until,
            given_at=row.given_at,
            given_by=names.get(row.given_by, "") if row.given_by else "",
            reason=row.reason,
            is_over=row.until is not None and row.until <= now,
        )
        for row in rows
    ]
    return sorted(lines, key=lambda line: line.is_over)


def permission_title(row: ObjectPermission) -> str:
    """Returns the title of a permission, or its codename where the permission no longer exists."""
    name = row.permission.codename.rpartition("_")[0]
    known = StudioPermission.get(name)
    return known.phrase_on_one if known else name.replace("_", " ")


def choices_on(label: str) -> list[tuple[str, str]]:
    """Returns the permissions that can be granted or denied on an object of this table, as choices."""
    possible = roles.GRANTABLE_ON.get(label, frozenset())
    order = [*ASKED, *(action for action in StudioPermission.all() if action not in ASKED)]
    return [(action, action.phrase_on_one) for action in order if action in possible]


def asked_choices(label: str) -> list[tuple[StudioPermission, str]]:
    """Returns the questions about an object of this table, as choices."""
    return [
        (action, action.phrase_on_one)
        for action in ASKED
        if action in roles.GRANTABLE_ON.get(label, frozenset()) or label == model_access.CLASS
    ]


def names_of(ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """Returns the names of people by id, without those whose account is deleted."""
    wanted = {id_ for id_ in ids if id_ is not None}
    return {user.id: user.get_full_name() for user in User.objects.filter(pk__in=wanted)} if wanted else {}


def _answer(
    user: User, decision: Decision, members: dict[UUID, UUID], names: dict[UUID, str], zone: tzinfo
) -> Answer:
    reason = decision.reason
    by = names.get(reason.by, "") if reason.by else ""
    return Answer(
        user_id=user.id,
        membership_id=members.get(user.id),
        name=user.get_full_name(),
        email=user.email,
        role_text=Role(reason.role).label if reason.role else "Platform operator",
        allowed=decision.allowed,
        because=reason_text(reason, zone=zone, by=by),
        note=reason.note if reason.code is access.ReasonCode.GRANT else "",
    )
