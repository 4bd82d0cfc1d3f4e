"""`manage create_studio SLUG`: a studio with its keys and its first admin, and a link for the admin to sign in with."""

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
    """Makes a studio; whoever holds the server makes studios, everything after that is done by their admins."""

    help = "Make a studio with its keys and first admin, and print a one-time sign-in link for that admin."

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the studio's own values and its admin's address."""
        parser.add_argument("slug", help="its place in addresses, such as demo-dance")
        parser.add_argument(
            "--admin", required=True, metavar="EMAIL", help="the first admin, made where unknown"
        )
        parser.add_argument("--name", default="", help="the name on screen (default: from the slug)")
        parser.add_argument("--time-zone", default="UTC", help="such as Europe/Berlin (default: UTC)")
        parser.add_argument("--accent", default="", help="its colour on screen, such as #e8467c")

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            Refused: a value breaks a rule, the slug is taken, or the account is switched off; nothing is made.
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
                    # Whoever made it may hold its password; from here on only the link below opens it.
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
            raise Refused(error.detail, hint="Choose another slug; nothing was made.") from error
        except ControlPlaneError as error:
            raise Refused(
                error.detail, hint="Correct it and run the command again; nothing was made."
            ) from error
        account = "an account was made" if is_new else "who had an account already"
        for line in (
            f"Made the studio {name}, with its keys: {settings.PUBLIC_URL}/studio/{options['slug']}/",
            f"Its first admin is {admin.email} ({account}).",
            "What to do next: open the link below in a browser, set a password or a passkey, then add a room, an agent and"
            f" its cameras. Another link, should this one run out: `threedance sign-in-link {admin.email}`.",
            about,
        ):
            self.stderr.write(line, str)
        self.stdout.write(link)
