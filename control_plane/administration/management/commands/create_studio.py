"""`manage create_studio SLUG`: creates a studio with its keys and first admin, and prints a sign-in link for the admin."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from control_plane.accounts.commands import account_disabled, make_link
from control_plane.accounts.models import User
from control_plane.accounts.services import claim_address, create_user, has_proven_address
from control_plane.administration.services import create_studio
from control_plane.common.actors import Actor
from control_plane.common.commands import Refused
from control_plane.common.errors import Conflict, ControlPlaneError

ACTOR = Actor.system("manage create_studio")


class Command(BaseCommand):
    """The administrator of the server creates studios; their admins do everything after that."""

    help = "Create a studio with its keys and first admin, and print a one-time sign-in link for that admin."

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the studio's values and its admin's address."""
        parser.add_argument("slug", help="the name in URLs, such as demo-dance")
        parser.add_argument(
            "--admin",
            required=True,
            metavar="EMAIL",
            help="the first admin; the account is created if needed",
        )
        parser.add_argument("--name", default="", help="the name on screen (default: from the slug)")
        parser.add_argument("--time-zone", default="UTC", help="such as Europe/Berlin (default: UTC)")
        parser.add_argument("--accent", default="", help="the colour on screen, such as #e8467c")

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            Refused: a value is invalid, the slug is taken, or the account is disabled; nothing is created.
        """
        name = options["name"] or options["slug"].replace("-", " ").title()
        try:
            with transaction.atomic():
                admin = User.objects.by_address(options["admin"])
                is_new = admin is None
                if admin is not None and not admin.is_active:
                    # Check this first: otherwise a key share would be made for a studio that is then rolled back.
                    raise account_disabled(admin)
                if admin is not None and not has_proven_address(admin):
                    # The person who registered the account may know its password; from now on only the link below opens it.
                    claim_address(admin, actor=ACTOR)
                admin = admin or create_user(options["admin"], actor=ACTOR, is_staff=True)
                create_studio(
                    slug=options["slug"],
                    name=name,
                    actor=ACTOR,
                    admin=admin,
                    time_zone=options["time_zone"],
                    accent=options["accent"],
                )
                link, about = make_link(admin, actor=ACTOR)
        except Conflict as error:
            raise Refused(error.detail, hint="Choose another slug; nothing was created.") from error
        except ControlPlaneError as error:
            raise Refused(
                error.detail, hint="Correct it and run the command again; nothing was created."
            ) from error
        account = "a new account" if is_new else "an existing account"
        for line in (
            f"Created the studio {name}, with its keys: {settings.PUBLIC_URL}/studio/{options['slug']}/",
            f"Its first admin is {admin.email} ({account}).",
            "Next: open the link below in a browser, set a password or a passkey, then add a room, an agent and its cameras."
            f" If the link expires, `threedance sign-in-link {admin.email}` prints another.",
            about,
        ):
            self.stderr.write(line, str)
        self.stdout.write(link)
