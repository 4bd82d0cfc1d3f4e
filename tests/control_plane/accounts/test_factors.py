"""A factor that is lost, guessed or taken away lets nobody else in; a new password does not open past the factor."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from control_plane.accounts.models import User
from tests.control_plane.accounts.test_sessions import HTML, PASSWORD, enter, is_in
from tests.control_plane.conftest import Cast

KEY = "JBSWY3DPEHPK3PXP"
NEW = "an entirely different staple"
LOGIN, FACTOR = "/accounts/login/", "/accounts/2fa/authenticate/"


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    cache.clear()


def code() -> str:
    return str(format_hotp_value(hotp_value(KEY, next(iter(yield_hotp_counters_from_time())))))


def wrong_code() -> str:
    return f"{(int(code()) + 500_000) % 1_000_000:06}"


def half_in(user: User, password: str = PASSWORD) -> Client:
    """Somebody who has shown the password and is asked for the factor."""
    client = Client(headers=HTML)
    answer = client.post(LOGIN, {"login": user.email, "password": password})
    assert answer["Location"].startswith(FACTOR)
    assert not is_in(client)
    return client


def ask_for_reset(user: User) -> str:
    Client().post("/accounts/password/reset/", {"email": user.email})
    found = re.search(r"https?://testserver(/accounts/password/reset/key/\S+)", str(mail.outbox[-1].body))
    assert found is not None
    return found[1]


def set_new(link: str) -> Any:
    client = Client(headers=HTML)
    form = client.get(link)
    if form.status_code != 302:
        return form
    return client.post(form["Location"], {"password1": NEW, "password2": NEW})


def test_a_password_reset_by_mail_ends_sessions_and_still_asks_for_the_factor(cast: Cast) -> None:
    thief = enter(cast.vera)
    TOTP.activate(cast.vera, KEY)
    link = ask_for_reset(cast.vera)
    assert mail.outbox[-1].to == [cast.vera.email]
    assert set_new(link).status_code == 302
    assert not is_in(thief), "the old password's session lives on"
    old = Client()
    old.post(LOGIN, {"login": cast.vera.email, "password": PASSWORD})
    assert not is_in(old)
    owner = half_in(cast.vera, NEW)
    owner.post(FACTOR, {"code": code()})
    assert is_in(owner)
    assert [message.to for message in mail.outbox] == [[cast.vera.email]] * 2, "the owner is told"


def test_a_reset_link_works_once(cast: Cast) -> None:
    enter(cast.vera)
    link = ask_for_reset(cast.vera)
    assert set_new(link).status_code == 302
    again = set_new(link)
    assert again.status_code == 200
    assert b'name="password1"' not in again.content
    cast.vera.refresh_from_db()
    assert cast.vera.check_password(NEW)


def test_a_wrong_code_is_counted_against_the_account(cast: Cast) -> None:
    enter(cast.vera)
    TOTP.activate(cast.vera, KEY)
    with time_machine.travel(timezone.now(), tick=False):
        for number in range(1, 6):
            # A new browser each time, and a new address: neither gives a new try.
            client = half_in(cast.vera)
            client.post(FACTOR, {"code": wrong_code()}, REMOTE_ADDR=f"10.0.0.{number}")
            assert not is_in(client)
        client = half_in(cast.vera)
        client.post(FACTOR, {"code": code()})
        assert not is_in(client), "the sixth try within five minutes was taken"
    with time_machine.travel(timezone.now() + timedelta(minutes=6), tick=False):
        client = half_in(cast.vera)
        client.post(FACTOR, {"code": code()})
        assert is_in(client), "the limit locks a person out for good"


def test_a_code_works_once_and_so_does_a_recovery_code(cast: Cast) -> None:
    enter(cast.vera)
    TOTP.activate(cast.vera, KEY)
    codes = RecoveryCodes.activate(cast.vera).get_unused_codes()
    with time_machine.travel(timezone.now(), tick=False):
        spent = code()
        for works in (True, False):
            client = half_in(cast.vera)
            client.post(FACTOR, {"code": spent})
            assert is_in(client) is works
    for works in (True, False):
        client = half_in(cast.vera)
        client.post(FACTOR, {"code": codes[0]})
        assert is_in(client) is works


def test_a_factor_taken_away_ends_the_other_sessions_and_its_owner_is_told(cast: Cast) -> None:
    enter(cast.vera)
    TOTP.activate(cast.vera, KEY)
    elsewhere = half_in(cast.vera)
    elsewhere.post(FACTOR, {"code": code()})
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        here = half_in(cast.vera)
        here.post(FACTOR, {"code": code()})
        assert (is_in(here), is_in(elsewhere)) == (True, True)
        mail.outbox.clear()
        here.post("/accounts/reauthenticate/", {"password": PASSWORD})
        assert here.post("/accounts/2fa/totp/deactivate/").status_code == 302
        assert not Authenticator.objects.filter(user=cast.vera).exists()
        assert (is_in(here), is_in(elsewhere)) == (True, False)
    assert [message.to for message in mail.outbox] == [[cast.vera.email]]


def test_a_strangers_passkey_is_not_there(cast: Cast) -> None:
    ivan = Authenticator.objects.create(user=cast.ivan, type="webauthn", data={"name": "x", "credential": {}})
    client = enter(cast.vera)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    for what in ("remove", "edit"):
        page = f"/accounts/2fa/webauthn/keys/{ivan.pk}/{what}/"
        assert client.get(page).status_code == 404
        assert client.post(page, {"name": "mine"}).status_code == 404
    assert Authenticator.objects.get(pk=ivan.pk).data["name"] == "x"


@pytest.mark.parametrize("kind", ["totp", "webauthn"])
def test_a_first_password_takes_the_factor_that_is_there(cast: Cast, kind: str) -> None:
    """A session that somebody left open must not be made into a password beside the passkey."""
    client = Client(headers=HTML)
    client.force_login(cast.vera, "django.contrib.auth.backends.ModelBackend")
    Authenticator.objects.create(user=cast.vera, type=kind, data={"name": "own", "credential": {}})
    posted = {"password1": PASSWORD, "password2": PASSWORD}
    for answer in (client.get("/accounts/password/set/"), client.post("/accounts/password/set/", posted)):
        assert answer.status_code == 302
        assert "reauthenticate" in answer["Location"]
    cast.vera.refresh_from_db()
    assert not cast.vera.has_usable_password()
