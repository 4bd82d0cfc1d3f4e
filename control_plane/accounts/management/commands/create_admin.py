"""`manage create_admin EMAIL`: an admin account, and a link to sign in with."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from control_plane.accounts.models import User
from control_plane.accounts.services import create_signin_link, create_user
from control_plane.common.actors import Actor
from control_plane.common.errors import ControlPlaneError

ACTOR = Actor.system("manage create_admin")


class Command(BaseCommand):
    """Makes an account that may open the admin site; there is no default password, and none is set."""

    help = "Make (or find) an admin account and print a one-time sign-in link. No password is set."

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the address and the link's lifetime."""
        parser.add_argument("email")
        parser.add_argument("--name", default="", help="the name shown to others")
        parser.add_argument("--minutes", type=int, default=15, help="how long the link works (default: 15)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: the address or the lifetime is not fit.
        """
        try:
            user = User.objects.by_address(options["email"])
            if user is None:
                user = create_user(options["email"], actor=ACTOR, display_name=options["name"], is_staff=True)
            elif not user.is_staff:
                user.is_staff = True
                user.save(update_fields=["is_staff"])
            link = create_signin_link(user, actor=ACTOR, ttl=timedelta(minutes=options["minutes"]))
        except (ControlPlaneError, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(link)
