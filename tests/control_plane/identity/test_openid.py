"""Signing in through a studio's OpenID provider: a real one, whose tokens are spoilt one by one."""

import time
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import pytest
from allauth.socialaccount.models import SocialAccount
from django.conf import settings as configured
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from control_plane.access.services.api_keys import make_api_key
from control_plane.accounts.models import User
from control_plane.accounts.services import create_user
from control_plane.administration import services
from control_plane.audit.models import Entry
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.identity.models import IdentityProvider, ProviderKind
from control_plane.identity.services.signin import ProviderFacts, add_provider, change_provider
from control_plane.identity.services.sso import CONFIRMED_FOR
from control_plane.identity.tasks import end_unconfirmed_memberships
from control_plane.tenancy.models import Membership
from control_plane.tenancy.permissions import VIEW_STUDIO
from tests.control_plane.conftest import SETUP, Cast
from tests.rigs.openid_provider import (
    OpenIDProvider,
    openid_provider,
    signed_by_stranger,
    signed_with_secret,
    unsigned,
    with_payload,
)

SECRET = "the client's own secret"


@pytest.fixture(scope="module")
def server() -> Iterator[OpenIDProvider]:
    """One provider for the module."""
    with openid_provider() as rig:
        yield rig


@pytest.fixture(autouse=True)
def _our_network(settings: Any) -> None:
    settings.SIGNIN_NETWORKS = (ip_network("127.0.0.0/8"),)
    cache.clear()


@pytest.fixture
def rig(server: OpenIDProvider) -> OpenIDProvider:
    """The provider, behaving."""
    server.alter = server.forge = server.userinfo = None
    return server


def facts(rig: OpenIDProvider, **values: Any) -> ProviderFacts:
    return ProviderFacts(
        **{
            "kind": ProviderKind.OIDC,
            "name": "School",
            "issuer": rig.url,
            "domains": ["school.example"],
            "client_id": "threedance",
            "secret": SECRET,
            "group_claim": "groups",
            "group_roles": {"teachers": Role.INSTRUCTOR, "heads": Role.ADMIN},
        }
        | values
    )


def provider_of(cast: Cast, rig: OpenIDProvider, *, proven: bool = True, **values: Any) -> IdentityProvider:
    """A provider of the cast's studio; `proven`: whose domains their owner has put under the studio's name."""
    provider = add_provider(cast.studio, facts(rig, **values), actor=cast.alice.actor)
    return own_domains(provider) if proven else provider


def own_domains(provider: IdentityProvider) -> IdentityProvider:
    provider.proven_domains = dict.fromkeys(provider.domains, timezone.now().isoformat())
    with studio_scope(provider.studio_id):
        provider.save(update_fields=["proven_domains"])
    return provider


def person(rig: OpenIDProvider, *groups: str, verified: Any = True, domain: str = "school.example") -> str:
    sub = f"p{uuid4().hex[:10]}"
    rig.knows(sub, email=f"{sub}@{domain}", email_verified=verified, name="Tom", groups=list(groups))
    return sub


def sign_in(client: Client, rig: OpenIDProvider, provider: IdentityProvider, sub: str) -> Any:
    begun = client.get(f"/accounts/oidc/{provider.id}/login/")
    assert begun.status_code == 302
    assert begun["Location"].startswith(f"{rig.url}/oauth2/authorize?")
    return client.get(rig.consent(begun["Location"], sub))


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_a_provider_brings_a_teacher_into_its_studio(cast: Cast, rig: OpenIDProvider, client: Client) -> None:
    provider, sub = provider_of(cast, rig), person(rig, "teachers")
    answer = sign_in(client, rig, provider, sub)
    assert answer.status_code == 302
    user = User.objects.get(email=f"{sub}@school.example")
    assert client.session["_auth_user_id"] == str(user.id)
    assert (cast.role_of(user), user.display_name, user.has_usable_password()) == (
        "instructor",
        "Tom",
        False,
    )
    assert rig.verifiers[-1], "no PKCE verifier was sent"
    assert SocialAccount.objects.get(user=user).extra_data == {}
    assert client.get(f"/studio/{cast.studio.slug}/classes/").status_code == 200


def test_the_groups_decide_at_each_sign_in(cast: Cast, rig: OpenIDProvider) -> None:
    provider, sub = provider_of(cast, rig), person(rig, "teachers")
    sign_in(Client(), rig, provider, sub)
    user = User.objects.get(email=f"{sub}@school.example")
    rig.knows(sub, email=user.email, email_verified=True, groups=["teachers", "heads"])
    sign_in(Client(), rig, provider, sub)
    assert cast.role_of(user) == "admin"
    rig.knows(sub, email=user.email, email_verified=True, groups=["cooks"])
    last = Client()
    assert sign_in(last, rig, provider, sub).status_code == 403
    assert (cast.role_of(user), is_in(last)) == (None, False)


def test_whom_the_provider_has_removed_is_out_within_a_month_keys_included(
    cast: Cast, rig: OpenIDProvider
) -> None:
    """A provider does not say whom it removes: it is only never heard of them again."""
    provider, sub = provider_of(cast, rig), person(rig, "heads")
    sign_in(Client(), rig, provider, sub)
    user = User.objects.get(email=f"{sub}@school.example")
    _, secret = make_api_key(
        cast.studio,
        name="Export",
        actions=[VIEW_STUDIO],
        expires_at=timezone.now() + timedelta(days=300),
        actor=user.actor,
    )
    as_key = {"authorization": f"Bearer {secret}", "accept": "application/json"}
    studio = f"/api/v1/studios/{cast.studio.slug}/"
    own = Client()
    own.force_login(user, backend=configured.AUTHENTICATION_BACKENDS[0])

    def opens() -> list[int]:
        return [own.get(studio).status_code, Client().get(studio, headers=as_key).status_code]

    end_unconfirmed_memberships()
    assert opens() == [200, 200]
    SocialAccount.objects.filter(user=user).update(last_login=timezone.now() - CONFIRMED_FOR)
    with studio_scope(cast.studio.id):
        others = Membership.objects.filter(role=Role.ADMIN).exclude(user=user)
        others.update(role=Role.VIEWER)
    end_unconfirmed_memberships()
    assert opens() == [200, 200], "the last admin stays"
    with studio_scope(cast.studio.id):
        Membership.objects.filter(user=cast.alice).update(role=Role.ADMIN)
    end_unconfirmed_memberships()
    assert opens() == [404, 404]
    with studio_scope(cast.studio.id):
        assert Entry.objects.filter(action="member.changed").count() == 1
    # They come in by the provider again, and are what they were.
    sign_in(Client(), rig, provider, sub)
    assert (cast.role_of(user), opens()) == ("admin", [200, 200])
    # One that a person has ended is not the provider's to bring back.
    with studio_scope(cast.studio.id):
        mine = Membership.objects.filter(user=user)
        mine.update(role=Role.VIEWER, ends_at=timezone.now())
    sign_in(Client(), rig, provider, sub)
    assert opens() == [404, 404]


def test_without_a_mapped_group_nobody_becomes_anything(
    cast: Cast, rig: OpenIDProvider, client: Client
) -> None:
    provider, sub = provider_of(cast, rig), person(rig, "cooks")
    assert sign_in(client, rig, provider, sub).status_code == 403
    assert not User.objects.filter(email=f"{sub}@school.example").exists()


def test_a_default_role_takes_the_rest_and_is_never_admin(
    cast: Cast, rig: OpenIDProvider, client: Client
) -> None:
    provider, sub = provider_of(cast, rig, default_role=Role.VIEWER), person(rig)
    sign_in(client, rig, provider, sub)
    assert cast.role_of(User.objects.get(email=f"{sub}@school.example")) == "viewer"
    with pytest.raises(Exception, match="not as the default"):
        change_provider(provider, facts(rig, default_role=Role.ADMIN), actor=cast.alice.actor)


def test_the_last_admin_stays(cast: Cast, rig: OpenIDProvider) -> None:
    provider, sub = provider_of(cast, rig), person(rig, "heads")
    sign_in(Client(), rig, provider, sub)
    user = User.objects.get(email=f"{sub}@school.example")
    with studio_scope(cast.studio.id):
        alice = Membership.objects.get(user=cast.alice)
        services.remove_member(alice, actor=SETUP)
    rig.knows(sub, email=user.email, email_verified=True, groups=[])
    assert sign_in(Client(), rig, provider, sub).status_code == 302
    assert cast.role_of(user) == "admin"


def test_a_membership_made_by_hand_is_not_the_providers_to_touch(cast: Cast, rig: OpenIDProvider) -> None:
    provider, sub = provider_of(cast, rig), person(rig, "heads")
    user = create_user(f"{sub}@school.example", actor=SETUP)
    services.add_member(cast.studio, user, Role.VIEWER, actor=SETUP)
    assert sign_in(Client(), rig, provider, sub).status_code == 302
    assert cast.role_of(user) == "viewer"


def test_a_provider_speaks_for_its_own_domains_alone(cast: Cast, rig: OpenIDProvider, client: Client) -> None:
    provider = provider_of(cast, rig, default_role=Role.VIEWER)
    for domain in ("example.org", "sub.school.example", "notschool.example", "school.example.evil.example"):
        assert sign_in(client, rig, provider, person(rig, domain=domain)).status_code == 403
    rig.knows("thief", email=cast.alice.email, email_verified=True, groups=["heads"])
    assert sign_in(client, rig, provider, "thief").status_code == 403
    assert not is_in(client)


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_an_address_that_is_not_verified_is_none(
    cast: Cast, rig: OpenIDProvider, client: Client, verified: Any
) -> None:
    sub = person(rig, "heads", verified=verified)
    assert sign_in(client, rig, provider_of(cast, rig), sub).status_code == 403
    assert not is_in(client)


@pytest.mark.parametrize("field", ["is_superuser", "is_operator"])
def test_an_operator_does_not_come_in_through_a_studios_provider(
    cast: Cast, rig: OpenIDProvider, client: Client, field: str
) -> None:
    sub = person(rig, "heads")
    user = create_user(f"{sub}@school.example", actor=SETUP)
    setattr(user, field, True)
    user.save()
    assert sign_in(client, rig, provider_of(cast, rig), sub).status_code == 403
    assert not is_in(client)


def test_a_provider_opens_its_own_studio_and_no_other(
    cast: Cast, other: Cast, rig: OpenIDProvider, client: Client
) -> None:
    provider, sub = provider_of(cast, rig), person(rig, "teachers")
    user = create_user(f"{sub}@school.example", actor=SETUP)
    services.add_member(other.studio, user, Role.ADMIN, actor=SETUP)
    assert sign_in(client, rig, provider, sub).status_code == 302
    html = {"accept": "text/html"}
    assert client.get(f"/studio/{cast.studio.slug}/classes/", headers=html).status_code == 200
    # To the owner of the provider, the other studio looks like one that never existed.
    for accept in ({}, html):
        answers = [
            client.get(f"/studio/{slug}/classes/", headers=accept) for slug in (other.studio.slug, "nowhere")
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert other.studio.name not in answers[0].content.decode()
    home = client.get("/?all=1", headers=html).content.decode()
    assert cast.studio.name in home
    assert other.studio.name not in home
    # Nor does it change how the account is entered, which would open the other studio next time.
    for page in ("password/set/", "2fa/", "2fa/totp/activate/", "2fa/webauthn/add/"):
        assert client.get(f"/accounts/{page}", headers=html).status_code == 403
    for page in ("/admin/", "/admin/tenancy/studio/"):
        shown = client.get(page, headers=html, follow=True)
        assert other.studio.name not in shown.content.decode()
    assert client.get("/admin/", headers=html).status_code != 200
    assert client.post("/studios/administer/", {"studio": other.studio.slug}).status_code == 404


def test_a_provider_switched_off_opens_nothing_at_once(
    cast: Cast, rig: OpenIDProvider, client: Client
) -> None:
    provider, sub = provider_of(cast, rig), person(rig, "teachers")
    sign_in(client, rig, provider, sub)
    page = f"/studio/{cast.studio.slug}/classes/"
    assert client.get(page).status_code == 200
    change_provider(provider, facts(rig, enabled=False), actor=cast.alice.actor)
    assert client.get(page).status_code == 403
    assert client.get(f"/accounts/oidc/{provider.id}/login/").status_code == 404


def altered(**changes: Any) -> Any:
    return lambda claims: claims | changes


@pytest.mark.parametrize(
    ("what", "spoil"),
    [
        ("the claims were changed", {"forge": lambda token: with_payload(token, email="x@school.example")}),
        ("a stranger signed", {"forge": signed_by_stranger}),
        ("nobody signed", {"forge": unsigned}),
        ("the client's secret signed", {"forge": lambda token: signed_with_secret(token, SECRET)}),
        ("no token", {"forge": lambda token: ""}),
        ("no token at all", {"forge": lambda token: "a.b.c"}),
        ("for somebody else", {"alter": altered(aud="another")}),
        ("for us among others, made for another", {"alter": altered(aud=["threedance", "x"], azp="x")}),
        ("from another issuer", {"alter": altered(iss="https://evil.example")}),
        ("expired", {"alter": altered(exp=int(time.time()) - 3600)}),
        ("made long before this sign-in", {"alter": altered(iat=int(time.time()) - 3600)}),
        ("of another sign-in", {"alter": altered(nonce="another")}),
        ("without a nonce", {"alter": lambda claims: {k: v for k, v in claims.items() if k != "nonce"}}),
        ("without an end", {"alter": lambda claims: {k: v for k, v in claims.items() if k != "exp"}}),
        ("speaks of two people", {"userinfo": lambda found: found | {"sub": "another"}}),
    ],
)
def test_a_token_that_is_not_right_lets_nobody_in(
    cast: Cast, rig: OpenIDProvider, client: Client, what: str, spoil: dict[str, Any]
) -> None:
    provider, sub = provider_of(cast, rig), person(rig, "heads")
    for name, function in spoil.items():
        setattr(rig, name, function)
    answer = sign_in(client, rig, provider, sub)
    assert (answer.status_code, is_in(client)) == (403, False), what
    assert b"did not sign you in" in answer.content
    assert not User.objects.filter(email=f"{sub}@school.example").exists()
    rig.alter = rig.forge = rig.userinfo = None
    assert sign_in(client, rig, provider, sub).status_code == 302, "and it was not refused for another reason"


def test_an_answer_is_taken_once_and_by_the_browser_that_asked(cast: Cast, rig: OpenIDProvider) -> None:
    provider, sub = provider_of(cast, rig), person(rig, "heads")
    asker, thief = Client(), Client()
    back = rig.consent(asker.get(f"/accounts/oidc/{provider.id}/login/")["Location"], sub)
    assert thief.get(back).status_code == 403
    assert not is_in(thief)
    assert asker.get(back).status_code == 302
    asker.logout()
    assert asker.get(back).status_code == 403
    assert not is_in(asker)


def test_one_providers_answer_is_not_anothers(
    cast: Cast, other: Cast, rig: OpenIDProvider, client: Client
) -> None:
    ours, theirs = provider_of(cast, rig), provider_of(other, rig)
    back = rig.consent(client.get(f"/accounts/oidc/{ours.id}/login/")["Location"], person(rig, "heads"))
    assert client.get(back.replace(str(ours.id), str(theirs.id))).status_code == 403
    assert not is_in(client)


def test_an_account_is_not_connected_on_the_side(cast: Cast, rig: OpenIDProvider, client: Client) -> None:
    provider, sub = provider_of(cast, rig), person(rig, "heads")
    client.force_login(cast.vera, backend="django.contrib.auth.backends.ModelBackend")
    begun = client.get(f"/accounts/oidc/{provider.id}/login/?process=connect")
    assert client.get(rig.consent(begun["Location"], sub)).status_code == 403
    assert not SocialAccount.objects.filter(user=cast.vera).exists()


def test_the_secret_is_sealed_and_shown_nowhere(cast: Cast, rig: OpenIDProvider) -> None:
    provider = provider_of(cast, rig)
    with studio_scope(cast.studio.id):
        row = IdentityProvider.objects.get(pk=provider.pk)
    assert SECRET.encode() not in bytes(row.wrapped_secret)
    assert SECRET not in repr(facts(rig))


def test_a_provider_inside_our_own_network_is_not_called(
    cast: Cast, rig: OpenIDProvider, settings: Any
) -> None:
    provider = provider_of(cast, rig)
    settings.SIGNIN_NETWORKS = ()
    assert Client().get(f"/accounts/oidc/{provider.id}/login/").status_code == 403
    with pytest.raises(Exception, match="issuer"):
        provider_of(cast, rig, name="Another")


@pytest.mark.parametrize("id_", ["00000000-0000-0000-0000-000000000000"])
def test_an_unknown_provider_is_not_there(db: None, client: Client, id_: str) -> None:
    for path in (
        "oidc/{}/login/",
        "oidc/{}/callback/",
        "saml/{}/login/",
        "saml/{}/finish/",
        "saml/{}/metadata/",
    ):
        assert client.get(f"/accounts/{path.format(id_)}").status_code == 404
