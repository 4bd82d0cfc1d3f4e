"""Signing in as a person does it: passkeys and authenticator apps in a real browser, under our own content policy."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from axe_playwright_python.sync_playwright import Axe
from django.core.cache import cache
from playwright.sync_api import Page

from control_plane.accounts.models import User
from control_plane.accounts.services import create_signin_link
from control_plane.administration.services.invitations import invite
from control_plane.common.mail import NO_SERVER
from control_plane.common.roles import Role
from control_plane.identity.models import ProviderKind
from control_plane.identity.services.signin import ProviderFacts, add_provider, change_signin_policy
from tests.control_plane.conftest import SETUP
from tests.control_plane.portal.conftest import FurnishedStudio
from tests.web.browser import Watched
from tests.web.conftest import SignIn

pytestmark = pytest.mark.web

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _no_memory() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def address(site: FurnishedStudio, live_server: Any, settings: Any) -> str:
    """The site by name: a passkey belongs to a host name, never to a number."""
    url = str(live_server.url).replace("127.0.0.1", "localhost")
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = url, ["*"]
    settings.CSRF_TRUSTED_ORIGINS = [url]
    return url


def with_authenticator(page: Page) -> None:
    """Gives the browser a passkey keeper that says yes to everything (WebAuthn's own automation)."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )


def confirm(page: Page) -> None:
    """Shows again who one is, where the page asks."""
    if "reauthenticate" in page.url:
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Confirm").click()


def sign_out(page: Page, address: str) -> None:
    page.goto(f"{address}/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/**")


def by_password(page: Page, address: str, user: User) -> None:
    page.goto(f"{address}/accounts/login/")
    page.get_by_label("Email", exact=False).first.fill(user.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_a_passkey_is_made_and_signs_in_alone(site: FurnishedStudio, address: str, sign_in: SignIn) -> None:
    ivan = site.cast.ivan
    ivan.set_password(PASSWORD)
    ivan.save()
    watched = Watched(sign_in(address, None).new_page())
    page = watched.page
    with_authenticator(page)
    by_password(page, address, ivan)
    page.wait_for_url("**/classes/")
    page.goto(f"{address}/accounts/2fa/webauthn/add/")
    confirm(page)
    page.get_by_label("Name").fill("My laptop")
    page.get_by_label("Passwordless", exact=False).check()
    page.get_by_role("button", name="Add passkey").click()
    page.wait_for_url("**/recovery-codes/")
    assert page.locator(".recovery-codes li").count() == 10
    assert Authenticator.objects.filter(user=ivan, type="webauthn").count() == 1
    sign_out(page, address)
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/classes/")
    page.goto(f"{address}/accounts/2fa/webauthn/")
    assert "My laptop" in page.inner_text("main")
    assert watched.complaints == []


def test_the_first_sign_in_can_end_on_a_passkey_that_signs_in_alone(
    site: FurnishedStudio, address: str, sign_in: SignIn, settings: Any
) -> None:
    settings.EMAIL_BACKEND = NO_SERVER
    watched = Watched(sign_in(address, None).new_page())
    page = watched.page
    with_authenticator(page)
    page.goto(create_signin_link(site.cast.vera, actor=SETUP))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Your name").fill("Veronika")
    page.get_by_role("button", name="Add a passkey instead").click()
    page.wait_for_url("**/accounts/2fa/webauthn/add/")
    assert page.get_by_label("Passwordless", exact=False).is_checked()
    page.get_by_role("button", name="Add passkey").click()
    page.wait_for_url("**/recovery-codes/")
    page.goto(f"{address}{site.base}/classes/")
    assert "Veronika" in page.inner_text("header")
    assert "You cannot sign in again yet" not in page.inner_text("body")
    sign_out(page, address)
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/classes/")
    assert watched.complaints == []


def test_a_passkey_that_is_not_there_is_said_on_the_page(
    site: FurnishedStudio, address: str, sign_in: SignIn
) -> None:
    watched = Watched(sign_in(address, None).new_page())
    page = watched.page
    with_authenticator(page)
    page.goto(f"{address}/accounts/login/")
    assert page.locator("#passkey-problem").is_hidden()
    page.get_by_role("button", name="Sign in with a passkey").click()
    watched.until(lambda: page.locator("#passkey-problem").is_visible(), timeout_s=70)
    assert watched.complaints == []


def test_an_admin_is_led_to_a_second_factor_and_let_in_after(
    site: FurnishedStudio, address: str, sign_in: SignIn
) -> None:
    alice = site.cast.alice
    change_signin_policy(site.cast.studio, actor=alice.actor, admins_need_second_factor=True)
    watched = Watched(sign_in(address, None).new_page())
    page = watched.page
    page.goto(create_signin_link(alice, actor=SETUP))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("link", name="Skip for now").click()
    page.wait_for_url("**/accounts/2fa/?needed=*")
    assert "requires a second factor for admins" in page.inner_text("main")
    page.get_by_role("link", name="Set up an app").click()
    page.locator(".qr svg").wait_for()
    key = page.locator("#totp-key").inner_text()
    page.get_by_label(re.compile("code", re.I)).fill(code_of(key))
    page.get_by_role("button", name="Set up").click()
    page.wait_for_url("**/recovery-codes/")
    page.goto(f"{address}{site.base}/classes/")
    assert page.get_by_role("heading", level=1).inner_text() != "Passkeys and second factor"
    assert page.url.endswith("/classes/")
    assert key not in Authenticator.objects.get(user=alice, type="totp").data["secret"]
    assert watched.complaints == []


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_pages_at_the_door_fit_a_phone_and_are_open_to_everybody(
    site: FurnishedStudio, address: str, sign_in: SignIn, settings: Any, scheme: Any
) -> None:
    alice, studio = site.cast.alice, site.cast.studio
    facts = ProviderFacts(
        kind=ProviderKind.OIDC,
        name="Conservatory of Movement, Music and Dance",
        issuer="https://login.school.example",
        domains=["school.example"],
        client_id="threedance",
        secret="a secret",
    )
    provider = add_provider(studio, facts, actor=alice.actor)
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    long = "a.rather.long.address.of.somebody@dance.school.example.org"
    link = invite(studio, long, Role.VIEWER, actor=alice.actor).link
    phone = {"width": 360, "height": 740}
    page = sign_in(address, None, viewport=phone, color_scheme=scheme).new_page()
    axe = Axe()

    def check(where: str) -> None:
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide, where
        broken = axe.run(page).response["violations"]
        assert not broken, (where, [(item["id"], item["nodes"][0]["html"][:120]) for item in broken])

    for path in (
        "/accounts/login/",
        "/accounts/inactive/",
        "/accounts/signup/",
        "/accounts/password/reset/",
        "/accounts/link/?token=",
        f"/accounts/oidc/{provider.id}/callback/",
        f"/invitation/?{link.partition('?')[2]}",
        "/invitation/?token=x",
        f"/sign-in/{provider.id}/",
        "/sign-in/",
    ):
        page.goto(path)
        check(path)
    page.get_by_role("textbox").fill("tom@school.example")
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("No studio uses this address").wait_for()
    check("no way for the address")
    page.goto(f"/invitation/?{link.partition('?')[2]}")
    page.get_by_role("button", name="Accept").click()
    page.wait_for_url("**/accounts/welcome/")
    check("the first sign-in")
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("The passwords are not the same.").wait_for()
    check("the first sign-in, with a password that does not fit")
    page.get_by_role("link", name="Skip for now").click()
    page.get_by_text("You cannot sign in again yet").wait_for()
    check("the banner")


def code_of(key: str) -> str:
    counter = next(iter(yield_hotp_counters_from_time()))
    return str(format_hotp_value(hotp_value(key, counter)))
