"""Nobody takes over an account: not by making it first, not by an address that looks alike, not by running a provider."""

from collections.abc import Iterator
from io import StringIO
from ipaddress import ip_network
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client

from control_plane.accounts.models import User
from control_plane.accounts.services import create_user, has_proven_address
from control_plane.identity.models import IdentityProvider
from control_plane.identity.services.signin import change_provider, change_signin_policy
from tests.control_plane.accounts.test_factors import ask_for_reset, set_new
from tests.control_plane.accounts.test_sessions import FIREFOX, HTML, enter, is_in
from tests.control_plane.conftest import SETUP, Cast
from tests.control_plane.identity.test_openid import facts, person, provider_of, sign_in
from tests.rigs.openid_provider import OpenIDProvider, openid_provider


@pytest.fixture(scope="module")
def server() -> Iterator[OpenIDProvider]:
    """One provider for the module."""
    with openid_provider() as rig:
        yield rig


@pytest.fixture
def rig(server: OpenIDProvider, settings: Any) -> OpenIDProvider:
    """The provider, on the loopback."""
    settings.SIGNIN_NETWORKS = (ip_network("127.0.0.0/8"),)
    server.alter = server.forge = server.userinfo = None
    return server


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    cache.clear()


def made_first(address: str) -> User:
    """An account that a studio's admin has made for somebody else's address, with a passkey of their own in it."""
    user = create_user(address, actor=SETUP, verified=False)
    Authenticator.objects.create(user=user, type="webauthn", data={"name": "theirs", "credential": {}})
    return user


def test_addresses_that_only_look_alike_are_two_people(cast: Cast, rig: OpenIDProvider) -> None:
    mike = create_user("mike@school.example", actor=SETUP)
    create_user("mıke@school.example", actor=SETUP)
    assert User.objects.by_address(" MIKE@School.Example ") == mike
    assert User.objects.by_address("mıke@school.example") != mike
    assert is_in(enter(mike))
    rig.knows("twin", email="mıke@school.example", email_verified=True, groups=["teachers"])
    client = Client()
    sign_in(client, rig, provider_of(cast, rig), "twin")
    assert client.session["_auth_user_id"] != str(mike.id)


def test_an_account_that_nobody_has_proven_is_not_brought_into_a_studio(
    cast: Cast, rig: OpenIDProvider
) -> None:
    provider, sub = provider_of(cast, rig), person(rig, "heads")
    user = made_first(f"{sub}@school.example")
    assert sign_in(Client(), rig, provider, sub).status_code == 403
    # Its owner comes by mail: what was put into it goes, and the provider is believed from then on.
    thief = enter(user)
    assert set_new(ask_for_reset(user)).status_code == 302
    assert has_proven_address(user)
    assert not Authenticator.objects.filter(user=user).exists()
    assert not is_in(thief)
    assert sign_in(Client(), rig, provider, sub).status_code == 302


def test_a_reset_leaves_the_factors_of_a_proven_account(cast: Cast) -> None:
    enter(cast.vera)
    Authenticator.objects.create(user=cast.vera, type="webauthn", data={"name": "own", "credential": {}})
    assert set_new(ask_for_reset(cast.vera)).status_code == 302
    assert Authenticator.objects.filter(user=cast.vera).count() == 1


def test_a_studio_founded_for_an_account_made_by_others_is_its_owners(db: None) -> None:
    user = made_first("owner@school.example")
    thief = enter(user)
    call_command("create_studio", "founded", "--admin", "Owner@school.example", stderr=StringIO())
    assert not is_in(thief)
    user.refresh_from_db()
    assert (user.has_usable_password(), has_proven_address(user)) == (False, True)
    assert EmailAddress.objects.filter(user=user).count() == 1


def test_a_provider_sees_and_ends_its_own_sessions_alone(cast: Cast, rig: OpenIDProvider) -> None:
    provider, sub = provider_of(cast, rig), person(rig, "teachers")
    user = create_user(f"{sub}@school.example", actor=SETUP)
    own = enter(user, **{"user-agent": FIREFOX})
    theirs, second = Client(), Client(headers={"user-agent": "Edg/1 iPhone"})
    sign_in(theirs, rig, provider, sub)
    sign_in(second, rig, provider, sub)
    page = theirs.get("/accounts/sessions/").content.decode()
    assert ("Firefox on Windows" in page, "Edge on an iPhone" in page) == (False, True)
    key = own.session.session_key
    row = user.usersession_set.get(session_key=key)
    for wish in ({"end": str(row.pk)}, {"others": "1"}):
        theirs.post("/accounts/sessions/", wish)
    assert (is_in(own), is_in(theirs), is_in(second)) == (True, True, False)
    assert "Firefox on Windows" in own.get("/accounts/sessions/").content.decode()


def rules(cast: Cast, **values: Any) -> None:
    change_signin_policy(cast.studio, actor=cast.alice.actor, **values)


def status(client: Client, cast: Cast) -> int:
    return client.get(f"/studio/{cast.studio.slug}/classes/", headers=HTML).status_code


def test_only_through_the_provider_means_only_through_the_provider(cast: Cast, rig: OpenIDProvider) -> None:
    provider, sub = provider_of(cast, rig), person(rig, "teachers")
    ivan, alice, theirs = enter(cast.ivan), enter(cast.alice), Client()
    sign_in(theirs, rig, provider, sub)
    assert [status(client, cast) for client in (ivan, alice, theirs)] == [200] * 3
    rules(cast, provider_only=True)
    assert [status(client, cast) for client in (ivan, alice, theirs)] == [403, 403, 200]
    shown = ivan.get(f"/studio/{cast.studio.slug}/classes/").content.decode()
    assert f"/accounts/oidc/{provider.id}/login/" in shown
    assert ivan.get(f"/api/v1/studios/{cast.studio.slug}/", headers={"accept": "*/*"}).status_code == 403
    # An admin with a factor comes in past a provider that may be broken; others do not.
    for user in (cast.alice, cast.ivan):
        Authenticator.objects.create(user=user, type="totp", data={})
    assert [status(client, cast) for client in (ivan, alice)] == [403, 200]
    rules(cast, provider_only=False)
    assert status(ivan, cast) == 200


def test_there_is_always_a_provider_where_only_providers_open(cast: Cast, rig: OpenIDProvider) -> None:
    with pytest.raises(Exception, match="nobody could sign in"):
        rules(cast, provider_only=True)
    provider = provider_of(cast, rig)
    rules(cast, provider_only=True)
    with pytest.raises(Exception, match="Allow passwords again"):
        change_provider(provider, facts(rig, enabled=False), actor=cast.alice.actor)


@pytest.mark.parametrize("asks", [True, False])
def test_a_provider_that_asks_for_a_factor_is_taken_at_its_word(
    cast: Cast, rig: OpenIDProvider, asks: bool
) -> None:
    provider, sub = provider_of(cast, rig, asks_second_factor=asks), person(rig, "heads")
    head, alice = Client(headers=HTML), enter(cast.alice)
    sign_in(head, rig, provider, sub)
    rules(cast, admins_need_second_factor=True)
    assert (status(head, cast), status(alice, cast)) == (200 if asks else 302, 302)


def posted_provider(rig: OpenIDProvider, **values: str) -> dict[str, str]:
    return {
        "name": "School",
        "issuer": rig.url,
        "client_id": "threedance",
        "secret": "very secret",
        "domains": "school.example\nteachers.example",
        "group_claim": "groups",
        "groups": "heads = admin\nteachers=Instructor",
        "default_role": "",
        "enabled": "on",
    } | values


def test_an_admin_adds_changes_and_removes_a_provider_on_the_page(cast: Cast, rig: OpenIDProvider) -> None:
    admin, base = enter(cast.alice), f"/studio/{cast.studio.slug}/sign-in/"
    wrong = admin.post(f"{base}add/oidc/", posted_provider(rig, groups="heads: admin"))
    assert b"is not" in wrong.content
    added = admin.post(f"{base}add/oidc/", posted_provider(rig))
    assert added.status_code == 302
    page = admin.get(added["Location"]).content.decode()
    assert "very secret" not in page
    assert "heads = admin" in page
    changed = admin.post(added["Location"], posted_provider(rig, name="College", secret=""))
    assert changed.status_code == 302
    sub = person(rig, "teachers")
    provider = IdentityProvider(id=added["Location"].rstrip("/").rpartition("/")[2])
    assert sign_in(Client(), rig, provider, sub).status_code == 302, "the secret was lost"
    ivan = enter(cast.ivan)
    for path in ("add/oidc/", "add/saml/", f"{provider.id}/", f"{provider.id}/remove/"):
        assert ivan.post(base + path, posted_provider(rig)).status_code == 403
    assert admin.post(f"{base}{provider.id}/remove/").status_code == 302
    assert Client().get(f"/accounts/oidc/{provider.id}/login/").status_code == 404
