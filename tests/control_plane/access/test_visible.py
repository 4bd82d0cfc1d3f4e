"""`visible` shows exactly the rows that `can` would: two ways of asking, over studios made up by hypothesis."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, models, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from control_plane.access import access
from control_plane.access.models import BreakGlass, Effect, ObjectRight, RoleActions
from control_plane.access.object_permissions import permission_for
from control_plane.access.roles import RIGHTS_ON
from control_plane.accounts.models import User
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.people.models import Dancer, Guardianship
from control_plane.people.permissions import VIEW_DANCERS
from control_plane.recordings.models import Appearance, ClassSession, ClassState, Track
from control_plane.recordings.permissions import EXPORT, REPLAY, VIEW_CLASS
from control_plane.tenancy.models import Membership, Room, Studio
from shared.protocol.ids import new_id
from tests.control_plane.conftest import Cast

SEEN: tuple[type[models.Model], ...] = (
    Studio,
    Room,
    ClassSession,
    Track,
    Dancer,
    ObjectRight,
    BreakGlass,
)
ends = st.sampled_from([None, -1, 0, 1])
"""In minutes from now; None: no end."""
SHOWING = [VIEW_CLASS, REPLAY, EXPORT]
actions = st.sampled_from(SHOWING * 3 + sorted({action for found in RIGHTS_ON.values() for action in found}))
rights = st.lists(
    st.tuples(st.integers(0, 5), actions, st.sampled_from(Effect), ends),
    max_size=5,
    unique_by=lambda one: one[:3],
)
world = st.fixed_dictionaries(
    {
        "role": st.sampled_from([None, *Role, Role.GUARDIAN]),
        "membership_ends": ends,
        "active": st.sampled_from([True, True, True, False]),
        "chosen": st.none()
        | st.just(["view_class"])
        | st.lists(st.sampled_from(list(StudioPermission.all())), unique=True),
        "rights": rights,
        "appearances": st.sets(st.tuples(st.integers(0, 2), st.integers(0, 2), st.booleans()), max_size=6),
        "guardianships": st.dictionaries(st.integers(0, 2), st.sampled_from([None, None, -1]), max_size=3),
        "protected": st.sets(st.integers(0, 2), max_size=1),
        "operator": st.booleans(),
        "asked": st.lists(st.sampled_from(StudioPermission.all()), min_size=3, max_size=3),
        "glass": st.none()
        | st.tuples(
            st.lists(st.sampled_from(list(StudioPermission.all())), unique=True),
            st.sampled_from([-1, 0, 1]),
            st.booleans(),
        ),
    }
)

BEYOND_THE_ROLE: dict[str, Any] = {
    "role": Role.PARTNER,
    "membership_ends": None,
    "active": True,
    "chosen": None,
    "rights": [(5, VIEW_DANCERS, Effect.ALLOW, None)],
    "appearances": set(),
    "guardianships": {},
    "protected": set(),
    "operator": False,
    "asked": [VIEW_DANCERS],
    "glass": None,
}
"""Rare among what is made up: a right that the role's limits do not let count, as when the role was changed after it."""


@contextmanager
def undone() -> Iterator[None]:
    """Leaves nothing behind."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.django_db
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts=world)
@example(facts=BEYOND_THE_ROLE)
def test_a_row_is_visible_exactly_where_one_can_see_it(cast: Cast, facts: dict[str, Any]) -> None:
    with undone(), studio_scope(cast.studio.id):
        make(cast.studio, cast.sam, facts)
        actor = cast.sam.actor
        for model in SEEN:
            found = access.visible(actor, model)
            with CaptureQueriesContext(connection) as asked:
                shown = {row.pk for row in found}
            assert len(asked) <= 1, model
            everything = list(model._default_manager.all())
            can = {row.pk for row in everything if access.can(actor, access.view_action(model), row)}
            assert shown == can, model
            event(
                f"{model.__name__}: {'none' if not can else 'some' if len(can) < len(everything) else 'all'}"
            )
        whole = access.permissions(actor, cast.studio.id)
        for action in facts["asked"]:
            assert access.can(actor, action, cast.studio) is (action in whole)
        for row in ClassSession.objects.all():
            for action in (REPLAY, EXPORT):
                told = {user.pk: decision for user, decision in access.who_can(action, row)}
                mine = access.decide(actor, action, row)
                assert bool(told.get(cast.sam.pk)) == bool(mine)
                if cast.sam.pk in told:
                    assert told[cast.sam.pk].reason == mine.reason


def make(studio: Studio, user: User, facts: dict[str, Any]) -> None:
    """Makes `user` what `facts` say, in a studio of two rooms, three classes and three dancers."""
    now = timezone.now()

    def at(minutes: int | None) -> Any:
        return None if minutes is None else now + timedelta(minutes=minutes)

    rooms = [Room.objects.create(studio=studio, name=f"Room {n}") for n in range(2)]
    classes = [
        ClassSession.objects.create(
            studio=studio,
            room=rooms[n % 2],
            title=f"Class {n}",
            state=ClassState.COMPLETE,
            requested_at=now,
            wrapped_key=b"x",
        )
        for n in range(3)
    ]
    for row in classes:
        Track.objects.create(
            studio=studio, class_session=row, camera_id=new_id(), name="left", position="left"
        )
    dancers = [
        Dancer.objects.create(studio=studio, name=f"D{n}", protected=n in facts["protected"])
        for n in range(3)
    ]
    for session, dancer, confirmed in {(one[0], one[1]): one for one in facts["appearances"]}.values():
        Appearance.objects.create(
            studio=studio,
            class_session=classes[session],
            dancer=dancers[dancer],
            confirmed_at=now if confirmed else None,
        )
    for dancer, ended in facts["guardianships"].items():
        Guardianship.objects.create(
            studio=studio, dancer=dancers[dancer], user=user, started_at=at(-5), ended_at=at(ended)
        )
    if facts["role"]:
        end = None if facts["role"] == Role.ADMIN else at(facts["membership_ends"])
        Membership.objects.create(studio=studio, user=user, role=facts["role"], ends_at=end)
        if facts["chosen"] is not None:
            RoleActions.objects.create(studio=studio, role=facts["role"], actions=facts["chosen"])
    things: list[models.Model] = [*classes, *rooms, studio]
    for number, action, effect, until in facts["rights"]:
        thing = things[number]
        if action not in RIGHTS_ON[thing._meta.label]:
            continue  # the application cannot store it: it only reads permissions, and migrations make those of RIGHTS_ON
        ObjectRight.objects.create(
            studio=studio,
            user=user,
            permission=permission_for(action, type(thing)),
            content_object=thing,
            effect=effect,
            until=at(until),
        )
    if facts["glass"]:
        allowed, end, closed = facts["glass"]
        BreakGlass.objects.create(
            studio=studio,
            operator=user,
            actions=allowed,
            reason="to see what is wrong with it",
            ends_at=at(end),
            closed_at=now if closed else None,
        )
    User.objects.filter(pk=user.pk).update(is_operator=facts["operator"], is_active=facts["active"])
