"""The command that makes a studio makes all of it, or nothing."""

from io import StringIO
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.core.management import call_command
from django.urls import resolve

from control_plane.accounts.models import User
from control_plane.accounts.services import use_signin_link
from control_plane.common.commands import Refused
from control_plane.common.roles import Role
from control_plane.tenancy.selectors import own_memberships, studio_ids


def test_a_studio_its_admin_and_a_way_in(db: None) -> None:
    out, words = StringIO(), StringIO()
    call_command(
        "create_studio",
        "left-foot",
        "--admin",
        "Owner@example.org",
        "--time-zone",
        "Europe/Berlin",
        stdout=out,
        stderr=words,
    )
    printed = words.getvalue()
    assert f"Created the studio Left Foot, with its keys: {settings.PUBLIC_URL}/studio/left-foot/" in printed
    assert "Its first admin is owner@example.org (a new account)." in printed
    assert "Next: open the link below" in printed
    assert "once, within 15 min" in printed
    assert "threedance sign-in-link owner@example.org" in printed
    assert resolve("/studio/left-foot/").view_name == "portal:studio"
    owner = use_signin_link(parse_qs(urlsplit(out.getvalue().strip()).query)["token"][0])
    assert owner is not None
    assert owner.email == "owner@example.org"
    (membership,) = own_memberships(owner.id)
    assert membership.role == Role.ADMIN
    assert (membership.studio.name, membership.studio.time_zone) == ("Left Foot", "Europe/Berlin")


@pytest.mark.parametrize(
    "arguments",
    [
        ["Bad Slug", "--admin", "owner@example.org"],
        ["good", "--admin", "nobody"],
        ["good", "--admin", "owner@example.org", "--time-zone", "Mars/Base"],
    ],
)
def test_a_wrong_value_makes_nothing(db: None, arguments: list[str]) -> None:
    before = studio_ids("test")
    with pytest.raises(Refused) as refused:
        call_command("create_studio", *arguments)
    assert refused.value.hint
    assert studio_ids("test") == before
    assert not User.objects.filter(email="owner@example.org").exists()


def test_a_slug_that_is_taken_and_an_account_that_is_switched_off_make_nothing(db: None) -> None:
    words = StringIO()
    call_command("create_studio", "one", "--admin", "a@example.org", stdout=StringIO(), stderr=words)
    call_command("create_studio", "two", "--admin", "A@example.org", stdout=StringIO(), stderr=words)
    assert "a@example.org (an existing account)" in words.getvalue()
    before = studio_ids("test")
    with pytest.raises(Refused, match="already a studio at 'one'") as refused:
        call_command("create_studio", "one", "--admin", "b@example.org")
    assert "another slug" in refused.value.hint
    User.objects.update(is_active=False)
    with pytest.raises(Refused, match="disabled"):
        call_command("create_studio", "three", "--admin", "a@example.org")
    assert studio_ids("test") == before
    assert User.objects.count() == 1
