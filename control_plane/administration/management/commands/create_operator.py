"""`manage create_operator EMAIL`: creates a platform operator and prints a sign-in link."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from control_plane.accounts.commands import add_lifetime, make_link
from control_plane.accounts.models import User
from control_plane.administration.services import make_operator
from control_plane.common.actors import Actor
from control_plane.common.commands import Refused
from control_plane.common.errors import ControlPlaneError

ACTOR = Actor.system("manage create_operator")


class Command(BaseCommand):
    """Only the administrator of the server can make operators; no page on the web does."""

    help = "Make a person a platform operator, with an account if needed, and print a one-time sign-in link."

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the address and the link's lifetime."""
        parser.add_argument("email")
        parser.add_argument("--name", default="", help="the name shown to others, for a new account")
        add_lifetime(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            Refused: the address or the lifetime is invalid, or the account is disabled; nothing is created.
        """
        is_new = User.objects.by_address(options["email"]) is None
        try:
            with transaction.atomic():
                user = make_operator(options["email"], actor=ACTOR, display_name=options["name"])
                link, about = make_link(user, options["minutes"], actor=ACTOR)
        except ControlPlaneError as error:
            raise Refused(
                error.detail, hint="Correct it and run the command again; nothing was created."
            ) from error
        account = "Created an account" if is_new else "Using the existing account"
        self.stderr.write(f"{account} for {user.email}. It belongs to a platform operator now.", str)
        self.stderr.write(
            "The operator pages need a passkey or an authenticator app: open the link, then the name (top right), Passkeys"
            " and second factor.",
            str,
        )
        self.stderr.write(about, str)
        self.stdout.write(link)
