"""The command that makes a studio makes all of it, or nothing."""

from io import StringIO
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command

from control_plane.accounts.models import User
from control_plane.accounts.services import use_signin_link
from control_plane.studios.models import Role
from control_plane.studios.selectors import own_memberships, studio_ids


def test_a_studio_its_admin_and_a_way_in(db: None) -> None:
    out = StringIO()
    call_command(
        "create_studio",
        "left-foot",
        "--admin",
        "Owner@example.org",
        "--time-zone",
        "Europe/Berlin",
        stdout=out,
    )
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
    with pytest.raises(CommandError):
        call_command("create_studio", *arguments)
    assert studio_ids("test") == before
    assert not User.objects.filter(email="owner@example.org").exists()
