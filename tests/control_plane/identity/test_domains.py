"""Only a domain whose owner names the studio in DNS leads from an address to the studio's provider, or joins accounts."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone

from control_plane.accounts import dns_records
from control_plane.accounts.models import User
from control_plane.accounts.services import create_user, has_proven_address
from control_plane.administration import services
from control_plane.audit.models import Entry
from control_plane.common.errors import Forbidden, NotFound, Unavailable
from control_plane.common.roles import Role
from control_plane.common.scoping import capability_scope, studio_scope
from control_plane.identity.models import IdentityProvider
from control_plane.identity.selectors import providers_for
from control_plane.identity.services.domains import (
    prove_domain,
    recheck_proven_domains,
    record_name,
    record_text,
)
from control_plane.identity.services.signin import change_provider
from control_plane.identity.tasks import recheck_domains
from control_plane.plans.rate_limits import UNPROVEN
from tests.control_plane.accounts.test_sessions import HTML, enter
from tests.control_plane.conftest import SETUP, Cast
from tests.control_plane.identity.test_openid import facts, is_in, person, provider_of, sign_in
from tests.rigs.name_server import NameServer, name_server
from tests.rigs.openid_provider import OpenIDProvider, openid_provider

DOMAIN = "school.example"
TEACHER = f"tina@{DOMAIN}"


@pytest.fixture(scope="module")
def server() -> Iterator[OpenIDProvider]:
    """One provider for the module."""
    with openid_provider() as rig:
        yield rig


@pytest.fixture
def rig(server: OpenIDProvider, settings: Any) -> OpenIDProvider:
    """The provider, on the loopback."""
    settings.SIGNIN_NETWORKS = (ip_network("127.0.0.0/8"),)
    cache.clear()
    return server


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    """A name server that the control plane asks."""
    with name_server() as server:
        monkeypatch.setattr(dns_records, "system_resolver", server.resolver)
        yield server


@pytest.fixture
def claimed(cast: Cast, rig: OpenIDProvider) -> IdentityProvider:
    """A provider of Alice's studio that claims a domain and has proven none."""
    return provider_of(cast, rig, proven=False)


def publish(dns: NameServer, cast: Cast, domain: str = DOMAIN) -> None:
    dns.records[record_name(domain)] = ["v=spf1 -all", record_text(cast.studio.id)]


def find(address: str = TEACHER) -> str:
    return Client(headers=HTML).post("/sign-in/", {"email": address}).content.decode()


def acts(cast: Cast, name: str) -> list[Entry]:
    with studio_scope(cast.studio.id):
        return list(Entry.objects.filter(action=f"identity_provider.{name}"))


def test_a_claimed_domain_leads_nobody_to_a_provider(
    cast: Cast, other: Cast, rig: OpenIDProvider, claimed: IdentityProvider
) -> None:
    """A claimant of a foreign domain would get its people sent to a page that asks for their password."""
    page = find()
    assert "127.0.0.1" not in page
    assert str(claimed.id) not in page
    assert "Ask your studio for its sign-in link" in page
    with capability_scope("provider_domain", DOMAIN):
        assert not IdentityProvider.reachable.exists(), "row security holds it back as well"


def test_the_owner_of_a_domain_proves_it_on_the_page(
    cast: Cast, dns: NameServer, claimed: IdentityProvider
) -> None:
    alice = enter(cast.alice)
    page = f"/studio/{cast.studio.slug}/sign-in/{claimed.id}/"
    shown = alice.get(page).content.decode()
    assert record_name(DOMAIN) == "_threedance.school.example"
    for words in (
        record_name(DOMAIN),
        record_text(cast.studio.id),
        "Not verified",
        f"/sign-in/{claimed.id}/",
    ):
        assert words in shown
    early = alice.post(f"{page}domains/", {"domain": DOMAIN}, follow=True).content.decode()
    assert "No such record" in early
    publish(dns, cast)
    done = alice.post(f"{page}domains/", {"domain": DOMAIN}, follow=True).content.decode()
    assert f"{DOMAIN} is verified" in done
    found = find()
    assert cast.studio.name in found
    assert "127.0.0.1" in found
    assert f"/accounts/oidc/{claimed.id}/login/" in found
    (event,) = acts(cast, "domain_proven")
    assert (event.details, event.actor_id) == ({"domain": DOMAIN}, cast.alice.id)


@pytest.mark.parametrize("text", ["threedance-studio=", "threedance-studio=other", "studio"])
def test_a_record_that_names_another_studio_proves_nothing(
    cast: Cast, other: Cast, dns: NameServer, claimed: IdentityProvider, text: str
) -> None:
    said = record_text(other.studio.id) if text.endswith("other") else text
    dns.records[record_name(DOMAIN)] = [said, f"x{record_text(cast.studio.id)}"]
    dns.records[DOMAIN] = [record_text(cast.studio.id)]
    assert not prove_domain(claimed, DOMAIN, actor=cast.alice.actor)
    assert providers_for(DOMAIN) == []


def test_a_proof_is_of_one_domain_and_ends_with_its_claim(
    cast: Cast, dns: NameServer, rig: OpenIDProvider
) -> None:
    provider = provider_of(cast, rig, proven=False, domains=[DOMAIN, "college.example"])
    publish(dns, cast)
    assert prove_domain(provider, DOMAIN, actor=cast.alice.actor)
    assert providers_for("college.example") == []
    with pytest.raises(NotFound):
        prove_domain(provider, "elsewhere.example", actor=cast.alice.actor)
    assert "elsewhere.example" not in " ".join(dns.asked), "nothing is looked up that is not claimed"
    change_provider(provider, facts(rig, domains=["college.example"]), actor=cast.alice.actor)
    change_provider(provider, facts(rig, domains=[DOMAIN, "college.example"]), actor=cast.alice.actor)
    assert providers_for(DOMAIN) == []


def test_who_may_not_manage_the_studio_proves_nothing(
    cast: Cast, other: Cast, dns: NameServer, claimed: IdentityProvider
) -> None:
    publish(dns, cast)
    for actor, refusal in ((cast.ivan.actor, Forbidden), (other.alice.actor, NotFound)):
        with pytest.raises(refusal):
            prove_domain(claimed, DOMAIN, actor=actor)
    assert not dns.asked


def test_dns_that_does_not_answer_changes_nothing(
    cast: Cast, dns: NameServer, claimed: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_records, "LIFETIME_S", 0.5)
    publish(dns, cast)
    assert prove_domain(claimed, DOMAIN, actor=cast.alice.actor)
    dns.silent = True
    with pytest.raises(Unavailable):
        prove_domain(claimed, DOMAIN, actor=cast.alice.actor)
    assert recheck_proven_domains(cast.studio.id) == 0
    assert len(providers_for(DOMAIN)) == 1


def test_a_domain_that_has_gone_is_forgotten_the_next_day(
    cast: Cast, dns: NameServer, claimed: IdentityProvider
) -> None:
    publish(dns, cast)
    prove_domain(claimed, DOMAIN, actor=cast.alice.actor)
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        recheck_domains()
        (provider,) = providers_for(DOMAIN)
        assert datetime.fromisoformat(provider.proven_domains[DOMAIN]).date() == timezone.now().date()
    del dns.records[record_name(DOMAIN)]
    recheck_domains()
    assert providers_for(DOMAIN) == []
    (event,) = acts(cast, "domain_lost")
    assert (event.details, event.actor_job) == ({"domain": DOMAIN}, "identity.recheck_domains")


def test_a_studio_whose_dns_hangs_does_not_hold_up_the_others(
    cast: Cast, dns: NameServer, rig: OpenIDProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_records, "LIFETIME_S", 0.2)
    domains = [f"d{number}.example" for number in range(8)]
    provider = provider_of(cast, rig, proven=False, domains=domains)
    for domain in domains:
        publish(dns, cast, domain)
        prove_domain(provider, domain, actor=cast.alice.actor)
    dns.silent, dns.asked = True, []
    recheck_proven_domains(cast.studio.id)
    assert len(set(dns.asked)) == 2


def test_the_studios_own_link_shows_whose_provider_it_is(
    cast: Cast, rig: OpenIDProvider, claimed: IdentityProvider
) -> None:
    page = Client(headers=HTML).get(f"/sign-in/{claimed.id}/").content.decode()
    assert cast.studio.name in page
    assert "Continue to 127.0.0.1" in page
    assert f"/accounts/oidc/{claimed.id}/login/" in page
    change_provider(claimed, facts(rig, enabled=False), actor=cast.alice.actor)
    assert Client(headers=HTML).get(f"/sign-in/{claimed.id}/").status_code == 404


def test_a_name_that_deceives_does_not_hide_the_host(
    cast: Cast, other: Cast, dns: NameServer, rig: OpenIDProvider
) -> None:
    provider = provider_of(other, rig, proven=False, name=cast.studio.name)
    page = Client(headers=HTML).get(f"/sign-in/{provider.id}/").content.decode()
    assert other.studio.name in page
    assert cast.studio.name not in page
    assert "127.0.0.1" in page


def test_a_provider_makes_no_member_of_an_account_whose_domain_is_only_claimed(
    cast: Cast, other: Cast, rig: OpenIDProvider, dns: NameServer, claimed: IdentityProvider
) -> None:
    """The owner of a provider could make any member of another studio one of their own, without asking."""
    sub = person(rig, "heads")
    user = create_user(f"{sub}@{DOMAIN}", actor=SETUP, display_name="Tina of the other studio")
    services.add_member(other.studio, user, Role.VIEWER, actor=SETUP)
    browser = Client()
    assert sign_in(browser, rig, claimed, sub).status_code == 403
    assert (cast.role_of(user), is_in(browser)) == (None, False)
    publish(dns, cast)
    prove_domain(claimed, DOMAIN, actor=cast.alice.actor)
    assert sign_in(browser, rig, claimed, sub).status_code == 302
    assert (cast.role_of(user), is_in(browser)) == ("admin", True)


def test_a_member_by_invitation_signs_in_through_a_provider_without_proof(
    cast: Cast, rig: OpenIDProvider, claimed: IdentityProvider
) -> None:
    sub = person(rig, "teachers")
    user = create_user(f"{sub}@{DOMAIN}", actor=SETUP)
    services.add_member(cast.studio, user, Role.VIEWER, actor=SETUP)
    assert sign_in(Client(), rig, claimed, sub).status_code == 302
    assert cast.role_of(user) == "viewer"


@pytest.mark.parametrize("proven", [True, False])
def test_a_new_account_is_proven_where_the_domain_is(cast: Cast, rig: OpenIDProvider, proven: bool) -> None:
    provider, sub = provider_of(cast, rig, proven=proven), person(rig, "teachers")
    assert sign_in(Client(), rig, provider, sub).status_code == 302
    user = User.objects.get(email=f"{sub}@{DOMAIN}")
    assert has_proven_address(user) == proven
    assert EmailAddress.objects.get(user=user).verified == proven
    assert sign_in(Client(), rig, provider, sub).status_code == 302, "and comes again"


def test_accounts_for_strangers_addresses_are_bounded(
    cast: Cast, rig: OpenIDProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    from control_plane.plans import rate_limits

    monkeypatch.setattr(rate_limits, "UNPROVEN", type(UNPROVEN)(8, 8, UNPROVEN.within))
    provider = provider_of(cast, rig, proven=False)
    subs = [person(rig, "teachers") for _ in range(5)]
    # The studio began today with five members.
    assert [sign_in(Client(), rig, provider, sub).status_code for sub in subs] == [302, 302, 302, 403, 403]
    assert User.objects.filter(email__endswith=f"@{DOMAIN}").count() == 3


def test_the_database_itself_has_the_condition(cast: Cast, claimed: IdentityProvider) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT qual FROM pg_policies WHERE tablename = 'identity_identityprovider' AND policyname = 'by_domain'"
        )
        (condition,) = cursor.fetchone()
    assert "proven_domains" in condition
