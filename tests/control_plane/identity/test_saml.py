"""Signing in through a studio's SAML provider: answers that are really signed, and everything that may be wrong with one."""

from base64 import b64encode
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from lxml import etree

from control_plane.accounts import saml
from control_plane.accounts.bounded_cache import PREFIX
from control_plane.accounts.models import User
from control_plane.common import valkey
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.identity.models import IdentityProvider, ProviderKind
from control_plane.identity.saml_metadata import MetadataRefused, read_metadata
from control_plane.identity.services.signin import ProviderFacts, add_provider
from control_plane.tenancy.models import Membership
from tests.control_plane.conftest import Cast
from tests.control_plane.identity.test_openid import own_domains
from tests.rigs.saml_provider import NAMES, Answer, SamlIdentityProvider, posted

TOM = "tom@school.example"


@pytest.fixture(scope="module")
def idp() -> SamlIdentityProvider:
    """One provider for the module."""
    return SamlIdentityProvider()


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    cache.clear()


def provider_of(cast: Cast, idp: SamlIdentityProvider, **values: Any) -> IdentityProvider:
    facts = {
        "kind": ProviderKind.SAML,
        "name": "School",
        "issuer": idp.entity_id,
        "sso_url": idp.sso_url,
        "certificate": idp.certificate,
        "domains": ["school.example", "school.example.evil.example"],
        "group_claim": "groups",
        "group_roles": {"teachers": Role.INSTRUCTOR},
    }
    return own_domains(add_provider(cast.studio, ProviderFacts(**facts | values), actor=cast.alice.actor))


def ask(client: Client, idp: SamlIdentityProvider, provider: IdentityProvider, **values: Any) -> Answer:
    begun = client.get(f"/accounts/saml/{provider.id}/login/")
    assert begun.status_code == 302
    assert begun["Location"].startswith(idp.sso_url)
    return Answer(idp.question(begun["Location"]), **{"address": TOM, "groups": ("teachers",)} | values)


def deliver(client: Client, provider: IdentityProvider, tree: Any) -> Any:
    # From the provider's page: no cookie of ours comes with it, as a browser does for SameSite=Lax.
    stranger = Client()
    text = b64encode(tree.encode()).decode() if isinstance(tree, str) else posted(tree)
    taken = stranger.post(f"/accounts/saml/{provider.id}/acs/", {"SAMLResponse": text})
    if taken.status_code == 403:
        assert "saml-response" not in stranger.cookies
        return taken
    assert taken.status_code == 302
    client.cookies["saml-response"] = stranger.cookies["saml-response"].value
    return client.get(taken["Location"])


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_a_provider_brings_a_teacher_into_its_studio(
    cast: Cast, idp: SamlIdentityProvider, client: Client
) -> None:
    provider = provider_of(cast, idp)
    answer = deliver(client, provider, idp.signed(ask(client, idp, provider)))
    assert (answer.status_code, is_in(client)) == (302, True)
    user = User.objects.get(email=TOM)
    with studio_scope(cast.studio.id):
        assert Membership.objects.get(user=user).role == "instructor"
    assert SocialAccount.objects.get(user=user).extra_data == {}
    assert client.get(f"/studio/{cast.studio.slug}/classes/").status_code == 200


def test_the_provider_learns_who_we_are(cast: Cast, idp: SamlIdentityProvider, client: Client) -> None:
    provider = provider_of(cast, idp)
    answer = client.get(f"/accounts/saml/{provider.id}/metadata/", headers={"host": "testserver"})
    tree = etree.fromstring(answer.content)
    assert tree.get("entityID").endswith(f"/accounts/saml/{provider.id}/metadata/")
    assert b'WantAssertionsSigned="true"' in answer.content
    assert f"/accounts/saml/{provider.id}/acs/".encode() in answer.content


def wrong(**values: Any) -> Callable[[SamlIdentityProvider, Answer], Any]:
    def spoil(idp: SamlIdentityProvider, answer: Answer) -> Any:
        for name, value in values.items():
            setattr(answer, name, value)
        return idp.signed(answer)

    return spoil


def changed(idp: SamlIdentityProvider, answer: Answer) -> Any:
    tree = idp.signed(answer)
    for value in tree.iterfind(".//saml:AttributeValue", NAMES):
        value.text = (value.text or "").replace("tom@", "ann@")
    return tree


def unsigned(idp: SamlIdentityProvider, answer: Answer) -> Any:
    return answer.xml()


def strangers(idp: SamlIdentityProvider, answer: Answer) -> Any:
    return SamlIdentityProvider().signed(answer)


def envelope_only(idp: SamlIdentityProvider, answer: Answer) -> Any:
    return idp.signed(answer, whole=True)


def wrapped(idp: SamlIdentityProvider, answer: Answer) -> Any:
    """A forged assertion in front, the signed one hidden beside it (XML signature wrapping)."""
    tree = idp.signed(answer)
    real = tree.find("saml:Assertion", NAMES)
    forged = deepcopy(real)
    forged.remove(forged.find("{http://www.w3.org/2000/09/xmldsig#}Signature"))
    forged.set("ID", "_forged")
    for value in forged.iterfind(".//saml:AttributeValue", NAMES):
        value.text = (value.text or "").replace("tom@", "ann@")
    tree.insert(tree.index(real), forged)
    return tree


def borrowed(idp: SamlIdentityProvider, answer: Answer) -> Any:
    """An answer to nobody's question, put into an envelope that names ours."""
    answer.confirms = ""
    return idp.signed(answer)


LONG_AGO = datetime.now(UTC) - timedelta(hours=3)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(changed, id="changed after signing"),
        pytest.param(unsigned, id="not signed"),
        pytest.param(strangers, id="signed by a stranger"),
        pytest.param(envelope_only, id="the assertion itself not signed"),
        pytest.param(wrapped, id="signature wrapping"),
        pytest.param(wrong(audience="https://other.example/"), id="for somebody else"),
        pytest.param(wrong(issuer="https://evil.example/entity"), id="from another issuer"),
        pytest.param(wrong(recipient="https://other.example/acs"), id="for another address"),
        pytest.param(wrong(destination="https://other.example/acs"), id="sent to another address"),
        pytest.param(wrong(issued_at=LONG_AGO), id="expired"),
        pytest.param(wrong(in_response_to=""), id="unsolicited"),
        pytest.param(wrong(in_response_to="_somebody-elses"), id="to another question"),
        pytest.param(wrong(confirms="_somebody-elses"), id="the signed part answers another question"),
        pytest.param(borrowed, id="an unsolicited assertion in a borrowed envelope"),
        pytest.param(wrong(address="tom@example.org"), id="outside of the domains"),
        pytest.param(wrong(groups=("cooks",)), id="no group with a role"),
        pytest.param(wrong(says_verified="false"), id="the address was never checked"),
    ],
)
def test_an_answer_that_is_not_right_lets_nobody_in(
    cast: Cast, idp: SamlIdentityProvider, client: Client, spoil: Callable[..., Any]
) -> None:
    provider = provider_of(cast, idp)
    refused = deliver(client, provider, spoil(idp, ask(client, idp, provider)))
    assert (refused.status_code, is_in(client)) == (403, False)
    assert b"did not sign you in" in refused.content
    assert not User.objects.filter(email__endswith="@school.example").exists()
    good = deliver(client, provider, idp.signed(ask(client, idp, provider)))
    assert (good.status_code, is_in(client)) == (302, True), "and it was not refused for another reason"


def test_an_answer_is_taken_once(cast: Cast, idp: SamlIdentityProvider) -> None:
    provider, first = provider_of(cast, idp), Client()
    tree = idp.signed(ask(first, idp, provider))
    assert deliver(first, provider, tree).status_code == 302
    first.logout()
    assert deliver(first, provider, tree).status_code == 403
    # Nor does the browser of somebody else who has asked as well take it.
    second = Client()
    ask(second, idp, provider)
    assert deliver(second, provider, tree).status_code == 403
    assert not is_in(second)


def test_an_assertion_is_spent_even_for_a_question_that_stands(cast: Cast, idp: SamlIdentityProvider) -> None:
    provider, asker = provider_of(cast, idp), Client()
    answer = ask(asker, idp, provider)
    tree = idp.signed(answer)
    session = asker.session
    states = session["socialaccount_states"]
    assert deliver(asker, provider, tree).status_code == 302
    later = Client()
    ask(later, idp, provider)
    session = later.session
    session["socialaccount_states"] = states
    session.save()
    assert deliver(later, provider, tree).status_code == 403


def test_one_providers_answer_is_not_anothers(
    cast: Cast, other: Cast, idp: SamlIdentityProvider, client: Client
) -> None:
    ours, theirs = provider_of(cast, idp), provider_of(other, idp)
    tree = idp.signed(ask(client, idp, ours))
    assert deliver(client, theirs, tree).status_code == 403
    assert not is_in(client)


@pytest.mark.parametrize("posted_", ["", "x", "\0", "PHg+", "A" * 10000])
def test_nonsense_is_refused_plainly(
    cast: Cast, idp: SamlIdentityProvider, client: Client, posted_: str
) -> None:
    provider = provider_of(cast, idp)
    taken = client.post(f"/accounts/saml/{provider.id}/acs/", {"SAMLResponse": posted_})
    assert taken.status_code == 403
    assert client.get(f"/accounts/saml/{provider.id}/finish/").status_code == 403


def test_an_answer_to_no_question_of_ours_is_not_kept(
    cast: Cast, other: Cast, idp: SamlIdentityProvider, client: Client
) -> None:
    provider, rival = provider_of(cast, idp), provider_of(other, idp)
    answer = ask(client, idp, provider)
    good = posted(idp.signed(answer))
    before = strangers_leave()
    for text in (
        "",
        "x",
        "A" * 200_001,
        good.replace("A", "B"),
        b64encode(b"<r InResponseTo='_x'/>").decode(),
    ):
        assert Client().post(f"/accounts/saml/{provider.id}/acs/", {"SAMLResponse": text}).status_code == 403
    assert Client().post(f"/accounts/saml/{rival.id}/acs/", {"SAMLResponse": good}).status_code == 403
    assert strangers_leave() == before
    assert Client().post(f"/accounts/saml/{provider.id}/acs/", {"SAMLResponse": good}).status_code == 302
    assert strangers_leave() == before + 1


def test_answers_have_an_end_and_a_bound(
    cast: Cast, idp: SamlIdentityProvider, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saml.RESPONSES, "_most", 3)
    provider = provider_of(cast, idp)
    text = posted(idp.signed(ask(client, idp, provider)))
    before, cookies = strangers_leave(), []
    for _ in range(10):
        stranger = Client()
        stranger.post(f"/accounts/saml/{provider.id}/acs/", {"SAMLResponse": text})
        cookies.append(stranger.cookies["saml-response"].value)
    assert strangers_leave() == before + 3
    for name in cookies[-3:]:
        assert 0 < valkey.client().ttl(cache.make_key(saml.RESPONSES._key(name))) <= 300
    assert saml.pop_response(cookies[0]) == ""
    assert saml.pop_response(cookies[-1]) == text
    assert saml.pop_response(cookies[-1]) == ""


def strangers_leave() -> int:
    """Returns how many rows of sessions, and answers of providers, are kept."""
    answers = valkey.client().scan_iter(cache.make_key(f"{PREFIX}:saml-response:of:*"), count=1000)
    return Session.objects.count() + len(list(answers))


def test_no_entity_is_resolved_and_a_comment_hides_nothing(cast: Cast, idp: SamlIdentityProvider) -> None:
    provider, asker = provider_of(cast, idp), Client()
    signed = etree.tostring(idp.signed(ask(asker, idp, provider))).decode()
    bomb = '<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + signed
    for text in (bomb, bomb.replace(TOM, "&e;")):
        assert deliver(asker, provider, text).status_code == 403
    # A comment is not signed: the holder of a valid answer may put one into it.
    eve = f"{TOM}.evil.example"
    signed = etree.tostring(idp.signed(ask(asker, idp, provider, address=eve))).decode()
    deliver(asker, provider, signed.replace(eve, eve.replace(TOM, f"{TOM}<!---->")))
    assert not User.objects.filter(email=TOM).exists()


def test_metadata_fills_in_the_provider(idp: SamlIdentityProvider) -> None:
    body = "".join(idp.certificate.splitlines()[1:-1])
    text = (
        f'<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{idp.entity_id}"><IDPSSODescriptor'
        ' protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing"><KeyInfo'
        f' xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{body}</X509Certificate></X509Data>'
        '</KeyInfo></KeyDescriptor><SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"'
        f' Location="{idp.sso_url}"/></IDPSSODescriptor></EntityDescriptor>'
    )
    found = read_metadata(text)
    assert (found.entity_id, found.sso_url) == (idp.entity_id, idp.sso_url)
    for nonsense in ("", "no", "<a/>", text.replace("IDPSSODescriptor", "SPSSODescriptor")):
        with pytest.raises(MetadataRefused):
            read_metadata(nonsense)
