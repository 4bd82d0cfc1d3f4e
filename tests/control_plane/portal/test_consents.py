"""The pages of consents: what families answer, what the studio sees and enters, and what a GET leaves alone."""

import pytest
from django.test import Client

from control_plane.access import access
from control_plane.common.scoping import studio_scope
from control_plane.people import services
from control_plane.people.consent_models import ConsentNotice, ConsentPurpose, ConsentRecord
from control_plane.people.consent_models import ConsentRequest as Request
from control_plane.people.consent_requests import ask, link_of
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, Relation
from control_plane.recordings.permissions import REPLAY
from control_plane.tenancy.models import Room
from tests.control_plane.access.grants import danced, recorded
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.people.consents import GRANTED, notice_of, says

OK, MOVED, WRONG, REFUSED, UNKNOWN, GONE = 200, 302, 400, 403, 404, 410
PURPOSES = (ConsentPurpose.REPLAY, ConsentPurpose.SHARE)


@pytest.fixture
def base(cast: Cast) -> str:
    """The prefix of the studio's pages."""
    return f"/studio/{cast.studio.slug}"


@pytest.fixture
def request_(cast: Cast, family: Dancer) -> Request:
    """An open request to Gita about Dana."""
    ask(notice_of(cast), [family.pk], PURPOSES, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        row: Request = Request.objects.select_related("dancer", "notice").get()
        return row


def path_of(request: Request) -> str:
    """Returns the path of the link of a request."""
    return link_of(request).partition("testserver")[2]


def records(cast: Cast) -> set[tuple[str, str]]:
    """Returns all answers, as purpose and answer."""
    with studio_scope(cast.studio.id):
        return set(ConsentRecord.objects.values_list("purpose", "answer"))


def test_opening_the_link_shows_the_question_and_changes_nothing(cast: Cast, request_: Request) -> None:
    for _ in range(2):
        answer = Client().get(path_of(request_))
        assert answer.status_code == OK
        assert "no-store" in answer["Cache-Control"]
        text = answer.content.decode()
        assert "Dana" in text
        assert "checked" not in text
        assert Client().head(path_of(request_)).status_code == OK
    # A preview bot may also add parameters of its own.
    Client().get(path_of(request_) + "&purpose=replay&signed_by=Bot")
    assert records(cast) == set()
    with studio_scope(cast.studio.id):
        assert Request.objects.get().answered_at is None


def test_the_link_answers_without_an_account(cast: Cast, request_: Request) -> None:
    token = path_of(request_).partition("token=")[2].replace("%3A", ":")
    client = Client()
    nameless = client.post("/consent/", {"token": token, "purpose": "replay"})
    assert nameless.status_code == WRONG
    assert records(cast) == set()
    answer = client.post("/consent/", {"token": token, "purpose": "replay", "signed_by": "Gita"})
    assert answer.status_code == OK
    assert "Thank you" in answer.content.decode()
    assert records(cast) == {("replay", "granted"), ("share", "refused")}
    assert "_auth_user_id" not in client.session


def test_dead_links_look_alike(cast: Cast, request_: Request) -> None:
    path = path_of(request_)
    unknown = Client().get("/consent/?token=nothing")
    with studio_scope(cast.studio.id):
        Request.objects.update(revoked_at=request_.created_at)
    revoked = Client().get(path)
    assert unknown.status_code == revoked.status_code == GONE
    assert b"Dana" not in revoked.content


def test_the_link_needs_a_token_against_forged_forms(request_: Request) -> None:
    token = path_of(request_).partition("token=")[2].replace("%3A", ":")
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/consent/", {"token": token, "purpose": "replay", "signed_by": "Gita"})
    assert answer.status_code == REFUSED


def test_a_guardian_answers_and_withdraws_in_the_portal(
    cast: Cast, base: str, room: Room, family: Dancer, request_: Request
) -> None:
    row = recorded(room)
    danced(family, row)
    gita = as_person(cast.gita)
    assert "Dana" in gita.get(f"{base}/children/").content.decode()
    answer = gita.post(f"{base}/children/", {"request": request_.id, "purpose": ["replay", "share"]})
    assert answer.status_code == MOVED
    with studio_scope(cast.studio.id):
        assert access.can(cast.vera.actor, REPLAY, row)
    gita.post(f"{base}/children/", {"dancer": family.id, "withdraw": "replay"})
    with studio_scope(cast.studio.id):
        assert not access.can(cast.vera.actor, REPLAY, row)
    assert ("replay", "withdrawn") in records(cast)


def test_nobody_answers_for_the_child_of_another_family(
    cast: Cast, base: str, family: Dancer, request_: Request
) -> None:
    says(cast, family, ConsentPurpose.POSE, GRANTED)
    for who in (cast.vera, cast.ivan, cast.alice):
        client = as_person(who)
        assert "Dana" not in client.get(f"{base}/children/").content.decode()
        for form in (
            {"request": request_.id, "purpose": "replay"},
            {"dancer": family.id, "withdraw": "pose"},
        ):
            assert client.post(f"{base}/children/", form).status_code == UNKNOWN
    assert records(cast) == {("pose", "granted")}


def test_other_families_see_no_name_of_a_protected_dancer(cast: Cast, base: str, family: Dancer) -> None:
    secret = services.add_dancer(
        cast.studio, NewDancer("Hidden Name", protected=True), actor=cast.alice.actor
    )
    services.start_guardianship(secret, cast.vera, Relation.PARENT, actor=cast.alice.actor)
    ask(notice_of(cast), [family.pk], PURPOSES, actor=cast.alice.actor)
    gita = as_person(cast.gita)
    assert "Hidden Name" not in gita.get(f"{base}/children/").content.decode()
    assert gita.get(f"{base}/consents/").status_code == REFUSED
    assert gita.get(f"{base}/dancers/{secret.id}/consents/").status_code == UNKNOWN
    assert gita.post(f"{base}/children/", {"dancer": secret.id, "withdraw": "replay"}).status_code == UNKNOWN


def test_the_studio_finds_what_is_missing_and_asks(cast: Cast, base: str, family: Dancer) -> None:
    says(cast, family, ConsentPurpose.REPLAY, GRANTED)
    alice = as_person(cast.alice)
    assert "Dana" not in alice.get(f"{base}/consents/?missing=replay").content.decode()
    page = alice.get(f"{base}/consents/?missing=share").content.decode()
    assert "Dana" in page
    with studio_scope(cast.studio.id):
        Request.objects.all().delete()
    notice = notice_of(cast)
    answer = alice.post(
        f"{base}/consents/ask/", {"dancer": family.id, "purpose": "share", "notice": notice.id}
    )
    assert answer.status_code == MOVED
    with studio_scope(cast.studio.id):
        assert Request.objects.get().user == cast.gita
    assert "Asked, no answer yet" in alice.get(f"{base}/consents/").content.decode()
    for form in ({}, {"dancer": "x", "purpose": "share", "notice": notice.id}):
        assert alice.post(f"{base}/consents/ask/", form).status_code == MOVED
    with studio_scope(cast.studio.id):
        assert Request.objects.count() == 1


def test_a_paper_is_entered_with_who_and_when(cast: Cast, base: str, family: Dancer) -> None:
    alice, ivan = as_person(cast.alice), as_person(cast.ivan)
    form = {
        "answer": "granted",
        "purpose": ["record", "share"],
        "signed_by": "Gita",
        "signed_on": "2026-01-02",
    }
    assert ivan.get(f"{base}/dancers/{family.id}/consents/").status_code == OK
    assert ivan.post(f"{base}/dancers/{family.id}/consents/", form).status_code == REFUSED
    assert alice.post(f"{base}/dancers/{family.id}/consents/", form).status_code == MOVED
    later = form | {"signed_on": "2999-01-01"}
    assert alice.post(f"{base}/dancers/{family.id}/consents/", later).status_code == WRONG
    assert records(cast) == {("record", "granted"), ("share", "granted")}
    assert "On paper" in alice.get(f"{base}/dancers/{family.id}/consents/").content.decode()


def test_a_notice_is_written_previewed_and_published(cast: Cast, base: str) -> None:
    alice = as_person(cast.alice)
    draft = alice.post(f"{base}/consents/notices/")["Location"]
    form = {"title": "Filming", "text": "First.\n\n<script>alert(1)</script>", "purposes": ["replay"]}
    assert alice.post(draft, form).status_code == MOVED
    page = alice.get(draft).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert alice.post(draft, form | {"publish": "yes"}).status_code == MOVED
    with studio_scope(cast.studio.id):
        assert ConsentNotice.objects.get().version == 1
    assert alice.post(draft, form | {"text": "Changed."}).status_code == WRONG
    assert as_person(cast.ivan).get(f"{base}/consents/notices/").status_code == REFUSED
