"""`manage create_admin EMAIL`: creates an account and prints a sign-in link for it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from control_plane.accounts.commands import add_lifetime, make_link
from control_plane.accounts.models import User
from control_plane.accounts.services import create_user
from control_plane.common.actors import Actor
from control_plane.common.commands import Refused
from control_plane.common.errors import ControlPlaneError

ACTOR = Actor.system("manage create_admin")


class Command(BaseCommand):
    """Only creates accounts; `signin_link` is for existing ones. Never sets a password."""

    help = "Create an account that belongs to no studio yet, and print a one-time sign-in link. No password is set."

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the address, the name and the link's lifetime."""
        parser.add_argument("email")
        parser.add_argument("--name", default="", help="the name shown to others")
        add_lifetime(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            Refused: the account exists, or the address or the lifetime is invalid; nothing is created.
        """
        found = User.objects.by_address(options["email"])
        if found is not None:
            raise Refused(
                f"there is already an account with the address {found.email}",
                hint=f"`threedance sign-in-link {found.email}` prints a link for it.",
            )
        try:
            with transaction.atomic():
                user = create_user(options["email"], actor=ACTOR, display_name=options["name"], is_staff=True)
                link, about = make_link(user, options["minutes"], actor=ACTOR)
        except ControlPlaneError as error:
            raise Refused(
                error.detail, hint="Correct it and run the command again; nothing was created."
            ) from error
        self.stderr.write(
            f"Created an account for {user.email}. It belongs to no studio yet: `threedance studio create SLUG --admin"
            f" {user.email}` creates one, or the admin of a studio invites this address.",
            str,
        )
        self.stderr.write(about, str)
        self.stdout.write(link)
