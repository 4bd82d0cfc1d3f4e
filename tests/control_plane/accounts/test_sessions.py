"""Sessions live as long as they may, end at once, and what a studio asks of them holds on every way in."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from allauth.usersessions.models import UserSession
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from control_plane.accounts.models import User
from control_plane.accounts.services import create_signin_link
from control_plane.accounts.sessions import clear_sessions
from control_plane.accounts.tasks import clear_expired_sessions
from control_plane.accounts.user_agent import device_name
from control_plane.audit.models import Entry
from control_plane.audit.services import chain_scope
from control_plane.common.client_network import UNKNOWN_ADDRESS
from control_plane.identity.services.signin import change_signin_policy
from tests.control_plane.conftest import SETUP, Cast

PASSWORD = "correct horse battery staple"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"
HTML = {"accept": "text/html"}


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    cache.clear()


def enter(user: User, **headers: str) -> Client:
    """Signs in by password, as a browser does."""
    user.set_password(PASSWORD)
    user.save()
    client = Client(headers=HTML | headers)
    answer = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def another(user: User, **headers: str) -> Client:
    client = Client(headers=HTML | headers)
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    return client


def is_in(client: Client) -> bool:
    return client.get("/accounts/sessions/").status_code == 200


def acts() -> list[tuple[str, dict[str, Any]]]:
    with chain_scope(None):
        return [(row.action, row.details) for row in Entry.objects.all()]


def test_the_page_shows_each_place_and_ends_it(cast: Cast) -> None:
    here = enter(cast.vera)
    there = another(cast.vera, **{"user-agent": FIREFOX})
    page = here.get("/accounts/sessions/").content.decode()
    assert "Firefox on Windows" in page
    assert "127.0.0.1" in page
    row = UserSession.objects.get(user=cast.vera, session_key=there.session.session_key)
    here.post("/accounts/sessions/", {"end": str(row.pk)})
    assert (is_in(here), is_in(there)) == (True, False)


def test_nobody_ends_a_strangers_session(cast: Cast) -> None:
    vera, ivan = enter(cast.vera), enter(cast.ivan)
    row = UserSession.objects.get(user=cast.ivan)
    for wish in (str(row.pk), "x", "-1", "9" * 40, ""):
        vera.post("/accounts/sessions/", {"end": wish})
    assert is_in(ivan)


def test_all_others_end_together(cast: Cast) -> None:
    here = enter(cast.vera)
    there = [another(cast.vera) for _ in range(3)]
    here.post("/accounts/sessions/", {"others": "1"})
    assert (is_in(here), [is_in(client) for client in there]) == (True, [False] * 3)


def test_a_session_ends_with_the_account_and_with_the_password(cast: Cast) -> None:
    vera, ivan, ivan_elsewhere = enter(cast.vera), enter(cast.ivan), another(cast.ivan)
    User.objects.filter(pk=cast.vera.pk).update(is_active=False)
    assert not is_in(vera)
    posted = {"oldpassword": PASSWORD, "password1": PASSWORD + "!", "password2": PASSWORD + "!"}
    assert ivan.post("/accounts/password/change/", posted).status_code == 302
    assert (is_in(ivan), is_in(ivan_elsewhere)) == (True, False)
    assert "password" in str(mail.outbox[-1].subject).lower()
    assert ("signin.password_changed", {"how": "changed"}) in acts()


def test_a_session_ends_when_it_is_old_or_was_left_alone(cast: Cast, settings: Any) -> None:
    settings.SESSION_HOURS, settings.SESSION_IDLE_MINUTES = 10, 60
    old, idle = enter(cast.vera), enter(cast.ivan)
    now = timezone.now()
    for hour in range(1, 10):
        with time_machine.travel(now + timedelta(minutes=59 * hour)):
            assert is_in(old), f"after {hour} hours of use"
    with time_machine.travel(now + timedelta(hours=10, minutes=1)):
        assert not is_in(old)
    with time_machine.travel(now + timedelta(minutes=61)):
        assert not is_in(idle)


def test_an_admin_without_a_second_factor_gets_nothing_of_the_studio(cast: Cast) -> None:
    alice, vera = enter(cast.alice), enter(cast.vera)
    change_signin_policy(cast.studio, actor=cast.alice.actor, admins_need_second_factor=True)
    base = f"/studio/{cast.studio.slug}"
    nothing = "00000000-0000-0000-0000-000000000000"
    for path in ("/classes/", "/rooms/", "/people/", "/sign-in/", "/access/"):
        answer = alice.get(base + path)
        assert (answer.status_code, answer["Location"]) == (302, f"/accounts/2fa/?needed={cast.studio.slug}")
    for path in (f"/classes/{nothing}/timeline.json", f"/classes/{nothing}/segments/{nothing}/key"):
        assert alice.get(base + path, headers={"accept": "*/*"}).status_code == 403
    assert alice.get("/admin/")["Location"].startswith("/accounts/2fa/")
    assert (
        alice.post(f"{base}/people/invitations/", {"email": "x@example.org", "role": "admin"}).status_code
        == 302
    )
    assert vera.get(f"{base}/classes/").status_code == 200
    TOTP.activate(cast.alice, "JBSWY3DPEHPK3PXP")
    assert alice.get(f"{base}/classes/").status_code == 200
    Authenticator.objects.filter(user=cast.alice).delete()
    assert alice.get(f"{base}/classes/").status_code == 302


def test_factors_change_only_for_who_has_just_shown_to_be_the_owner(cast: Cast) -> None:
    client = enter(cast.vera)
    assert "reauthenticate" in client.get("/accounts/2fa/totp/activate/")["Location"]
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert client.get("/accounts/2fa/totp/activate/").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        assert "reauthenticate" in client.get("/accounts/2fa/totp/activate/")["Location"]


def test_an_account_without_password_needs_a_fresh_sign_in_for_that(cast: Cast) -> None:
    client = Client(headers=HTML)
    link = create_signin_link(cast.sam, actor=SETUP)
    client.post("/accounts/link/", {"token": link.partition("token=")[2]})
    assert client.get("/accounts/2fa/totp/activate/").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        for page in ("2fa/totp/activate/", "2fa/webauthn/add/", "password/set/"):
            assert client.get(f"/accounts/{page}").status_code == 403


def test_signing_in_and_failing_are_on_record_without_an_address(cast: Cast) -> None:
    client = enter(cast.vera)
    for address in (cast.vera.email, "nobody@example.org"):
        Client().post("/accounts/login/", {"login": address, "password": "wrong wrong wrong"})
    client.post("/accounts/logout/")
    found = acts()
    assert ("signin.succeeded", {"methods": ["password"]}) in found
    assert [details for action, details in found if action == "signin.failed"] == [{"method": "password"}] * 2
    assert "signin.ended" in [action for action, _ in found]
    with chain_scope(None):
        assert not [row for row in Entry.objects.all() if "@" in f"{row.object_id}{row.details}"]


def test_a_wrong_address_and_a_wrong_password_read_alike(cast: Cast) -> None:
    enter(cast.vera)
    answers = [
        Client(headers=HTML).post("/accounts/login/", {"login": address, "password": "wrong wrong wrong"})
        for address in (cast.vera.email, "nobody@example.org")
    ]
    texts = [answer.content.decode().partition('role="alert"')[2][:200] for answer in answers]
    assert texts[0] == texts[1] != ""
    resets = [
        Client().post("/accounts/password/reset/", {"email": address})
        for address in ("no@example.org", cast.vera.email)
    ]
    assert [(answer.status_code, answer["Location"]) for answer in resets] == [
        (302, "/accounts/password/reset/done/")
    ] * 2
    assert [message.to for message in mail.outbox] == [[cast.vera.email]]


@pytest.mark.parametrize(
    ("who", "password"), [("vera", "wrong" * 3), ("nobody", "wrong" * 3), ("vera", PASSWORD)]
)
def test_a_try_costs_one_hash_for_any_account_and_outcome(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, who: str, password: str
) -> None:
    enter(cast.vera)
    hashes = []
    for name in ("encode", "verify"):
        compute = getattr(Argon2PasswordHasher, name)

        def counted(self: Any, *args: Any, compute: Any = compute, **options: Any) -> Any:
            hashes.append(args)
            return compute(self, *args, **options)

        monkeypatch.setattr(Argon2PasswordHasher, name, counted)
    client = Client()
    login = cast.vera.email if who == "vera" else "nobody@example.org"
    client.post("/accounts/login/", {"login": login, "password": password})
    assert len(hashes) == 1
    assert ("_auth_user_id" in client.session) == (password == PASSWORD)


def test_a_session_that_was_opened_through_djangos_own_backend_lives_on(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.vera, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/", headers=HTML)["Location"].startswith("/studio/")


def test_guessing_is_slowed_down_by_account_and_by_address(
    cast: Cast, request: pytest.FixtureRequest
) -> None:
    enter(cast.vera)
    cache.clear()
    frozen = time_machine.travel(timezone.now(), tick=False)
    frozen.start()
    request.addfinalizer(frozen.stop)
    for _ in range(6):
        Client().post("/accounts/login/", {"login": cast.vera.email, "password": "wrong wrong wrong"})
    right = Client()
    right.post("/accounts/login/", {"login": cast.vera.email, "password": PASSWORD})
    assert "_auth_user_id" not in right.session
    links = [Client().post("/accounts/link/", {"token": "x"}).status_code for _ in range(21)]
    assert links == [410] * 20 + [429]
    invitations = [Client().get("/invitation/?token=x").status_code for _ in range(21)]
    assert invitations == [410] * 20 + [429]


def try_password(user: User, network: str, password: str = PASSWORD) -> bool:
    client = Client(REMOTE_ADDR=f"{network}.7")
    client.post("/accounts/login/", {"login": user.email, "password": password})
    return "_auth_user_id" in client.session


def test_nobody_is_kept_out_by_a_stranger_who_tries_their_password(cast: Cast, settings: Any) -> None:
    enter(cast.vera)
    cache.clear()
    settings.SIGNIN_RATE_LIMITS = settings.SIGNIN_RATE_LIMITS | {"password": "8/h/key"}
    for _ in range(6):
        assert not try_password(cast.vera, "203.0.113", "wrong wrong wrong")
    assert not try_password(cast.vera, "203.0.113"), "the guesser's network is shut out, right or wrong"
    assert try_password(cast.vera, "198.51.100")
    assert try_password(cast.vera, "198.51.100"), "a right password is no try"
    # From everywhere together there is a bound as well, far above: 5 of the tries before, and 3 of these.
    for host in range(4):
        assert not try_password(cast.vera, f"192.0.{host}", "wrong wrong wrong")
    assert not try_password(cast.vera, "198.51.100")


def test_what_ended_is_cleared_away_at_night_and_what_lives_is_not(cast: Cast) -> None:
    ended, lives = enter(cast.vera), another(cast.vera)
    signed_out = another(cast.vera)
    Session.objects.filter(pk=ended.session.session_key).update(
        expire_date=timezone.now() - timedelta(minutes=1)
    )
    # Its session is gone, and nothing has told the list of places.
    Session.objects.filter(pk=signed_out.session.session_key).delete()
    old = UserSession.objects.exclude(session_key=lives.session.session_key)
    old.update(last_seen_at=timezone.now() - timedelta(days=30))
    assert clear_sessions(most=1) == 2
    clear_expired_sessions()
    assert list(Session.objects.values_list("pk", flat=True)) == [lives.session.session_key]
    assert list(UserSession.objects.values_list("session_key", flat=True)) == [lives.session.session_key]
    assert is_in(lives)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "6.6.6.6", "10.0.0.9"),
        (1, "6.6.6.6, 203.0.113.5", "203.0.113.5"),
        (2, "6.6.6.6, 203.0.113.5, 10.1.1.1", "203.0.113.5"),
        (2, "203.0.113.5", "203.0.113.5"),
        (1, "", "10.0.0.9"),
        (1, "nonsense", UNKNOWN_ADDRESS),
    ],
)
def test_the_address_comes_from_our_own_proxies_alone(
    cast: Cast, settings: Any, proxies: int, forwarded: str, address: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    cast.vera.set_password(PASSWORD)
    cast.vera.save()
    client = Client(headers={"x-forwarded-for": forwarded}, REMOTE_ADDR="10.0.0.9")
    client.post("/accounts/login/", {"login": cast.vera.email, "password": PASSWORD})
    assert UserSession.objects.get(user=cast.vera).ip == address


@pytest.mark.parametrize(
    "path",
    [
        "email/", "confirm-email/", "confirm-email/x/", "login/code/", "login/code/confirm/", "3rdparty/",
        "3rdparty/signup/", "3rdparty/login/error/", "social/connections/", "2fa/trust/", "signup/passkey/",
    ],
)  # fmt: skip
def test_what_is_not_needed_is_not_there(db: None, client: Client, path: str) -> None:
    assert client.get(f"/accounts/{path}").status_code == 404


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Safari/604.1", "Safari on an iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0", "Edge on Linux"),
        ("<script>alert(1)</script>", "An unknown device"),
        ("", "An unknown device"),
    ],
)  # fmt: skip
def test_a_device_is_named_in_words(agent: str, words: str) -> None:
    assert device_name(agent) == words
