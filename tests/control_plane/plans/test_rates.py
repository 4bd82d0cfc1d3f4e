"""How often a person may do what costs others: the same by every way in, for the person and for the studio."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from control_plane.access import services as access_services
from control_plane.access.audit_events import API_KEY_MADE, DENIAL_GIVEN, GRANT_GIVEN, PERSON_OPENED
from control_plane.access.services.api_keys import make_api_key
from control_plane.accounts.audit_events import FACTOR_ADDED, SIGNIN_LINK_CREATED, USER_CREATED
from control_plane.accounts.services import create_user
from control_plane.administration import services as administration_services
from control_plane.administration.audit_events import OPERATOR_MADE
from control_plane.administration.services.invitations import invite, revoke, send_again
from control_plane.audit.events import AuditEvent, Rate
from control_plane.audit.models import Entry
from control_plane.common.errors import TooManyRequests
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.exports.audit_events import EXPORT_STARTED
from control_plane.fleet.audit_events import AGENT_PAIRING_STARTED
from control_plane.fleet.pairing import create_pairing_code
from control_plane.keys.audit_events import KEY_OPENED
from control_plane.keys.models import StudioKey
from control_plane.people import services as people_services
from control_plane.people.audit_events import CONSENT_REFUSED, DANCER_ADDED, DANCER_OPENED
from control_plane.people.consent_models import ConsentAnswer, ConsentPurpose
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer
from control_plane.plans import rate_limits
from control_plane.plans.audit_events import PLAN_CREATED, PLAN_GIVEN
from control_plane.plans.rate_limits import RATES
from control_plane.recordings.audit_events import (
    CLASS_OPENED,
    CLASS_TYPE_ADDED,
    ENROLMENTS_OPENED,
    ROSTER_OPENED,
)
from control_plane.recordings.permissions import REPLAY, VIEW_CLASS
from control_plane.recordings.timetable import add_class_type
from control_plane.sharing.audit_events import SHARE_LINK_OPENED
from control_plane.storage import services
from control_plane.storage.audit_events import STORE_ADDED, STORE_MOVE_STARTED
from control_plane.storage.models import ProbeState, StoreProbe
from control_plane.tenancy.audit_events import INVITATION_SENT, MEMBER_ADDED, ROOM_CREATED, STUDIO_CREATED
from control_plane.tenancy.models import Invitation
from tests.control_plane.api.test_api import key_for, program
from tests.control_plane.conftest import SETUP, Cast, as_person
from tests.control_plane.people.consents import on_paper


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    cache.clear()


def slow(monkeypatch: pytest.MonkeyPatch, act: AuditEvent, by_person: int, in_studio: int) -> None:
    monkeypatch.setitem(RATES, act, Rate(by_person, in_studio))


def second_admin(cast: Cast) -> None:
    administration_services.change_role(cast.membership(cast.ivan), Role.ADMIN, actor=cast.alice.actor)


def test_invitations_count_alike_by_portal_and_api(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch, INVITATION_SENT, 4, 100)
    portal, api = as_person(cast.alice), program(key_for(cast.studio, cast.alice), cast.studio)
    page = f"/studio/{cast.studio.slug}/people/invitations/"
    for number in range(2):
        portal.post(page, {"email": f"portal{number}@example.org", "role": "viewer"})
        made = api("POST", "invitations/", {"email": f"api{number}@example.org", "role": "viewer"})
        assert made.status_code == 201
    assert len(mail.outbox) == 4
    refused = api("POST", "invitations/", {"email": "more@example.org", "role": "viewer"})
    assert (refused.status_code, refused.body["code"]) == (429, "too_many_requests")
    assert 0 < int(refused["Retry-After"]) <= 3600
    answer = portal.post(page, {"email": "more@example.org", "role": "viewer"})
    assert "Too many within" in answer.content.decode()
    with studio_scope(cast.studio.id):
        (row, *_) = Invitation.objects.all()
    again = portal.post(f"{page}{row.id}/again/", follow=True, headers={"accept": "text/html"})
    assert "Too many within" in again.content.decode()
    assert len(mail.outbox) == 4
    with studio_scope(cast.studio.id):
        assert not Invitation.objects.filter(email="more@example.org").exists()


def test_the_platform_allows_sixty_invitations_an_hour_and_twice_that_for_a_studio() -> None:
    assert RATES[INVITATION_SENT] == Rate(60, 120)


def test_a_studio_with_many_admins_has_a_bound_of_its_own(
    cast: Cast, other: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(monkeypatch, INVITATION_SENT, 3, 5)
    second_admin(cast)
    for number, admin in enumerate([cast.alice, cast.alice, cast.alice, cast.ivan, cast.ivan]):
        invite(cast.studio, f"n{number}@example.org", Role.VIEWER, actor=admin.actor)
    with pytest.raises(TooManyRequests):
        invite(cast.studio, "more@example.org", Role.VIEWER, actor=cast.ivan.actor)
    invite(other.studio, "more@example.org", Role.VIEWER, actor=other.alice.actor)


def test_taking_back_and_inviting_again_counts(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch, INVITATION_SENT, 3, 100)
    for _ in range(2):
        offer = invite(cast.studio, "nora@example.org", Role.VIEWER, actor=cast.alice.actor)
        revoke(offer.invitation, actor=cast.alice.actor)
    offer = invite(cast.studio, "nora@example.org", Role.VIEWER, actor=cast.alice.actor)
    with pytest.raises(TooManyRequests):
        send_again(offer.invitation, actor=cast.alice.actor)


def test_an_hour_later_there_is_room_again(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch, INVITATION_SENT, 2, 100)
    start = timezone.now()
    for number in range(2):
        with time_machine.travel(start + timedelta(minutes=10 * number), tick=False):
            invite(cast.studio, f"n{number}@example.org", Role.VIEWER, actor=cast.alice.actor)
    with time_machine.travel(start + timedelta(minutes=15), tick=False):
        with pytest.raises(TooManyRequests) as refused:
            invite(cast.studio, "more@example.org", Role.VIEWER, actor=cast.alice.actor)
        assert refused.value.retry_after_s == 45 * 60
        assert "45 minutes" in refused.value.detail
    with time_machine.travel(start + timedelta(hours=1, seconds=1), tick=False):
        invite(cast.studio, "more@example.org", Role.VIEWER, actor=cast.alice.actor)


def test_new_keys_of_the_studio_have_a_bound_by_portal_and_api(cast: Cast) -> None:
    api = program(key_for(cast.studio, cast.alice), cast.studio)
    answers = [api("POST", "keys/").status_code for _ in range(9)]
    assert answers == [201] * 5 + [429] * 4, "the sixth was made with the studio"
    portal = as_person(cast.alice).post(f"/studio/{cast.studio.slug}/keys/new/", follow=True)
    assert "Too many within" in portal.content.decode()
    with studio_scope(cast.studio.id):
        assert StudioKey.objects.count() == 6


MADE: list[tuple[AuditEvent, Callable[[Cast, int], object]]] = [
    (
        API_KEY_MADE,
        lambda cast, n: make_api_key(
            cast.studio,
            name="Calendar",
            actions=[VIEW_CLASS],
            expires_at=timezone.now() + timedelta(days=1),
            actor=cast.alice.actor,
        ),
    ),
    (
        ROOM_CREATED,
        lambda cast, n: administration_services.create_room(cast.studio, name=f"{n}", actor=cast.alice.actor),
    ),
    (AGENT_PAIRING_STARTED, lambda cast, n: create_pairing_code(cast.studio, actor=cast.alice.actor)),
    (
        DANCER_ADDED,
        lambda cast, n: people_services.add_dancer(
            cast.studio, NewDancer(name=f"{n}"), actor=cast.alice.actor
        ),
    ),
    (
        CLASS_TYPE_ADDED,
        lambda cast, n: add_class_type(cast.studio, f"{n}", actor=cast.alice.actor),
    ),
    (
        CONSENT_REFUSED,
        lambda cast, n: on_paper(
            cast,
            Dancer.objects.get_or_create(studio=cast.studio, name="Dora")[0],
            ConsentPurpose.SHARE,
            ConsentAnswer.REFUSED,
        ),
    ),
    (
        GRANT_GIVEN,
        lambda cast, n: access_services.grant_permission(
            cast.pat, REPLAY, cast.studio, actor=cast.alice.actor
        ),
    ),
    (
        DENIAL_GIVEN,
        lambda cast, n: access_services.deny_permission(
            cast.pat, REPLAY, cast.studio, actor=cast.alice.actor
        ),
    ),
]


@pytest.mark.parametrize(("act", "make"), MADE, ids=lambda value: value if isinstance(value, str) else "")
def test_rows_that_stay_have_a_bound(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, act: AuditEvent, make: Callable[[Cast, int], object]
) -> None:
    slow(monkeypatch, act, 3, 100)
    with studio_scope(cast.studio.id):
        for number in range(3):
            make(cast, number)
        with pytest.raises(TooManyRequests):
            make(cast, 4)
        assert Entry.objects.filter(action=act).count() == 3


def test_a_list_of_dancers_is_taken_whole_or_not_at_all(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch, DANCER_ADDED, 5, 100)
    many = [NewDancer(name=f"Dancer {number}") for number in range(6)]
    with pytest.raises(TooManyRequests):
        people_services.add_dancers(cast.studio, many, actor=cast.alice.actor)
    added, _ = people_services.add_dancers(cast.studio, many[:5], actor=cast.alice.actor)
    assert len(added) == 5


ADDS = re.compile(
    r"\.(created|added|made|key_made|given|sent|opened|started|pairing_started|move_started|exported|factor_added)$"
)
BOUND_ELSEWHERE = {
    STUDIO_CREATED: "the platform's",
    OPERATOR_MADE: "the platform's",
    PLAN_CREATED: "an operator's",
    PLAN_GIVEN: "an operator's, one row for each studio",
    USER_CREATED: "by an accepted invitation, a provider or the platform",
    MEMBER_ADDED: "by an accepted invitation, a provider or the platform; plans count members",
    FACTOR_ADDED: "one's own; allauth limits the confirmation that it takes",
    SIGNIN_LINK_CREATED: "the platform's",
    STORE_ADDED: "a studio has at most MAX_STORES",
    STORE_MOVE_STARTED: "one at a time for each studio",
    CLASS_OPENED: "a read: no row but the event",
    PERSON_OPENED: "a read: no row but the event",
    DANCER_OPENED: "a read: no row but the event",
    ROSTER_OPENED: "a read: no row but the event",
    ENROLMENTS_OPENED: "a read: no row but the event",
    SHARE_LINK_OPENED: "a link is opened at most OPENINGS_AN_HOUR times an hour; links have a rate",
    EXPORT_STARTED: "an export has a rate, and few attempts",
    KEY_OPENED: "a read: no row but the event",
}


def test_whatever_adds_rows_has_a_bound_or_a_reason() -> None:
    adding = {act for act in AuditEvent.all() if ADDS.search(act)}
    assert adding - set(RATES) - set(BOUND_ELSEWHERE) == set()
    assert set(BOUND_ELSEWHERE) <= adding - set(RATES)


def test_trials_of_a_store_have_a_bound(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "PROBES", Rate(2, 100))
    with studio_scope(cast.studio.id):
        for _ in range(2):
            row = services.request_probe(cast.studio, None, actor=cast.alice.actor)
            StoreProbe.objects.filter(pk=row.pk).update(state=ProbeState.PASSED)
        with pytest.raises(TooManyRequests):
            services.request_probe(cast.studio, None, actor=cast.alice.actor)
        services.request_probe(cast.studio, None, actor=SETUP)


def test_every_bound_is_asked_for_somewhere_and_jobs_have_none(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        for act in RATES:
            for _ in range(3):
                rate_limits.require_rate(act, actor=SETUP)
    assert all(0 < rate.by_person <= rate.in_studio for rate in RATES.values())


def test_a_browser_is_told_in_a_page_how_long_to_wait(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch, AGENT_PAIRING_STARTED, 1, 1)
    alice = as_person(cast.alice)
    page = f"/studio/{cast.studio.slug}/agents/add/"
    sent: dict[str, Any] = {"agent_name": "Agent", "replaces": ""}
    assert alice.post(page, sent, headers={"accept": "text/html"}).status_code == 200
    refused = alice.post(page, sent, headers={"accept": "text/html"})
    assert (refused.status_code, refused["Content-Type"]) == (429, "text/html; charset=utf-8")
    assert "Try again in 60 minutes" in refused.content.decode()
    assert int(refused["Retry-After"]) > 3500
    refusal = json.loads(alice.post(page, sent, headers={"accept": "application/json"}).content)
    assert refusal["code"] == "too_many_requests"


def test_somebody_who_was_never_here_is_not_counted(cast: Cast, client: Client) -> None:
    sam = create_user("sam2@example.org", actor=SETUP)
    with studio_scope(cast.studio.id):
        rate_limits.require_rate(INVITATION_SENT, actor=sam.actor)
