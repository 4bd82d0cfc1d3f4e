"""`manage signin_link EMAIL`: a link that signs in somebody who has an account."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from control_plane.accounts.commands import add_lifetime, make_link
from control_plane.accounts.models import User
from control_plane.common.actors import Actor
from control_plane.common.commands import Refused

ACTOR = Actor.system("manage signin_link")


class Command(BaseCommand):
    """Makes a link for an account that exists, and never an account: a typing error would make a stray one."""

    help = "Print a one-time sign-in link for somebody who has an account."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the address and the link's lifetime."""
        parser.add_argument("email")
        add_lifetime(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command.

        Raises:
            Refused: nobody has this address, the account is switched off, or the lifetime is out of range.
        """
        user = User.objects.by_address(options["email"])
        if user is None:
            raise Refused(
                f"there is no account with the address {options['email']}",
                hint="Check the spelling. For a new person: an admin of a studio invites them (People, Invite), or"
                " `threedance studio create` makes a studio with its first admin.",
            )
        link, about = make_link(user, options["minutes"], actor=ACTOR)
        self.stderr.write(about, str)
        self.stdout.write(link)
