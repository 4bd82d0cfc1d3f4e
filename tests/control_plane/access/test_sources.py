"""Facts that apps above hand to access: registered once Django is set up; without them the answer is the stricter one."""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from control_plane.access import access, services, sources
from control_plane.access.access import ReasonCode
from control_plane.access.models import BreakGlass
from control_plane.access.reason_text import reason_text
from control_plane.access.sources import FactEffect, FactSource
from control_plane.common.errors import Forbidden
from control_plane.common.scoping import studio_scope
from control_plane.identity.signin_rules import PolicySource
from control_plane.people.models import Dancer
from control_plane.people.ownership import OWN_DANCERS
from control_plane.recordings.consent_facts import LIVE_NOT_ALLOWED, REPLAY_REFUSED
from control_plane.recordings.models import ClassSession
from control_plane.recordings.permissions import EXPORT, MANAGE_CLASS, REPLAY, VIEW_CLASS
from control_plane.tenancy.models import Room
from control_plane.tenancy.permissions import MANAGE_STUDIO
from tests.control_plane.access.grants import (
    Listed,
    danced,
    recorded,
    share_tickets,
    why,
    withdrawn_consents,
)
from tests.control_plane.conftest import Cast


def test_the_apps_above_hand_in_what_they_know() -> None:
    assert sources.registered() == (REPLAY_REFUSED, LIVE_NOT_ALLOWED, OWN_DANCERS)
    assert isinstance(sources.signin_policy, PolicySource)


def test_without_them_nobody_owns_a_class_and_a_second_factor_is_asked_for(
    cast: Cast, room: Room, family: Dancer
) -> None:
    row = recorded(room)
    danced(family, row)
    assert why(cast, "gita", REPLAY, row) == ReasonCode.OWN_DANCER
    with sources.only():
        assert why(cast, "gita", REPLAY, row) == ReasonCode.NOT_OWN
        with studio_scope(cast.studio.id):
            assert not access.visible(cast.gita.actor, ClassSession).exists()
    assert sources.StrictPolicy().admins_need_second_factor()


def test_a_code_names_one_source() -> None:
    with pytest.raises(ValueError, match="already registered"):
        sources.register(OWN_DANCERS)


def test_a_source_that_grants_changes_every_answer_alike_and_names_its_reason(cast: Cast, room: Room) -> None:
    shared, other = recorded(room), recorded(room)
    tickets = sources_of(cast, share_tickets, shared, "pat", "sam")
    with studio_scope(cast.studio.id), tickets:
        decision = access.decide(cast.pat.actor, REPLAY, shared)
        assert (decision.allowed, decision.reason.code) == (True, "share_ticket")
        assert list(access.visible(cast.pat.actor, ClassSession)) == [shared]
        assert list(access.visible(cast.pat.actor, ClassSession, to=REPLAY)) == [shared]
        assert reason_text(decision.reason, zone=UTC) == "Holds a ticket."
        everybody = dict(access.who_can(REPLAY, shared))
        assert everybody[cast.pat].reason == decision.reason
        assert everybody[cast.vera].reason.code == ReasonCode.ROLE, (
            "what the role allows is not put down to a ticket"
        )
        assert not access.can(cast.pat.actor, REPLAY, other)
        assert not access.can(cast.pat.actor, EXPORT, shared), "the source does not bear on it"
        assert why(cast, "sam", REPLAY, shared) == ReasonCode.NOT_A_MEMBER
        assert not access.visible(cast.sam.actor, ClassSession).exists()
    assert why(cast, "pat", REPLAY, shared) == ReasonCode.NO_PERMISSION


def test_a_grant_of_a_source_stays_within_the_maximum_of_the_role_and_below_a_denial(
    cast: Cast, room: Room
) -> None:
    shared = recorded(room)
    granting = FactSource(
        "pass", FactEffect.GRANT, Listed([cast.vera.pk, cast.pat.pk], [shared.pk]), "Has a pass."
    )
    services.deny_permission(cast.pat, REPLAY, room, actor=cast.alice.actor)
    with studio_scope(cast.studio.id), sources.only(granting):
        assert why(cast, "vera", EXPORT, shared) == "pass"
        assert why(cast, "vera", MANAGE_CLASS, shared) == ReasonCode.NO_PERMISSION
        assert why(cast, "pat", REPLAY, shared) == ReasonCode.DENIED
        assert not access.visible(cast.pat.actor, ClassSession, to=REPLAY).exists()


def test_a_veto_refuses_every_role_and_break_glass_and_names_its_reason(cast: Cast, room: Room) -> None:
    vetoed, other = recorded(room), recorded(room)
    cast.sam.is_operator = True
    cast.sam.save()
    with studio_scope(cast.studio.id):
        BreakGlass.objects.create(
            studio=cast.studio,
            operator=cast.sam,
            actions=["view_class", "replay"],
            reason="to see what is wrong with it",
            ends_at=timezone.now() + timedelta(hours=1),
        )
    consents = sources_of(cast, withdrawn_consents, vetoed, "alice", "vera", "sam", "gita")
    with studio_scope(cast.studio.id), consents:
        for user in (cast.alice, cast.vera, cast.sam):
            decision = access.decide(user.actor, REPLAY, vetoed)
            assert (decision.allowed, decision.reason.code) == (False, "consent_withdrawn")
            with pytest.raises(Forbidden, match="A consent was withdrawn"):
                access.require(user.actor, REPLAY, vetoed)
            assert list(access.visible(user.actor, ClassSession, to=REPLAY)) == [other]
            assert access.can(user.actor, VIEW_CLASS, vetoed), "the source does not bear on it"
        everybody = dict(access.who_can(REPLAY, vetoed))
        assert everybody[cast.sam].reason.code == "consent_withdrawn"
        assert everybody[cast.ivan].reason.code == ReasonCode.ROLE
    assert why(cast, "alice", REPLAY, vetoed) == ReasonCode.ROLE


def test_a_source_is_read_once_for_many_people_and_only_where_it_matters(cast: Cast, room: Room) -> None:
    asked: list[list[UUID]] = []

    class Counted(Listed):
        def holders(self, on: Mapping[str, UUID], user_ids: Collection[UUID], now: datetime) -> set[UUID]:
            asked.append(list(user_ids))
            return super().holders(on, user_ids, now)

    row = recorded(room)
    veto = FactSource("veto", FactEffect.VETO, Counted([], []), "", frozenset({REPLAY}))
    with studio_scope(cast.studio.id), sources.only(veto):
        access.who_can(REPLAY, row)
        assert [len(ids) for ids in asked] == [5]
        access.can(cast.alice.actor, VIEW_CLASS, row)
        access.can(cast.sam.actor, REPLAY, row)
        assert len(asked) == 1, "neither for other permissions nor for strangers"
        with pytest.raises(Forbidden):
            access.require(cast.pat.actor, MANAGE_STUDIO, cast.studio)
        assert len(asked) == 1


def sources_of(
    cast: Cast, made: Callable[..., FactSource], row: ClassSession, *who: str
) -> AbstractContextManager[None]:
    """Returns a `with` in which a source of a test app lists a class and some people, next to the product's own."""
    return sources.only(*sources.registered(), made([getattr(cast, name).pk for name in who], [row.pk]))
