"""Input that no address takes is refused once, before any view, in words that name the field."""

from typing import Any

import pytest
from django.db import DataError
from django.test import Client

from control_plane.portal.people import views as people
from shared.protocol.errors import PROBLEM_CONTENT_TYPE
from tests.control_plane.conftest import Cast, as_person

PAGE, PROGRAM = {"accept": "text/html"}, {"accept": "*/*"}
FORM = "application/x-www-form-urlencoded"


def refused(response: Any, status: int = 400) -> str:
    """Returns what the answer says; fails where it is no refusal as programs get them."""
    assert (response.status_code, response["Content-Type"]) == (status, PROBLEM_CONTENT_TYPE)
    body = response.json()
    assert body["instance"] == response["X-Request-Id"]
    assert response["Cache-Control"] == "no-store"
    return str(body.get("detail", ""))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "cookie", "says"),
    [
        ("/accounts/login/?next=%00", "", "next: contains a zero character."),
        ("/accounts/login/?a%00=1", "", "The name of a field contains a zero character."),
        ("/accounts/login/?%3Cb%3E=%00", "", "<b>: contains a zero character."),
        ("/accounts/login/?%C3%A9=%00", "", "***: contains a zero character."),
        ("/nowhere/%00", "", "The address contains a zero character."),
        ("/accounts/login/", r'session="\000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"', "A cookie contains a zero character."),
    ],
)  # fmt: skip
def test_what_no_address_takes_is_refused(path: str, cookie: str, says: str) -> None:
    headers = {**PROGRAM, **({"cookie": cookie} if cookie else {})}
    client = Client(raise_request_exception=False)
    assert refused(client.get(path, headers=headers)) == says
    page = client.get(path, headers={**headers, **PAGE})
    assert page.status_code == 400
    assert says.split(":")[0].encode() in page.content.replace(b"&lt;", b"<").replace(b"&gt;", b">")


@pytest.mark.django_db
@pytest.mark.parametrize("charset", ["", "; charset=utf-8", "; charset=UTF-8"])
def test_the_encoding_that_browsers_send_is_taken(charset: str) -> None:
    sent = Client().post("/accounts/login/", "login=%C3%A9", content_type=FORM + charset, headers=PAGE)
    assert sent.status_code == 200


def test_a_form_is_refused_with_the_name_of_its_field(cast: Cast) -> None:
    address = f"/studio/{cast.studio.slug}/people/invitations/"
    alice = as_person(cast.alice)
    assert (
        refused(alice.post(address, {"email": "a\0b"}, headers=PROGRAM))
        == "email: contains a zero character."
    )
    sent = alice.post(address, "email=a%00", content_type=FORM, headers=PROGRAM)
    assert refused(sent) == "email: contains a zero character."


@pytest.mark.django_db
def test_what_django_refuses_to_read_is_answered_in_the_same_words() -> None:
    many = "&".join(f"q{number}=1" for number in range(3000))
    assert refused(Client().get(f"/accounts/login/?{many}", headers=PROGRAM)) == "It has too many fields."
    assert b"It has too many fields." in Client().get(f"/accounts/login/?{many}", headers=PAGE).content
    wrong = Client().get("/accounts/login/", headers={**PROGRAM, "host": "evil.example"})
    assert refused(wrong) == "This server does not serve the host in the address."
    cut = Client().post("/accounts/login/", b"--x", content_type="multipart/form-data", headers=PROGRAM)
    assert refused(cut) == "The parts of the body cannot be separated."


@pytest.mark.parametrize("accept", ["text/html,*/*;q=0.8", "application/json"])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nowhere/", 404),
        ("GET", "/api/v1/studios/", 401),
        ("PUT", "/api/v1/studios/", 401),
        ("GET", "/agent/v1/nowhere", 404),
        ("GET", "/agent/v1/intent", 405),
        ("POST", "/agent/v1/intent", 401),
    ],
)
def test_programs_are_answered_with_a_problem_whatever_they_accept(
    db: None, accept: str, method: str, path: str, status: int
) -> None:
    response = Client().generic(method, path, headers={"accept": accept})
    assert response.status_code == status
    refused(response, status)


def test_a_value_that_fits_no_column_is_the_callers_to_change(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_(*_: object, **__: object) -> None:
        raise DataError("integer out of range\nDETAIL: 99999999999")

    monkeypatch.setattr(people, "studio_page", break_)
    alice, address = as_person(cast.alice), f"/studio/{cast.studio.slug}/people/"
    says = refused(alice.get(address, headers=PROGRAM))
    assert says == "A value is too large, too long, or cannot be stored."
    assert says.encode() in alice.get(address, headers=PAGE).content
    assert "value does not fit its column" in caplog.text


def test_deep_json_is_refused(cast: Cast) -> None:
    alice = as_person(cast.alice)
    for body in ("[" * 400_000, '{"role":' * 100_000):
        sent = alice.post(
            f"/api/v1/studios/{cast.studio.slug}/invitations/", body, content_type="application/json"
        )
        assert "nested too deeply" in refused(sent)
