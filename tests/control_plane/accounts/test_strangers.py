"""Signed-out visitors leave no rows but a bounded number of audit events."""

import re
import secrets
from uuid import uuid4

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.test import Client

from control_plane.accounts import session_store, signin_audit
from control_plane.accounts.bounded_cache import PREFIX, BoundedCache
from control_plane.accounts.session_store import SessionStore
from control_plane.audit.models import Entry
from control_plane.audit.services import chain_scope
from control_plane.common import valkey
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.identity.test_saml import provider_of
from tests.matrix.policy import read_policy
from tests.rigs.saml_provider import SamlIdentityProvider

MAY_GROW = {"audit_entry"}
VALUES = {
    "email": "x@example.org", "login": "x@example.org", "password": "wrong wrong wrong", "address": "x@example.org",
    "token": "x" * 43, "code": "123456", "next": "/studio/demo/", "SAMLResponse": "PHI+PC9yPg==",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    cache.clear()


def rows_written() -> dict[str, int]:
    """Returns how many rows this transaction has put into each table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, n_tup_ins FROM pg_stat_xact_user_tables WHERE n_tup_ins > 0")
        return dict(cursor.fetchall())


def pending(kind: str) -> int:
    """Returns how many things of a kind are kept."""
    found = valkey.client().scan_iter(cache.make_key(f"{PREFIX}:{kind}:of:*"), count=1000)
    return len(list(found))


def path_of(address: str, provider: str) -> str:
    """Returns an address with something in the place of its parameters."""
    address = address.replace("(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$", "1-set-password/").replace("^", "")
    address = address.replace("<uuid:provider_id>", provider)
    return "/" + re.sub(r"<(?:\w+:)?\w+>", "x", address)


OPEN = sorted(
    {
        (rule.address, method)
        for rule in read_policy().rules
        for method in rule.methods
        if rule.who in ("anyone", "bearer") and method in ("GET", "POST", "PUT")
    }
)


@pytest.mark.parametrize(("address", "method"), OPEN, ids=[f"{method} {address}" for address, method in OPEN])
def test_no_address_that_is_open_to_all_leaves_rows_behind(cast: Cast, address: str, method: str) -> None:
    provider = str(provider_of(cast, SamlIdentityProvider()).id)
    before = rows_written()
    for accept in ("text/html", "application/json"):
        client = Client(headers={"accept": accept, "x-requested-with": "XMLHttpRequest"})
        if method == "GET":
            client.get(path_of(address, provider), {"next": "/studio/demo/"})
        else:
            client.generic(method, path_of(address, provider), "", content_type="application/json")
            client.post(path_of(address, provider), VALUES)
    after = rows_written()
    assert {name for name in after if after[name] != before.get(name)} <= MAY_GROW


def test_ways_to_a_provider_are_kept_for_an_hour_and_have_a_bound(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_store.ANONYMOUS, "_most", 5)
    provider, clients = provider_of(cast, SamlIdentityProvider()), []
    for _ in range(12):
        clients.append(Client())
        assert clients[-1].get(f"/accounts/saml/{provider.id}/login/").status_code == 302
    assert Session.objects.count() == 0
    assert pending("session") == 5
    assert "socialaccount_states" in clients[-1].session
    key = cache.make_key(session_store.ANONYMOUS._key(str(clients[-1].session.session_key)))
    assert 0 < valkey.client().ttl(key) <= 3600
    assert "socialaccount_states" not in SessionStore(clients[0].cookies["session"].value)


def test_a_session_becomes_a_row_when_somebody_signs_in(cast: Cast) -> None:
    client = Client()
    session = client.session
    session["way"] = "to a provider"
    session.save()
    assert (Session.objects.count(), pending("session")) == (0, 1)
    before = str(session.session_key)
    client.cookies["session"] = before
    client.force_login(cast.vera, backend="django.contrib.auth.backends.ModelBackend")
    assert client.session["way"] == "to a provider"
    assert SESSION_KEY in client.session
    assert (Session.objects.count(), pending("session")) == (1, 0)
    assert client.session.session_key != before
    assert SessionStore(before).load() == {}
    client.post("/accounts/logout/")
    assert Session.objects.count() == 0


def test_a_session_that_was_ended_does_not_come_back(cast: Cast) -> None:
    client = as_person(cast.vera)
    at_work = SessionStore(client.session.session_key)
    at_work["note"] = "x"
    client.post("/accounts/logout/")
    with pytest.raises(UpdateError):
        at_work.save()
    assert Session.objects.count() == 0
    assert pending("session") == 0


def test_somebody_unknown_may_not_leave_much_in_one_session(client: Client) -> None:
    session = client.session
    session["x"] = secrets.token_hex(5000)  # nothing that compresses
    with pytest.raises(SessionInterrupted):
        session.save()


@pytest.mark.parametrize("key", ["a" * 32, "x" * 4000, "../" * 10, "é" * 32, "A" * 32, "\x7f" * 32])
def test_a_made_up_session_is_none(db: None, key: str) -> None:
    assert SessionStore(key).load() == {}


def test_refused_sign_ins_are_counted_where_they_are_many(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signin_audit, "FAILURES_AN_HOUR", 4)
    monkeypatch.setattr(signin_audit, "FAILURES_OF_NOBODY_AN_HOUR", 8)
    for _ in range(100):
        signin_audit.record_failure(cast.vera, method="password")
        signin_audit.record_failure(None, method="provider", provider=str(uuid4()))
    with chain_scope(None):
        entries = [row for row in Entry.objects.order_by("sequence") if row.action == "signin.failed"]
    of_vera = [row.details for row in entries if row.object_id == str(cast.vera.id)]
    assert [details.get("this_hour") for details in of_vera] == [None] * 4 + [8, 16, 32, 64]
    assert len(entries) - len(of_vera) == 8 + 3
    # Somebody else's are written all the same.
    signin_audit.record_failure(cast.ivan, method="password")
    with chain_scope(None):
        assert Entry.objects.filter(action="signin.failed", object_id=str(cast.ivan.id)).count() == 1


def test_what_is_kept_has_a_size_and_can_be_replaced(db: None) -> None:
    kept = BoundedCache("test", most=2, largest_chars=4, lifetime_s=60)
    with pytest.raises(ValueError, match="more than 4"):
        kept.put("a", "12345")
    kept.put("a", "1")
    kept.put("a", "2")
    kept.put("b", "3")
    assert (kept.get("a"), kept.get("b")) == ("2", "3")
    kept.put("c", "4")
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (None, "3", "4")
    assert kept.delete("b")
    assert not kept.delete("b")
