"""Asking for consent: the link, the answer, who may give it, the mails and the notices."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.people import consent_notices, consent_requests, services
from control_plane.people.consent_models import ConsentMethod, ConsentNotice, ConsentPurpose, ConsentRecord
from control_plane.people.consent_models import ConsentRequest as Request
from control_plane.people.consent_selectors import MissingReason, missing_consents
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, Relation
from control_plane.people.tasks import send_consent_mails
from tests.control_plane.conftest import Cast
from tests.control_plane.people.consents import notice_of

REPLAY, SHARE, LIVE = ConsentPurpose.REPLAY, ConsentPurpose.SHARE, ConsentPurpose.LIVE


def asked(cast: Cast, dancer: Dancer, *purposes: ConsentPurpose) -> Request:
    """Asks the dancer's guardian, and returns the request."""
    chosen = purposes or (REPLAY, SHARE)
    consent_requests.ask(notice_of(cast), [dancer.pk], chosen, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        row: Request = Request.objects.filter(dancer=dancer, revoked_at=None).latest("created_at")
        return row


def token_of(request: Request) -> str:
    """Returns the token in the link of a request."""
    return consent_requests.link_of(request).partition("token=")[2].replace("%3A", ":")


def missing(cast: Cast, dancer: Dancer, purpose: ConsentPurpose) -> Any:
    """Returns why a consent is missing; None: it is there."""
    with studio_scope(cast.studio.id):
        found = missing_consents([dancer.pk], purpose, timezone.now())
    return found[0].reason if found else None


def test_a_guardian_is_asked_and_answers_by_the_link(cast: Cast, family: Dancer) -> None:
    request = asked(cast, family)
    assert missing(cast, family, REPLAY) is MissingReason.ASKED
    assert missing(cast, family, LIVE) is MissingReason.NEVER_ASKED
    consent_requests.answer_by_link(token_of(request), ["replay"], signed_by="Gita G.")
    assert missing(cast, family, REPLAY) is None
    assert missing(cast, family, SHARE) is MissingReason.REFUSED
    with studio_scope(cast.studio.id):
        record = ConsentRecord.objects.filter(purpose=REPLAY).get()
        assert (record.method, record.answered_by, record.signed_by) == (
            ConsentMethod.EMAIL,
            cast.gita.id,
            "Gita G.",
        )
        assert record.notice_id == request.notice_id


def test_an_answer_can_be_changed_by_the_same_link(cast: Cast, family: Dancer) -> None:
    token = token_of(asked(cast, family))
    consent_requests.answer_by_link(token, ["replay", "share"], signed_by="Gita")
    consent_requests.answer_by_link(token, [], signed_by="Gita")
    assert missing(cast, family, SHARE) is MissingReason.WITHDRAWN


def test_a_link_ends_by_time_by_a_newer_one_and_with_the_guardianship(cast: Cast, family: Dancer) -> None:
    token = token_of(asked(cast, family))
    with time_machine.travel(timezone.now() + consent_requests.LIFETIME + timedelta(seconds=1)):
        assert consent_requests.request_of(token) is None
        with pytest.raises(NotFound):
            consent_requests.answer_by_link(token, ["replay"], signed_by="Gita")
    newer = token_of(asked(cast, family))
    with pytest.raises(NotFound):
        consent_requests.answer_by_link(token, ["replay"], signed_by="Gita")
    with studio_scope(cast.studio.id):
        tie = family.guardianships.get()
    services.end_guardianship(tie, actor=cast.alice.actor)
    with pytest.raises(NotFound):
        consent_requests.answer_by_link(newer, ["replay"], signed_by="Gita")
    with studio_scope(cast.studio.id):
        assert not ConsentRecord.objects.exists()


def test_a_forged_link_leads_nowhere(cast: Cast, family: Dancer) -> None:
    request = asked(cast, family)
    for token in ("", "x", request.pk.hex, f"{request.pk.hex}:x", token_of(request)[:-1]):
        assert consent_requests.request_of(token) is None


def test_a_guardian_answers_only_what_they_were_asked(cast: Cast, family: Dancer) -> None:
    request = asked(cast, family)
    with pytest.raises(BadRequest):
        consent_requests.answer_by_link(token_of(request), ["live"], signed_by="Gita")
    with pytest.raises(BadRequest):
        consent_requests.answer_by_link(token_of(request), ["replay"], signed_by=" ")
    for who in (cast.vera, cast.alice):
        with pytest.raises(NotFound):
            consent_requests.answer_in_portal(request, ["replay"], user=who)
    consent_requests.answer_in_portal(request, ["replay"], user=cast.gita)
    assert missing(cast, family, REPLAY) is None


def test_asking_names_the_dancers_for_whom_nobody_answers(cast: Cast, family: Dancer) -> None:
    alone = services.add_dancer(cast.studio, NewDancer("Bela"), actor=cast.alice.actor)
    adult = services.add_dancer(cast.studio, NewDancer("Ada", 1990), actor=cast.alice.actor)
    services.start_guardianship(adult, cast.vera, Relation.SELF, actor=cast.alice.actor)
    services.start_guardianship(adult, cast.gita, Relation.PARENT, actor=cast.alice.actor)
    found = consent_requests.ask(
        notice_of(cast), [family.pk, alone.pk, adult.pk], [REPLAY], actor=cast.alice.actor
    )
    assert (found.people, found.unreachable) == (2, [alone.pk])
    with studio_scope(cast.studio.id):
        assert Request.objects.get(dancer=adult).user == cast.vera


def test_only_who_manages_consents_asks(cast: Cast, other: Cast, family: Dancer) -> None:
    notice = notice_of(cast, REPLAY)
    for who, error in ((cast.ivan, Forbidden), (cast.gita, NotFound), (other.alice, NotFound)):
        with pytest.raises(error):
            consent_requests.ask(notice, [family.pk], [REPLAY], actor=who.actor)
    with pytest.raises(BadRequest):
        consent_requests.ask(notice, [family.pk], [SHARE], actor=cast.alice.actor)
    with pytest.raises(BadRequest):
        consent_requests.ask(notice, [], [REPLAY], actor=cast.alice.actor)
    elsewhere = services.add_dancer(other.studio, NewDancer("Bela"), actor=other.alice.actor)
    with pytest.raises(NotFound):
        consent_requests.ask(notice, [elsewhere.pk], [REPLAY], actor=cast.alice.actor)


def test_mails_are_sent_once_and_reminded_of_twice(cast: Cast, family: Dancer) -> None:
    request = asked(cast, family)
    start = timezone.now()
    sent = []
    for days in range(14):
        with time_machine.travel(start + timedelta(days=days, minutes=days)):
            send_consent_mails()
            send_consent_mails()
            sent.append(len(mail.outbox))
    assert sent == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3]
    assert {tuple(item.to) for item in mail.outbox} == {(cast.gita.email,)}
    link = re.search(r"https?://\S+", str(mail.outbox[2].body))
    assert link is not None
    assert link[0] == consent_requests.link_of(request)


def test_nobody_is_mailed_after_the_answer_or_the_guardianship(cast: Cast, family: Dancer) -> None:
    request = asked(cast, family)
    consent_requests.answer_in_portal(request, [], user=cast.gita)
    second = services.add_dancer(cast.studio, NewDancer("Bela"), actor=cast.alice.actor)
    tie = services.start_guardianship(second, cast.gita, Relation.PARENT, actor=cast.alice.actor)
    asked(cast, second)
    services.end_guardianship(tie, actor=cast.alice.actor)
    send_consent_mails()
    assert mail.outbox == []


def test_a_notice_is_drafted_from_the_template_and_published_once(cast: Cast) -> None:
    content, alice = consent_notices.template(cast.studio), cast.alice.actor
    assert cast.studio.name in content.title
    assert cast.studio.name in content.text
    draft = consent_notices.save_draft(cast.studio, content, actor=alice)
    with pytest.raises(Conflict):
        consent_requests.ask(draft, [draft.pk], [REPLAY], actor=alice)
    assert consent_notices.publish(draft, actor=alice).version == 1
    with pytest.raises(Conflict):
        consent_notices.publish(draft, actor=alice)
    with pytest.raises(Conflict):
        consent_notices.save_draft(cast.studio, content, actor=alice, notice_id=draft.pk)
    with pytest.raises(Forbidden):
        consent_notices.save_draft(cast.studio, content, actor=cast.ivan.actor)
    with pytest.raises(BadRequest):
        consent_notices.save_draft(cast.studio, replace(content, purposes=()), actor=alice)
    with studio_scope(cast.studio.id):
        assert ConsentNotice.objects.count() == 1
