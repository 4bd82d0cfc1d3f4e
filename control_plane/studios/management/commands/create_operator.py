"""`manage create_operator EMAIL`: a platform operator, and a link to sign in with."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from control_plane.accounts.services import create_signin_link
from control_plane.common.actors import Actor
from control_plane.common.errors import ControlPlaneError
from control_plane.studios.services import make_operator

ACTOR = Actor.system("manage create_operator")


class Command(BaseCommand):
    """Makes an operator; whoever holds the server decides who runs the platform, and nobody on the web does."""

    help = "Make (or find) a platform operator and print a one-time sign-in link. No studio opens by it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the address and the link's lifetime."""
        parser.add_argument("email")
        parser.add_argument("--name", default="", help="the name shown to others, where the account is new")
        parser.add_argument("--minutes", type=int, default=15, help="how long the link works (default: 15)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: the address or the lifetime is not fit, or the account is switched off; nothing is made.
        """
        try:
            with transaction.atomic():
                user = make_operator(options["email"], actor=ACTOR, display_name=options["name"])
                link = create_signin_link(user, actor=ACTOR, ttl=timedelta(minutes=options["minutes"]))
        except (ControlPlaneError, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(link)
