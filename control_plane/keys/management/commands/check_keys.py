"""`manage check_keys`: does every key open, and does the database agree with the shelf about what was destroyed?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from control_plane.common.actors import Actor
from control_plane.common.errors import ControlPlaneError
from control_plane.keys.services.key_check import check_all_keys


class Command(BaseCommand):
    """Looks at every key without opening any footage."""

    help = (
        "Look whether root key, key shelf and database fit together: after a restore, or when `doctor` says so. What"
        " tombstones name is destroyed again on the shelf; with --mend, what the shelf says was destroyed is marked so"
        " in a database that has been restored from before."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds whether to write."""
        parser.add_argument(
            "--mend", action="store_true", help="Mark in the database what the shelf says is destroyed."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: a key is lost, does not open, or a holder does not answer.
        """
        try:
            found = check_all_keys(actor=Actor.system("check_keys"), mend=options["mend"])
        except ControlPlaneError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{found.open} keys open; {found.destroyed} destroyed on the shelf but not in the database"
            f"{' (marked now)' if found.mended else ''}; {found.older} wait to be put under newer keys"
        )
        if found.lost:
            raise CommandError(
                f"{len(found.lost)} keys are not to be had: {', '.join(found.lost[:5])}. Bring the key shelf back from"
                " its copy (`threedance manage key_shelf restore FOLDER`); or, where the database was restored from a"
                " backup that is older than a retired generation of keys, restore a newer one. Nothing of them was changed."
            )
        if found.destroyed and not found.mended:
            raise CommandError(
                "The database is older than the shelf. Run `threedance manage check_keys --mend`: the recordings are"
                " gone for good, and it should say so."
            )
