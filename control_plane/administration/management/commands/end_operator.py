"""`manage end_operator EMAIL`: revokes a platform operator, and ends all break-glass access of theirs."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from control_plane.accounts.models import User
from control_plane.administration.services import end_operator
from control_plane.common.actors import Actor
from control_plane.common.commands import Refused

ACTOR = Actor.system("manage end_operator")


class Command(BaseCommand):
    """Undoes `create_operator`. The account and its memberships stay."""

    help = "Revoke a platform operator, and end all their break-glass access at once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the address."""
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            Refused: nobody has this address.
        """
        user = User.objects.by_address(options["email"])
        if user is None:
            raise Refused(
                f"there is no account with the address {options['email']}", hint="Check the spelling."
            )
        end_operator(user, actor=ACTOR)
        self.stdout.write(f"{user.email} is no longer an operator.")
