"""An invitation is accepted once, by the invited person, and says nothing to anybody else."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone

from control_plane.accounts.models import User
from control_plane.accounts.services import create_user
from control_plane.administration import services
from control_plane.administration.services.invitations import accept, invite, revoke, send_again
from control_plane.common.errors import BadRequest, Conflict, ControlPlaneError, Forbidden, NotFound
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.tenancy.models import Invitation, Membership
from tests.control_plane.conftest import SETUP, Cast

NEW = "nora@example.org"
HTML = {"accept": "text/html"}


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    cache.clear()


@pytest.fixture
def no_mail(settings: Any) -> None:
    """No mail server is set."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"


def mailed_link() -> str:
    found = re.search(r"https?://\S+/invitation/\S+", str(mail.outbox[-1].body))
    assert found is not None
    return found[0]


def token_of(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_a_new_person_joins_by_mail(cast: Cast, client: Client) -> None:
    offer = invite(cast.studio, NEW.upper(), Role.INSTRUCTOR, actor=cast.alice.actor)
    assert offer.link == ""
    assert mail.outbox[-1].to == [NEW]
    assert cast.studio.name in str(mail.outbox[-1].subject)
    link = mailed_link()
    for _ in range(3):
        page = client.get(link)
        assert cast.studio.name in page.content.decode()
    assert client.post("/invitation/", {"token": token_of(link)}).status_code == 302
    user = User.objects.get(email=NEW)
    assert (client.session["_auth_user_id"], cast.role_of(user)) == (str(user.id), "instructor")
    assert EmailAddress.objects.get(user=user).verified
    again = Client()
    assert again.post("/invitation/", {"token": token_of(link)}).status_code == 410
    assert not is_in(again)


def test_without_a_mail_server_the_link_is_shown_once(cast: Cast, no_mail: None) -> None:
    admin = Client(headers=HTML)
    admin.force_login(cast.alice, backend="django.contrib.auth.backends.ModelBackend")
    page = f"/studio/{cast.studio.slug}/people/invitations/"
    shown = admin.post(page, {"email": NEW, "role": "viewer"}).content.decode()
    found = re.search(r"/invitation/\?token=([\w-]{43})", shown)
    assert found is not None
    assert found[1] not in admin.get(page).content.decode()
    assert NEW in admin.get(page).content.decode()
    with studio_scope(cast.studio.id):
        row = Invitation.objects.get()
    assert found[1].encode() not in bytes(row.token_sha256)
    assert len(bytes(row.token_sha256)) == 32
    client = Client()
    assert client.post("/invitation/", {"token": found[1]}).status_code == 302
    assert not EmailAddress.objects.get(user__email=NEW).verified, (
        "the admin saw the link: nobody proved the mailbox"
    )


def test_an_account_that_exists_is_not_entered_by_an_invitation(
    cast: Cast, no_mail: None, client: Client
) -> None:
    nora = create_user(NEW, actor=SETUP)
    link = invite(cast.studio, NEW, Role.VIEWER, actor=cast.alice.actor).link
    answer = client.post("/invitation/", {"token": token_of(link)})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/?next=")
    assert not is_in(client)
    assert cast.role_of(nora) is None
    client.force_login(nora, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post("/invitation/", {"token": token_of(link)}).status_code == 302
    assert cast.role_of(nora) == "viewer"


@pytest.mark.parametrize("by_mail", [True, False])
def test_inviting_does_not_tell_whether_an_address_has_an_account(
    cast: Cast, settings: Any, by_mail: bool
) -> None:
    if not by_mail:
        settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    create_user("known@example.org", actor=SETUP)
    admin = Client(headers=HTML)
    admin.force_login(cast.alice, backend="django.contrib.auth.backends.ModelBackend")
    page = f"/studio/{cast.studio.slug}/people/invitations/"
    answers = []
    for name in ("known", "stranger"):
        answer = admin.post(page, {"email": f"{name}@example.org", "role": "viewer"}, follow=True)
        assert answer.status_code == 200
        with studio_scope(cast.studio.id):
            row = Invitation.objects.get(email=f"{name}@example.org")
        revoke(row, actor=cast.alice.actor)
        text = answer.content.decode().partition("<main")[2]
        text = re.sub(r"token=[\w-]{43}|[0-9a-f-]{36}|csrfmiddlewaretoken[^>]*", "", text)
        answers.append(text.partition('id="waiting"')[0].replace(name, "NAME"))
    assert answers[0] == answers[1]


def test_an_invitation_is_for_its_address_alone(cast: Cast, client: Client) -> None:
    invite(cast.studio, NEW, Role.ADMIN, actor=cast.alice.actor)
    token = token_of(mailed_link())
    client.force_login(cast.sam, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post("/invitation/", {"token": token}).status_code == 403
    assert cast.role_of(cast.sam) is None
    with pytest.raises(Forbidden):
        accept(token, user=cast.sam)


def test_the_first_to_prove_a_mailbox_has_the_account_alone(
    cast: Cast, other: Cast, settings: Any, client: Client
) -> None:
    """An admin who made an account for somebody else's address is out as soon as its owner comes."""
    backend, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "django.core.mail.backends.dummy.EmailBackend"
    thief = Client()
    thief.post(
        "/invitation/",
        {"token": token_of(invite(other.studio, NEW, Role.VIEWER, actor=other.alice.actor).link)},
    )
    nora = User.objects.get(email=NEW)
    nora.set_password("what the thief knows")
    nora.save()
    Authenticator.objects.create(user=nora, type="webauthn", data={})
    thief.force_login(nora, backend="django.contrib.auth.backends.ModelBackend")
    settings.EMAIL_BACKEND = backend
    invite(cast.studio, NEW, Role.INSTRUCTOR, actor=cast.alice.actor)
    assert client.post("/invitation/", {"token": token_of(mailed_link())}).status_code == 302
    assert is_in(client)
    assert thief.get("/", headers=HTML).status_code == 302
    nora.refresh_from_db()
    assert not nora.has_usable_password()
    assert not Authenticator.objects.filter(user=nora).exists()


def test_an_invitation_lives_seven_days_and_can_be_renewed(cast: Cast) -> None:
    offer = invite(cast.studio, NEW, Role.VIEWER, actor=cast.alice.actor)
    first = token_of(mailed_link())
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=1)):
        with pytest.raises(NotFound):
            accept(first, user=None)
        send_again(offer.invitation, actor=cast.alice.actor)
        second = token_of(mailed_link())
        assert second != first
        with pytest.raises(NotFound):
            accept(first, user=None)
        assert accept(second, user=None).email == NEW


def test_an_invitation_taken_back_is_dead_at_once(cast: Cast) -> None:
    offer = invite(cast.studio, NEW, Role.VIEWER, actor=cast.alice.actor)
    revoke(offer.invitation, actor=cast.alice.actor)
    with pytest.raises(NotFound):
        accept(token_of(mailed_link()), user=None)
    with pytest.raises(Conflict):
        send_again(offer.invitation, actor=cast.alice.actor)
    invite(cast.studio, NEW, Role.VIEWER, actor=cast.alice.actor)


def test_unknown_used_expired_and_taken_back_look_alike(cast: Cast, client: Client) -> None:
    offer = invite(cast.studio, NEW, Role.VIEWER, actor=cast.alice.actor)
    link = mailed_link()
    revoke(offer.invitation, actor=cast.alice.actor)
    unknown, dead = client.get("/invitation/?token=x"), client.get(link)
    assert (unknown.status_code, dead.status_code) == (410, 410)
    pages = [
        re.sub(rb'data-now="[^"]*"|"X-CSRFToken": "[^"]*"', b"", page.content) for page in (unknown, dead)
    ]
    assert pages[0] == pages[1]


def test_a_membership_may_end_by_itself(cast: Cast) -> None:
    ends_at = timezone.now() + timedelta(days=30)
    invite(cast.studio, NEW, Role.VIEWER, actor=cast.alice.actor, ends_at=ends_at)
    user = accept(token_of(mailed_link()), user=None)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    page = f"/studio/{cast.studio.slug}/classes/"
    assert client.get(page).status_code == 200
    with time_machine.travel(ends_at + timedelta(seconds=1)):
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        assert client.get(page).status_code == 404


def test_who_may_not_manage_people_invites_nobody(cast: Cast, other: Cast) -> None:
    for actor in (cast.ivan.actor, cast.vera.actor, other.alice.actor, cast.sam.actor):
        with pytest.raises(ControlPlaneError):
            invite(cast.studio, NEW, Role.VIEWER, actor=actor)
    assert not mail.outbox


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"address": "no address"}, BadRequest),
        ({"ends_at": timezone.now() - timedelta(days=1)}, BadRequest),
        ({"role": Role.ADMIN, "ends_at": timezone.now() + timedelta(days=1)}, BadRequest),
    ],
)
def test_a_wrong_invitation_is_refused(cast: Cast, values: dict[str, Any], error: type[Exception]) -> None:
    wanted = {"address": NEW, "role": Role.VIEWER} | values
    with pytest.raises(error):
        invite(cast.studio, **wanted, actor=cast.alice.actor)


def test_nobody_is_invited_twice_nor_when_a_member(cast: Cast) -> None:
    invite(cast.studio, NEW, Role.VIEWER, actor=cast.alice.actor)
    with pytest.raises(Conflict, match="invited already"):
        invite(cast.studio, NEW, Role.ADMIN, actor=cast.alice.actor)
    with pytest.raises(Conflict, match="member already"):
        invite(cast.studio, cast.vera.email.upper(), Role.ADMIN, actor=cast.alice.actor)


def test_of_many_at_once_one_joins(committed: Cast) -> None:
    invite(committed.studio, NEW, Role.VIEWER, actor=committed.alice.actor)
    nora = create_user(NEW, actor=SETUP)
    token, threads = token_of(mailed_link()), 6
    together = Barrier(threads)

    def join(_: int) -> bool:
        try:
            together.wait(30)
            accept(token, user=nora)
        except NotFound:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(threads) as pool:
        assert sorted(pool.map(join, range(threads))) == [False] * (threads - 1) + [True]
    services.remove_member(committed.membership(nora), actor=SETUP)


@pytest.mark.parametrize("how", ["removed", "demoted"])
def test_an_invitation_is_worth_no_more_than_its_maker(cast: Cast, no_mail: None, how: str) -> None:
    """Or an admin who is about to go would leave a way back in."""
    with studio_scope(cast.studio.id):
        ivan = Membership.objects.get(user=cast.ivan)
    services.change_role(ivan, Role.ADMIN, actor=cast.alice.actor)
    offer = invite(cast.studio, "ivan.again@home.example", Role.ADMIN, actor=cast.ivan.actor)
    if how == "removed":
        services.remove_member(ivan, actor=cast.alice.actor)
    else:
        services.change_role(ivan, Role.INSTRUCTOR, actor=cast.alice.actor)
    with pytest.raises(NotFound):
        accept(token_of(offer.link), user=None)
    assert not User.objects.filter(email="ivan.again@home.example").exists()
    # Somebody who may can stand for it.
    again = send_again(offer.invitation, actor=cast.alice.actor)
    assert accept(token_of(again.link), user=None).email == "ivan.again@home.example"
