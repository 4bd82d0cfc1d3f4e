"""A one-time link signs in once, under any race, and opening its page does not spend it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from threading import Barrier
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from allauth.usersessions.models import UserSession
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from control_plane.accounts.models import SigninLink, User
from control_plane.accounts.services import create_signin_link, create_user, use_signin_link
from control_plane.audit.models import Entry
from control_plane.audit.services import chain_scope
from control_plane.common.commands import Refused
from control_plane.common.errors import BadRequest, Conflict
from tests.control_plane.conftest import SETUP, Cast


def token_of(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_a_link_signs_in_once(cast: Cast, client: Client) -> None:
    link = create_signin_link(cast.vera, actor=SETUP)
    assert link.startswith("http://testserver/accounts/link/?token=")
    page = client.post("/accounts/link/", {"token": token_of(link)})
    assert page.status_code == 302
    assert client.session["_auth_user_id"] == str(cast.vera.id)
    assert UserSession.objects.filter(user=cast.vera).exists()
    second = Client()
    assert second.post("/accounts/link/", {"token": token_of(link)}).status_code == 410
    assert not signed_in(second)


def test_looking_at_a_link_does_not_spend_it(cast: Cast, client: Client) -> None:
    link = create_signin_link(cast.vera, actor=SETUP)
    for _ in range(3):
        page = client.get(link)
        assert page.status_code == 200
        assert "no-store" in page["Cache-Control"]
        # `no-referrer` would have the browser send `Origin: null` with the form, which the CSRF check refuses.
        assert page["Referrer-Policy"] == "same-origin"
        assert client.head(link).status_code == 200
    assert not signed_in(client)
    assert use_signin_link(token_of(link)) == cast.vera


def test_the_button_needs_the_page_it_stands_on(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    link = create_signin_link(cast.vera, actor=SETUP)
    assert client.post("/accounts/link/", {"token": token_of(link)}).status_code == 403
    client.get(link)
    posted = {"token": token_of(link), "csrfmiddlewaretoken": client.cookies["csrf"].value}
    assert client.post("/accounts/link/", posted).status_code == 302


def test_a_link_dies_after_its_time(cast: Cast) -> None:
    link = create_signin_link(cast.vera, actor=SETUP)
    with time_machine.travel(timezone.now() + timedelta(minutes=15, seconds=1)):
        assert use_signin_link(token_of(link)) is None
    with time_machine.travel(timezone.now() + timedelta(minutes=14)):
        assert use_signin_link(token_of(link)) == cast.vera


def test_a_person_switched_off_is_not_let_in(cast: Cast) -> None:
    link = create_signin_link(cast.vera, actor=SETUP)
    User.objects.filter(pk=cast.vera.pk).update(is_active=False)
    assert use_signin_link(token_of(link)) is None


@pytest.mark.parametrize("token", ["", "x", "é" * 1000])
def test_an_unknown_link_is_told_so(db: None, client: Client, token: str) -> None:
    assert client.post("/accounts/link/", {"token": token}).status_code == 410


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(seconds=-1), timedelta(hours=25)])
def test_a_link_lives_at_most_a_day(cast: Cast, ttl: timedelta) -> None:
    with pytest.raises(ValueError, match="at most"):
        create_signin_link(cast.vera, actor=SETUP, ttl=ttl)


def test_the_database_holds_no_token(cast: Cast) -> None:
    token = token_of(create_signin_link(cast.vera, actor=SETUP))
    row = SigninLink.objects.get()
    assert len(bytes(row.token_sha256)) == 32
    assert token.encode() not in b"".join(bytes(str(value), "utf8") for value in vars(row).values())


@pytest.mark.parametrize("round_", range(5))
def test_of_many_at_once_one_gets_in(committed: Cast, round_: int) -> None:
    threads = 7
    together = Barrier(threads)
    links = [token_of(create_signin_link(committed.vera, actor=SETUP)) for _ in range(8)]

    def use(_: int) -> list[User | None]:
        results = []
        try:
            for token in links:
                together.wait(30)
                results.append(use_signin_link(token))
        finally:
            connection.close()
        return results

    with ThreadPoolExecutor(threads) as pool:
        tries = list(pool.map(use, range(threads)))
    winners = [
        [result for result in tries_of_one if result is not None] for tries_of_one in zip(*tries, strict=True)
    ]
    assert winners == [[committed.vera]] * len(links)


def test_a_second_factor_is_still_asked_for(cast: Cast, client: Client) -> None:
    TOTP.activate(cast.vera, "JBSWY3DPEHPK3PXP")
    assert Authenticator.objects.filter(user=cast.vera).exists()
    answer = client.post("/accounts/link/", {"token": token_of(create_signin_link(cast.vera, actor=SETUP))})
    assert answer.status_code == 302
    assert "2fa" in answer["Location"]
    assert not signed_in(client)


def test_nobody_signs_up_alone(db: None, client: Client) -> None:
    before = User.objects.count()
    posted = {
        "email": "new@example.org",
        "password1": "correct horse battery",
        "password2": "correct horse battery",
    }
    client.get("/accounts/signup/")
    client.post("/accounts/signup/", posted)
    assert User.objects.count() == before


def test_an_address_is_one_person_whatever_its_case(db: None) -> None:
    create_user("Anna@Example.org", actor=SETUP)
    with pytest.raises(Conflict):
        create_user("anna@example.ORG", actor=SETUP)
    with pytest.raises(BadRequest, match="email"):
        create_user("no address", actor=SETUP)


def test_a_new_person_has_no_password(db: None) -> None:
    assert not create_user("anna@example.org", actor=SETUP).has_usable_password()


def test_a_password_is_hashed_with_argon2(db: None, client: Client) -> None:
    user = create_user("anna@example.org", actor=SETUP)
    user.set_password("correct horse battery staple")
    user.save()
    assert user.password.startswith("argon2$argon2id$")
    answer = client.post(
        "/accounts/login/", {"login": "ANNA@example.org", "password": "correct horse battery staple"}
    )
    assert answer.status_code == 302
    assert signed_in(client)


def test_the_command_makes_an_account_and_prints_a_link(db: None, client: Client) -> None:
    out, words = StringIO(), StringIO()
    call_command("create_admin", "Root@Example.org", stdout=out, stderr=words)
    user = User.objects.get(email="root@example.org")
    assert not user.is_superuser
    assert not user.has_usable_password()
    assert "Created an account for root@example.org" in words.getvalue()
    assert "threedance studio create SLUG --admin root@example.org" in words.getvalue()
    assert client.post("/accounts/link/", {"token": token_of(out.getvalue().strip())}).status_code == 302
    assert signed_in(client)


def test_an_account_is_made_once_and_the_refusal_names_the_command_for_a_link(db: None) -> None:
    call_command("create_admin", "root@example.org", stdout=StringIO(), stderr=StringIO())
    with pytest.raises(Refused, match=r"already an account with the address root@example\.org") as refused:
        call_command("create_admin", "ROOT@example.org")
    assert refused.value.hint == "`threedance sign-in-link root@example.org` prints a link for it."
    assert (User.objects.count(), SigninLink.objects.count()) == (1, 1)


@pytest.mark.parametrize("minutes", ["0", "-1", "1441"])
@pytest.mark.parametrize("command", ["create_admin", "create_operator", "signin_link"])
def test_a_lifetime_out_of_range_makes_nothing(db: None, command: str, minutes: str) -> None:
    if command == "signin_link":
        create_user("a@example.org", actor=SETUP)
    before = User.objects.count()
    with pytest.raises(Refused, match=f"at most 1440 minutes, not {minutes}") as refused:
        call_command(command, "a@example.org", f"--minutes={minutes}")
    assert refused.value.hint == "Choose --minutes between 1 and 1440."
    assert (User.objects.count(), SigninLink.objects.count()) == (before, 0)


@pytest.mark.parametrize("command", ["create_admin", "create_operator"])
def test_what_is_no_address_is_said_with_what_to_do(db: None, command: str) -> None:
    with pytest.raises(Refused, match="valid email address") as refused:
        call_command(command, "nonsense")
    assert "nothing was created" in refused.value.hint


# --- a link by the operator of the server


def test_the_command_signs_in_somebody_who_has_an_account(db: None, client: Client) -> None:
    anna = create_user("anna@example.org", actor=SETUP)
    out, words = StringIO(), StringIO()
    call_command("signin_link", "Anna@Example.org", "--minutes", "90", stdout=out, stderr=words)
    assert words.getvalue() == (
        "This link signs in anna@example.org once, within 1 h 30 min. It is not shown again:\n"
    )
    assert SigninLink.objects.get().expires_at - timezone.now() > timedelta(minutes=89)
    assert client.post("/accounts/link/", {"token": token_of(out.getvalue().strip())}).status_code == 302
    assert signed_in(client)
    with chain_scope(None):
        entry = Entry.objects.get(action="signin_link.created")
    assert (entry.actor_job, entry.details["user"]) == ("manage signin_link", str(anna.id))


def test_an_unknown_address_gets_no_link_and_no_account(db: None) -> None:
    with pytest.raises(Refused, match=r"no account with the address ana@example\.org") as refused:
        call_command("signin_link", "ana@example.org")
    assert "Check the spelling" in refused.value.hint
    assert not User.objects.exists()


def test_an_account_that_is_switched_off_gets_no_link(db: None) -> None:
    create_user("anna@example.org", actor=SETUP)
    User.objects.update(is_active=False)
    with pytest.raises(Refused, match="disabled"):
        call_command("signin_link", "anna@example.org")
    assert not SigninLink.objects.exists()
