"""Operators: made and ended on the server itself, and given access to nothing by that."""

from io import StringIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from typer.testing import CliRunner

from control_plane.access import access
from control_plane.access import services as access_services
from control_plane.access.audit_events import BREAK_GLASS_CLOSED
from control_plane.access.models import BreakGlass
from control_plane.accounts.models import User
from control_plane.administration import services as administration_services
from control_plane.administration.audit_events import OPERATOR_ENDED, OPERATOR_MADE
from control_plane.administration.services.invitations import accept, invite
from control_plane.audit.events import AuditEvent
from control_plane.audit.models import Entry
from control_plane.audit.services import chain_scope
from control_plane.common.errors import Conflict, Forbidden
from control_plane.common.mail import NO_SERVER
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.fleet.permissions import VIEW_AGENTS
from control_plane.plans.services import create_plan
from control_plane.tenancy.permissions import VIEW_STUDIO
from launcher import cli
from tests.control_plane.conftest import SETUP, Cast

ADDRESS = "olga@platform.example"
REASON = "Camera 2 shows black since Monday, ticket 4711"
HTML = {"accept": "text/html"}


def made(address: str = ADDRESS) -> str:
    """Returns the token of the link that the command prints."""
    out = StringIO()
    call_command("create_operator", address, stdout=out, stderr=StringIO())
    return parse_qs(urlsplit(out.getvalue().strip()).query)["token"][0]


def on_record(act: AuditEvent) -> list[Entry]:
    with chain_scope(None):
        return list(Entry.objects.filter(action=act))


def add_factor(user: User) -> None:
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={})


def visit(cast: Cast, user: User) -> BreakGlass:
    return access_services.open_break_glass(
        cast.studio, user, [VIEW_STUDIO, VIEW_AGENTS], REASON, 1, actor=user.actor
    )


def test_the_link_signs_in_and_opens_nothing_without_a_second_factor(cast: Cast) -> None:
    client = Client(headers=HTML)
    assert client.post("/accounts/link/", {"token": made()}).status_code == 302
    olga = User.objects.get(email=ADDRESS)
    assert (olga.is_operator, olga.is_staff, olga.is_superuser) == (True, False, False)
    assert not olga.has_usable_password()
    assert client.get("/operator/").status_code == 403
    with pytest.raises(Forbidden, match="passkey"):
        visit(cast, olga)
    with pytest.raises(Forbidden, match="passkey"):
        create_plan(actor=olga.actor, slug="mine", name="Mine")
    add_factor(olga)
    assert client.get("/operator/").status_code == 200
    assert client.get(f"/studio/{cast.studio.slug}/classes/").status_code == 404


def test_that_somebody_became_an_operator_is_on_the_platforms_record_once(db: None) -> None:
    made()
    assert made(ADDRESS.upper())
    (entry,) = on_record(OPERATOR_MADE)
    assert entry.actor_job == "manage create_operator"
    assert entry.object_id == str(User.objects.get(email=ADDRESS).pk)
    assert ADDRESS not in str(entry.details)


def test_a_person_who_becomes_an_operator_signs_in_anew(cast: Cast) -> None:
    """A session that runs may be one for which a studio's identity provider alone vouches."""
    made(cast.sam.email)
    client = Client(headers=HTML)
    client.post("/accounts/link/", {"token": made(cast.vera.email)})
    assert client.get(f"/studio/{cast.studio.slug}/classes/").status_code == 200
    administration_services.end_operator(cast.vera, actor=SETUP)
    administration_services.make_operator(cast.vera.email, actor=SETUP)
    assert client.get(f"/studio/{cast.studio.slug}/classes/").status_code == 302


def test_ending_it_closes_every_visit_for_good(cast: Cast, other: Cast) -> None:
    made()
    olga = User.objects.get(email=ADDRESS)
    add_factor(olga)
    visit(cast, olga)
    visit(other, olga)
    call_command("end_operator", ADDRESS, stdout=StringIO())
    call_command("end_operator", ADDRESS, stdout=StringIO())
    assert len(on_record(OPERATOR_ENDED)) == 1
    assert len(on_record(BREAK_GLASS_CLOSED)) == 2
    made()
    for one in (cast, other):
        with studio_scope(one.studio.id):
            assert BreakGlass.objects.get().closed_at is not None
            assert not access.permissions(olga.actor, one.studio.id)


def test_nobody_on_the_web_makes_or_ends_an_operator(cast: Cast) -> None:
    for actor in (cast.alice.actor, cast.agent):
        with pytest.raises(Forbidden):
            administration_services.make_operator(cast.alice.email, actor=actor)
        with pytest.raises(Forbidden):
            administration_services.end_operator(cast.sam, actor=actor)
    assert not User.objects.filter(is_operator=True).exists()


def test_the_commands_say_what_is_wrong_and_make_nothing(cast: Cast) -> None:
    for arguments in (["nonsense"], ["new@example.org", "--minutes", "0"]):
        with pytest.raises(CommandError):
            call_command("create_operator", *arguments)
    assert not User.objects.filter(email="new@example.org").exists()
    with pytest.raises(CommandError, match="no account"):
        call_command("end_operator", "nobody@example.org")
    User.objects.filter(pk=cast.sam.pk).update(is_active=False)
    with pytest.raises(Conflict, match="disabled"):
        administration_services.make_operator(cast.sam.email, actor=SETUP)


def test_the_command_says_what_it_made_and_what_to_do_next(cast: Cast) -> None:
    for address, account in ((ADDRESS, "Created an account"), (ADDRESS, "Using the existing account")):
        words = StringIO()
        call_command("create_operator", address, stdout=StringIO(), stderr=words)
        assert f"{account} for {ADDRESS}. It belongs to a platform operator now." in words.getvalue()
        assert "need a passkey or an authenticator app" in words.getvalue()
        assert "once, within 15 min" in words.getvalue()


def test_the_program_hands_both_to_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []

    def manage(state: object, *arguments: str) -> int:
        called.append(arguments)
        return 0

    monkeypatch.setattr(cli, "_manage", manage)
    for word in ("create", "end"):
        assert CliRunner().invoke(cli.app, ["operator", word, ADDRESS]).exit_code == 0
    assert called == [("create_operator", ADDRESS), ("end_operator", ADDRESS)]


def test_an_account_that_somebody_else_may_have_entered_is_emptied_first(cast: Cast, settings: Any) -> None:
    """A reader of an invitation link that no mail carried is taken for its person, and may add a passkey."""
    settings.EMAIL_BACKEND = NO_SERVER
    offer = invite(cast.studio, ADDRESS, Role.VIEWER, actor=cast.alice.actor)
    olga = accept(offer.link.partition("token=")[2], user=None)
    assert not EmailAddress.objects.get(user=olga).verified
    add_factor(olga)
    olga.set_password("correct horse battery staple")
    olga.save()
    made()
    olga.refresh_from_db()
    assert olga.is_operator
    assert not olga.has_usable_password()
    assert not Authenticator.objects.filter(user=olga).exists()
