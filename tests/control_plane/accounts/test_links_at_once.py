"""A link is made or opened at the very moment at which the account becomes worth more than the studio."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from allauth.account.utils import perform_login
from allauth.mfa import signals
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client, RequestFactory

from control_plane.accounts.models import SigninLink
from control_plane.accounts.services import create_signin_link
from control_plane.administration import services
from control_plane.administration.services import signin_links
from control_plane.administration.services.signin_links import create_member_link, is_limited_to
from control_plane.common.mail import NO_SERVER
from control_plane.common.roles import Role
from tests.control_plane.accounts.test_factors import KEY
from tests.control_plane.accounts.test_sessions import HTML, PASSWORD, is_in
from tests.control_plane.accounts.test_way_back import use
from tests.control_plane.conftest import SETUP, Cast, make_cast
from tests.control_plane.lock_waits import wait_until_done_or_held

TIMEOUT_S = 60


@pytest.fixture(autouse=True)
def _no_mail_no_memory(settings: Any) -> None:
    cache.clear()
    settings.EMAIL_BACKEND = NO_SERVER


@pytest.fixture
def elsewhere(committed: Cast) -> Cast:
    """Another studio, committed."""
    return make_cast()


def on_own_connection(write: Callable[[], object]) -> None:
    try:
        write()
    finally:
        connection.close()


def set_password(cast: Cast, elsewhere: Cast) -> Callable[[], object]:
    owner, where = use(create_signin_link(cast.vera, actor=SETUP))
    return lambda: owner.post(where, {"password1": PASSWORD, "password2": PASSWORD})


def add_factor(cast: Cast, elsewhere: Cast) -> Callable[[], object]:
    owner, _ = use(create_signin_link(cast.vera, actor=SETUP))
    request = RequestFactory().post("/")
    request.session, request.user = owner.session, cast.vera

    def write() -> None:
        # All in one transaction, so that its row is not seen before the links have been ended.
        with transaction.atomic():
            factor = TOTP.activate(cast.vera, KEY).instance
            signals.authenticator_added.send(
                Authenticator, request=request, user=cast.vera, authenticator=factor
            )

    return write


def join_elsewhere(cast: Cast, elsewhere: Cast) -> Callable[[], object]:
    return lambda: services.add_member(elsewhere.studio, cast.vera, Role.VIEWER, actor=SETUP)


@pytest.mark.parametrize("change", [set_password, add_factor, join_elsewhere], ids=lambda one: one.__name__)
def test_no_link_is_left_that_was_made_while_the_account_became_worth_more(
    committed: Cast, elsewhere: Cast, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    cast = committed
    write, member = change(cast, elsewhere), cast.membership(cast.vera)
    asked, go_on = Event(), Event()

    def held(*args: Any, **kwargs: Any) -> bool:
        answer = is_limited_to(*args, **kwargs)
        asked.set()
        assert go_on.wait(TIMEOUT_S)
        return answer

    monkeypatch.setattr(signin_links, "is_limited_to", held)
    with ThreadPoolExecutor(2) as pool:
        made = pool.submit(on_own_connection, lambda: create_member_link(member, actor=cast.alice.actor))
        try:
            assert asked.wait(TIMEOUT_S)
            changed = pool.submit(on_own_connection, write)
            wait_until_done_or_held(changed.done)
        finally:
            go_on.set()
        made.result(TIMEOUT_S)
        changed.result(TIMEOUT_S)
    assert not SigninLink.objects.filter(used_at=None).exists()


def test_no_session_is_left_that_began_while_the_person_joined_elsewhere(
    committed: Cast, elsewhere: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = create_member_link(committed.membership(committed.vera), actor=committed.alice.actor)
    joins = join_elsewhere(committed, elsewhere)
    joined: list[Future[None]] = []

    with ThreadPoolExecutor(1) as pool:

        def held(*args: Any, **kwargs: Any) -> Any:
            """The link is spent, and nobody is signed in by it yet."""
            joined.append(pool.submit(on_own_connection, joins))
            wait_until_done_or_held(joined[0].done)
            # Before the middleware saves the session.
            transaction.on_commit(lambda: joined[0].result(TIMEOUT_S))
            return perform_login(*args, **kwargs)

        monkeypatch.setattr("control_plane.accounts.views.perform_login", held)
        thief = Client(headers=HTML)
        answer = thief.post("/accounts/link/", {"token": link.partition("token=")[2]})
        joined[0].result(TIMEOUT_S)
    assert answer.status_code in (302, 400), "400: Django says so of a session that ends below a request"
    assert not is_in(thief)
