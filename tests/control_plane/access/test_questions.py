"""Questions about permissions: their cost, their answers, and those that are refused."""

from datetime import UTC, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from control_plane.access import access, services
from control_plane.access.access import ReasonCode
from control_plane.access.model_access import UnlistedModel
from control_plane.access.permissions import MAINTAIN
from control_plane.access.reason_text import reason_text
from control_plane.access.roles import DEFAULTS
from control_plane.common.dates import format_moment
from control_plane.common.errors import NotFound
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.fleet.permissions import RECORD
from control_plane.keys.models import StudioKey
from control_plane.people.models import Dancer
from control_plane.recordings.models import ClassSession
from control_plane.recordings.permissions import REPLAY, UPLOAD
from control_plane.tenancy.models import Room, Studio
from control_plane.tenancy.permissions import MANAGE_PEOPLE, MANAGE_STUDIO, VIEW_STUDIO
from tests.control_plane.access.grants import danced, recorded
from tests.control_plane.conftest import SETUP, Cast


@pytest.mark.parametrize(("who", "most"), [("alice", 1), ("ivan", 1), ("sam", 1), ("vera", 2), ("gita", 3)])
def test_a_question_about_a_class_costs_one_query_and_one_for_each_fact_that_matters(
    cast: Cast, room: Room, family: Dancer, who: str, most: int
) -> None:
    row = recorded(room)
    danced(family, row)
    actor = getattr(cast, who).actor
    with studio_scope(cast.studio.id):
        for ask in (
            lambda: access.can(actor, REPLAY, row),
            lambda: access.permissions(actor, cast.studio.id),
            lambda: list(access.visible(actor, ClassSession)),
        ):
            with CaptureQueriesContext(connection) as asked:
                ask()
            assert 1 <= len(asked) <= most


def test_who_can_costs_the_same_for_one_person_and_for_many(cast: Cast, room: Room, family: Dancer) -> None:
    row = recorded(room)
    danced(family, row)
    with studio_scope(cast.studio.id):
        with CaptureQueriesContext(connection) as asked:
            found = access.who_can(REPLAY, row)
        names = {user.display_name: decision.reason.code for user, decision in found if decision}
        assert [user for user, _ in access.who_can(REPLAY, row, after=1, most=2)] == [
            user for user, _ in found[1:3]
        ]
        assert len(access.who_can(REPLAY, row, most=10**6)) == len(found) == 5
    assert len(asked) == 4
    assert names == {
        "Alice": ReasonCode.ROLE,
        "Ivan": ReasonCode.ROLE,
        "Vera": ReasonCode.ROLE,
        "Gita": ReasonCode.OWN_DANCER,
    }


def test_what_somebody_can_is_told_for_each_action_of_people(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        told = dict(access.what_can(cast.vera, cast.studio.id))
    assert {action for action, decision in told.items() if decision} == DEFAULTS[Role.VIEWER]
    assert reason_text(told[REPLAY].reason) == "Viewers may watch it."
    assert reason_text(told[RECORD].reason) == f"Viewers may not {RECORD.phrase_on_one}."
    assert UPLOAD not in told


def test_a_reason_says_until_when_and_by_whom(cast: Cast, room: Room) -> None:
    end = timezone.now() + timedelta(days=2)
    services.deny_permission(cast.vera, REPLAY, room, actor=cast.alice.actor, until=end)
    with studio_scope(cast.studio.id):
        reason = access.decide(cast.vera.actor, REPLAY, room).reason
    assert reason.by == cast.alice.id
    assert (
        reason_text(reason, by="Alice") == f"Denied for the room until {format_moment(end, UTC)}, by Alice."
    )


def test_a_table_that_nobody_listed_is_never_shown(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    with studio_scope(cast.studio.id):
        key = StudioKey.objects.get()
        monkeypatch.setattr(StudioKey, "view_permission", "")
        for ask in (
            lambda: access.can(cast.alice.actor, MANAGE_STUDIO, key),
            lambda: access.decide(cast.alice.actor, MANAGE_STUDIO, key),
            lambda: access.require(SETUP, MAINTAIN, key),
            lambda: access.visible(cast.alice.actor, StudioKey),
            lambda: access.view_action(StudioKey),
            lambda: access.who_can(MANAGE_STUDIO, key),
            lambda: access.can(cast.alice.actor, MANAGE_PEOPLE, cast.vera),
        ):
            with pytest.raises(UnlistedModel):
                ask()


def test_a_thing_of_another_studio_than_the_one_in_scope_is_not_there(cast: Cast, other: Cast) -> None:
    with studio_scope(cast.studio.id):
        assert not access.can(cast.alice.actor, VIEW_STUDIO, other.studio)
        with pytest.raises(NotFound):
            access.require(other.alice.actor, VIEW_STUDIO, other.studio)
        assert list(access.visible(cast.alice.actor, Studio)) == [cast.studio]
