"""Requests about data are entered, due within a month, and closed by those who may answer them."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.common.states import TransitionRefused
from control_plane.data_requests.models import DataRequest, RequestKind, RequestState
from control_plane.data_requests.reminders import remind
from control_plane.data_requests.services import close_request, open_request
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.data_requests.conftest import Shown


def entered(shown: Shown, kind: RequestKind = RequestKind.ACCESS, **values: Any) -> DataRequest:
    facts: dict[str, Any] = {
        "requester": "Gita",
        "received_on": timezone.localdate(),
        "actor": shown.scene.cast.alice.actor,
    }
    return open_request(shown.mia, kind, **facts | values)


def test_a_request_is_due_one_month_after_it_arrived(shown: Shown) -> None:
    row = entered(shown, requester="  Gita   Rao ")
    assert row.requester == "Gita Rao"
    assert timedelta(days=28) <= row.due_on - row.received_on <= timedelta(days=31)
    with pytest.raises(Conflict, match="open already"):
        entered(shown)
    entered(shown, RequestKind.CORRECTION)


@pytest.mark.parametrize(
    "values",
    [
        {"requester": "  "},
        {"received_on": date(2199, 1, 1)},
        {"received_on": date(2019, 1, 1)},
    ],
)
def test_a_request_without_a_name_or_of_a_wrong_day_is_refused(shown: Shown, values: Any) -> None:
    with pytest.raises(BadRequest):
        entered(shown, **values)


def test_only_those_who_answer_requests_enter_and_close_them(shown: Shown, other: Cast) -> None:
    cast, row = shown.scene.cast, entered(shown)
    for person in (cast.ivan, cast.vera, cast.gita):
        with pytest.raises((Forbidden, NotFound)):
            entered(shown, RequestKind.CORRECTION, actor=person.actor)
        with pytest.raises((Forbidden, NotFound)):
            close_request(row, RequestState.WITHDRAWN, actor=person.actor)
    with pytest.raises(NotFound):
        close_request(row, RequestState.WITHDRAWN, actor=other.alice.actor)


def test_a_closed_request_stays_closed_and_a_refusal_says_why(shown: Shown) -> None:
    alice, row = shown.scene.cast.alice.actor, entered(shown)
    with pytest.raises(BadRequest, match="why"):
        close_request(row, RequestState.REFUSED, actor=alice)
    close_request(row, RequestState.DONE, answer="Handed over.", actor=alice)
    assert (row.state, row.answer, row.closed_by) == (RequestState.DONE, "Handed over.", alice.id)
    with pytest.raises(TransitionRefused):
        close_request(row, RequestState.WITHDRAWN, actor=alice)
    erasure = entered(shown, RequestKind.ERASURE)
    with pytest.raises(BadRequest, match="Erase the dancer"):
        close_request(erasure, RequestState.DONE, actor=alice)


def test_admins_are_reminded_of_what_is_due(
    shown: Shown, django_capture_on_commit_callbacks: Any, time_machine: Any
) -> None:
    cast = shown.scene.cast
    row = entered(shown)
    mail.outbox.clear()
    with studio_scope(cast.studio.id):
        assert remind() == 0
        time_machine.move_to(timezone.now() + timedelta(days=29))
        with django_capture_on_commit_callbacks(execute=True):
            assert remind() == 1
    (message,) = [item for item in mail.outbox if cast.alice.email in item.to]
    link = next(word for word in message.body.split() if word.startswith("http"))
    page = as_person(cast.alice).get(link)
    assert page.status_code in (200, 302), "signed in again after a month"
    close_request(row, RequestState.WITHDRAWN, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        assert remind() == 0
