"""`manage signin_link EMAIL`: prints a one-time sign-in link for an existing account."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from control_plane.accounts.commands import add_lifetime, make_link
from control_plane.accounts.models import User
from control_plane.common.actors import Actor
from control_plane.common.commands import Refused

ACTOR = Actor.system("manage signin_link")


class Command(BaseCommand):
    """Never creates an account, because a typing error would create a stray one."""

    help = "Print a one-time sign-in link for a person with an account."

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the address and the link's lifetime."""
        parser.add_argument("email")
        add_lifetime(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            Refused: nobody has this address, the account is disabled, or the lifetime is out of range.
        """
        user = User.objects.by_address(options["email"])
        if user is None:
            raise Refused(
                f"there is no account with the address {options['email']}",
                hint="Check the spelling. A new person is invited by an admin of a studio (People, Invite);"
                " `threedance studio create` creates a studio with its first admin.",
            )
        link, about = make_link(user, options["minutes"], actor=ACTOR)
        self.stderr.write(about, str)
        self.stdout.write(link)
