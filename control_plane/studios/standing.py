"""Reads what people are to the studio in scope, in one query: membership, role table, rights, break-glass."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject

from control_plane.accounts.models import User
from control_plane.studios import things
from control_plane.studios.actions import Action
from control_plane.studios.decision import Held, Standing, Visit
from control_plane.studios.models import (
    BreakGlass,
    Dancer,
    Effect,
    Guardianship,
    Membership,
    ObjectRight,
    Role,
    RoleActions,
)
from control_plane.studios.roles import effective

_LABELS = {label.rpartition(".")[2].lower(): label for label in (things.CLASS, things.ROOM, things.STUDIO)}


def in_force(now: datetime, field: str = "until") -> Q:
    """Returns the condition of a row that has no end, or whose end is yet to come."""
    return Q(**{f"{field}__isnull": True}) | Q(**{f"{field}__gt": now})


def members(now: datetime) -> QuerySet[Membership]:
    """Returns the memberships of the studio in scope that count now."""
    found: QuerySet[Membership] = Membership.objects.filter(in_force(now, "ends_at"), user__is_active=True)
    return found


def open_visits(now: datetime, among: QuerySet[BreakGlass] | None = None) -> QuerySet[BreakGlass]:
    """Returns the break-glasses that are open now, of the studio in scope or `among` those given."""
    rows: QuerySet[BreakGlass] = BreakGlass.objects.all() if among is None else among
    return rows.filter(
        closed_at__isnull=True, ends_at__gt=now, operator__is_operator=True, operator__is_active=True
    )


def standing_of(user_id: UUID, on: Mapping[str, UUID], now: datetime) -> Standing:
    """Returns what a person is to the studio in scope and to the things `on` (label -> id); one query."""
    return next(
        (standing for _, standing in _read(User.objects.filter(pk=user_id), on.values(), now)), Standing()
    )


def everybody(on: Mapping[str, UUID], now: datetime, *, after: int, most: int) -> list[tuple[User, Standing]]:
    """Returns a page of all who are something to the studio in scope, by name; two queries."""
    inside = Q(Exists(members(now).filter(user_id=OuterRef("pk")))) | Q(
        Exists(open_visits(now).filter(operator_id=OuterRef("pk")))
    )
    page = User.objects.filter(inside).order_by("display_name", "email", "pk")[after : after + most]
    people = {user.pk: user for user in page}
    standings = dict(_read(User.objects.filter(pk__in=people), on.values(), now))
    return [(user, standings.get(pk, Standing())) for pk, user in people.items()]


def owners(class_id: UUID | None, user_ids: Collection[UUID], now: datetime) -> set[UUID]:
    """Returns who of `user_ids` may count a class as their own dancers': one query.

    One who answers for a dancer confirmed to be in it; but nobody who does not answer for every protected dancer in it.
    """
    if class_id is None or not user_ids:
        return set()
    guardians = Guardianship.objects.filter(
        dancer_id=OuterRef("pk"), ended_at__isnull=True, started_at__lte=now, user_id__in=user_ids
    ).values("user_id")
    found: set[UUID] = set()
    wanted = set(user_ids)
    rows = Dancer.objects.filter(appearances__class_session_id=class_id).order_by()
    for protected, confirmed_at, theirs in rows.values_list(
        "protected", "appearances__confirmed_at", ArraySubquery(guardians)
    ):
        if confirmed_at is not None:
            found.update(theirs)
        if protected:
            wanted &= set(theirs)
    return found & wanted


def owned(user_id: UUID, class_path: str, now: datetime) -> Q:
    """Returns the same as `owners` as a condition on rows that belong to the class at `class_path`."""
    theirs = Guardianship.objects.filter(user_id=user_id, ended_at__isnull=True, started_at__lte=now)
    shown = Dancer.objects.filter(appearances__class_session_id=OuterRef(class_path))
    mine = Dancer.objects.filter(
        appearances__class_session_id=OuterRef(class_path),
        appearances__confirmed_at__isnull=False,
        pk__in=theirs.values("dancer_id"),
    )
    closed = shown.filter(protected=True).exclude(pk__in=theirs.values("dancer_id"))
    return Q(Exists(mine)) & ~Q(Exists(closed))


def _read(users: QuerySet[User], on: Collection[UUID], now: datetime) -> Iterator[tuple[UUID, Standing]]:
    mine = members(now).filter(user_id=OuterRef("pk"))
    rights = ObjectRight.objects.filter(
        in_force(now), user_id=OuterRef("pk"), object_pk__in=[str(id_) for id_ in on]
    )
    rows = (
        users.filter(is_active=True)
        .annotate(
            role=Subquery(mine.values("role")[:1]),
            chosen=Subquery(RoleActions.objects.filter(role=OuterRef("role")).values("actions")[:1]),
            rights=ArraySubquery(
                rights.values(
                    json=JSONObject(
                        codename=F("permission__codename"),
                        thing=F("content_type__model"),
                        effect=F("effect"),
                        until=F("until"),
                        given_by=F("given_by"),
                        reason=F("reason"),
                    )
                )
            ),
            visits=ArraySubquery(
                open_visits(now)
                .filter(operator_id=OuterRef("pk"))
                .values(json=JSONObject(id=F("id"), actions=F("actions"), ends_at=F("ends_at")))
            ),
        )
        .values_list("pk", "role", "chosen", "rights", "visits")
    )
    for pk, role, chosen, held, visits in rows:
        member = Role(role) if role else None
        yield (
            pk,
            Standing(
                role=member,
                allowed=effective(member, chosen) if member else frozenset(),
                rights=tuple(right for row in held if (right := _right(row)) is not None),
                visits=tuple(_visit(row) for row in visits),
            ),
        )


def _right(row: Mapping[str, Any]) -> Held | None:
    action = _known(row["codename"].removesuffix(f"_{row['thing']}"))
    if action is None:
        return None
    return Held(
        action=action,
        allows=row["effect"] == Effect.ALLOW,
        thing=_LABELS.get(row["thing"], ""),
        until=datetime.fromisoformat(row["until"]) if row["until"] else None,
        given_by=UUID(row["given_by"]) if row["given_by"] else None,
        reason=row["reason"],
    )


def _visit(row: Mapping[str, Any]) -> Visit:
    actions = frozenset(action for text in row["actions"] if (action := _known(text)) is not None)
    return Visit(id=UUID(row["id"]), actions=actions, ends_at=datetime.fromisoformat(row["ends_at"]))


def _known(text: str) -> Action | None:
    return Action(text) if text in Action._value2member_map_ else None


def right_on(right: ObjectRight) -> tuple[str, Action | None]:
    """Returns the label of what a right is on, and its action (None: one that there is no longer)."""
    model = right.content_type.model
    label = _LABELS.get(model, right.content_type.app_label + "." + model)
    return label, _known(right.permission.codename.removesuffix(f"_{model}"))
