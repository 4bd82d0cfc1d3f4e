"""A studio sees and ends only its own part of a person's sessions; other studios' are not touched."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from control_plane.accounts.models import User
from control_plane.accounts.services import create_signin_link
from control_plane.administration import services
from control_plane.audit.models import Entry
from control_plane.common.errors import Forbidden, NotFound
from control_plane.common.mail import NO_SERVER
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.identity.services.signin import change_signin_policy
from control_plane.tenancy.models import Membership
from tests.control_plane.accounts.test_sessions import HTML, PASSWORD, another, enter, is_in
from tests.control_plane.conftest import SETUP, Cast

PROGRAM = {"accept": "application/json"}


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    cache.clear()


@pytest.fixture
def both(cast: Cast, other: Cast) -> User:
    """Vera, who belongs to both studios."""
    services.add_member(other.studio, cast.vera, Role.VIEWER, actor=SETUP)
    return cast.vera


def classes(cast: Cast) -> str:
    return f"/studio/{cast.studio.slug}/classes/"


def status(client: Client, cast: Cast) -> int:
    return client.get(classes(cast)).status_code


def people(cast: Cast, user: User) -> tuple[Client, str]:
    """Alice at the page of a member of her studio."""
    return enter(cast.alice), f"/studio/{cast.studio.slug}/people/{cast.membership(user).id}/"


def test_ending_sessions_closes_this_studio_alone(cast: Cast, other: Cast, both: User) -> None:
    places = [enter(both), another(both)]
    alice, page = people(cast, both)
    answer = alice.post(f"{page}sessions/end/", follow=True)
    assert "must sign in again" in answer.content.decode()
    assert [status(client, cast) for client in places] == [403, 403]
    assert [status(client, other) for client in places] == [200, 200]
    assert all(is_in(client) for client in places)
    assert status(alice, cast) == 200
    with studio_scope(cast.studio.id):
        (event,) = Entry.objects.filter(action="member.sessions_ended")
        assert event.details == {"user": str(both.id)}
    with studio_scope(other.studio.id):
        assert not Entry.objects.filter(action__contains="sessions").exists()


def test_ending_sessions_leaves_another_studios_member_the_first_password(
    cast: Cast, other: Cast, both: User, settings: Any
) -> None:
    """A first password is the account's, which is not this studio's alone."""
    settings.EMAIL_BACKEND = NO_SERVER
    client = Client(headers=HTML)
    client.post("/accounts/link/", {"token": create_signin_link(both, actor=SETUP).partition("token=")[2]})
    services.end_member_sessions(cast.membership(both), actor=cast.alice.actor)
    assert (status(client, cast), status(client, other)) == (403, 200)
    assert "You cannot sign in again yet" in client.get(classes(other)).content.decode()
    posted = {"password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/accounts/welcome/", posted)["Location"] == "/"
    both.refresh_from_db()
    assert both.check_password(PASSWORD)


def test_the_person_is_told_why_and_comes_back_by_the_password(cast: Cast, both: User) -> None:
    client, elsewhere = enter(both), another(both)
    services.end_member_sessions(cast.membership(both), actor=cast.alice.actor)
    page = client.get(classes(cast)).content.decode()
    assert "An admin of this studio ended your sessions on" in page
    assert f"/accounts/reauthenticate/?next=/studio/{cast.studio.slug}/classes/" in page
    answer = client.get(f"/api/v1/studios/{cast.studio.slug}/classes/", headers=PROGRAM)
    assert (answer.status_code, "ended your sessions" in answer.json()["detail"]) == (401, True)
    wrong = client.post(f"/accounts/reauthenticate/?next={classes(cast)}", {"password": "wrong"})
    assert (wrong.status_code, status(client, cast)) == (200, 403)
    back = client.post(f"/accounts/reauthenticate/?next={classes(cast)}", {"password": PASSWORD})
    assert back["Location"] == classes(cast)
    assert status(client, cast) == 200
    assert status(elsewhere, cast) == 403, "each place shows for itself who it is"
    assert status(another(both), cast) == 200


def test_a_person_with_nothing_to_sign_in_with_is_led_to_a_way_that_exists(cast: Cast, settings: Any) -> None:
    client = Client(headers=HTML)
    client.post(
        "/accounts/link/", {"token": create_signin_link(cast.vera, actor=SETUP).partition("token=")[2]}
    )
    assert status(client, cast) == 200
    services.end_member_sessions(cast.membership(cast.vera), actor=cast.alice.actor)
    assert "Forgot your password?" in client.get(classes(cast)).content.decode()
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    page = client.get(classes(cast)).content.decode()
    assert "Forgot your password?" not in page
    assert "Ask an admin of the studio for a new sign-in link" in page
    client.post(
        "/accounts/link/", {"token": create_signin_link(cast.vera, actor=SETUP).partition("token=")[2]}
    )
    assert status(client, cast) == 200


def test_only_who_manages_people_ends_sessions(cast: Cast, other: Cast) -> None:
    client = enter(cast.vera)
    for actor, refusal in ((other.alice.actor, NotFound), (cast.ivan.actor, Forbidden)):
        with pytest.raises(refusal):
            services.end_member_sessions(cast.membership(cast.vera), actor=actor)
    assert status(client, cast) == 200


def test_a_studio_may_ask_for_shorter_sessions_and_ends_none(cast: Cast, other: Cast, both: User) -> None:
    change_signin_policy(cast.studio, actor=cast.alice.actor, session_hours=2, idle_minutes=30)
    client, now = enter(both), timezone.now()
    for minutes in (25, 50, 75, 100, 119):
        with time_machine.travel(now + timedelta(minutes=minutes)):
            assert status(client, cast) == 200
    with time_machine.travel(now + timedelta(minutes=121)):
        assert (status(client, cast), status(client, other)) == (403, 200)
        assert "requires a new sign-in" in client.get(classes(cast)).content.decode()
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        assert status(client, cast) == 200


@pytest.mark.parametrize("first", ["classes", "home", "other"])
def test_a_long_pause_counts_whichever_page_comes_first(
    cast: Cast, other: Cast, both: User, first: str
) -> None:
    change_signin_policy(cast.studio, actor=cast.alice.actor, idle_minutes=30)
    client, now = enter(both), timezone.now()
    page = {"classes": classes(cast), "home": "/?all=1", "other": classes(other)}[first]
    with time_machine.travel(now + timedelta(minutes=31)):
        client.get(page)
        assert (status(client, cast), status(client, other)) == (403, 200)
    with time_machine.travel(now + timedelta(minutes=45)):
        assert status(client, cast) == 403
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        assert status(client, cast) == 200
    with time_machine.travel(now + timedelta(minutes=80)):
        assert status(client, cast) == 403


def test_when_a_member_was_here_is_when_they_were_in_this_studio(cast: Cast, other: Cast, both: User) -> None:
    start = timezone.now()
    client = enter(both)
    alice, page = people(cast, both)
    assert "never active" in alice.get(page).content.decode()
    status(client, other)
    assert "never active" in alice.get(page).content.decode()
    assert status(client, cast) == 200
    seen = cast.membership(both).last_seen_at
    assert seen is not None
    assert "last active" in alice.get(page).content.decode()
    with time_machine.travel(start + timedelta(minutes=59)):
        status(client, cast)
        assert cast.membership(both).last_seen_at == seen, "once in an hour is enough"
    with time_machine.travel(start + timedelta(hours=2)):
        status(client, other)
        assert cast.membership(both).last_seen_at == seen
        status(client, cast)
        later = cast.membership(both).last_seen_at
        assert later is not None
        assert later > seen


def test_a_refused_visit_is_no_visit(cast: Cast, both: User) -> None:
    client = enter(both)
    services.end_member_sessions(cast.membership(both), actor=cast.alice.actor)
    assert status(client, cast) == 403
    assert cast.membership(both).last_seen_at is None


def test_a_second_factor_is_shown_as_far_as_it_was_used_in_this_studio(
    cast: Cast, other: Cast, both: User
) -> None:
    client = enter(both)
    assert status(client, cast) == 200
    TOTP.activate(both, "JBSWY3DPEHPK3PXP")
    alice, page = people(cast, both)
    text = alice.get(page).content.decode()
    assert "signed in without a second factor" in text
    listed = alice.get(f"/studio/{cast.studio.slug}/people/?q={both.email}").content.decode()
    assert "Not used" in listed
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        session = client.session
        session["account_authentication_methods"] = [
            *session["account_authentication_methods"],
            {"method": "mfa", "at": timezone.now().timestamp(), "type": "totp"},
        ]
        session.save()
        assert status(client, cast) == 200
        assert "signed in with a second factor" in alice.get(page).content.decode()
    Authenticator.objects.filter(user=both).delete()
    with studio_scope(other.studio.id):
        assert Membership.objects.get(user=both).seen_with_factor is None


@pytest.mark.parametrize("path", ["accounts/user", "tenancy/membership"])
def test_the_admin_site_shows_nothing_of_the_account_elsewhere(
    cast: Cast, other: Cast, both: User, path: str
) -> None:
    status(enter(both), other)
    both.refresh_from_db()
    assert both.last_login is not None
    alice = enter(cast.alice)
    listed = alice.get(f"/admin/{path}/").content.decode()
    key = both.id if path == "accounts/user" else cast.membership(both).id
    page = alice.get(f"/admin/{path}/{key}/change/").content.decode()
    assert both.email in page
    for text in (listed, page):
        assert "last_login" not in text
        assert "Last login" not in text
