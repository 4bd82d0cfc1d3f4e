"""`manage check_keys`: checks that every key opens, and that database and key share store agree on destroyed keys."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from control_plane.common.actors import Actor
from control_plane.common.errors import ControlPlaneError
from control_plane.keys.services.key_check import check_all_keys


class Command(BaseCommand):
    """Checks every key without opening any footage."""

    help = (
        "Check that root key, key shares and database belong together; run it after a restore, or when `doctor` reports a"
        " problem. Destroys again each key share that a tombstone names. With --mark-destroyed, also marks keys as destroyed"
        " in a restored database whose shares have been destroyed since the backup."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the option that allows writes to the database."""
        parser.add_argument(
            "--mark-destroyed",
            action="store_true",
            help="Mark keys as destroyed in the database whose shares are destroyed.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: a key is lost or does not open, or the root key or the share store is unavailable.
        """
        try:
            found = check_all_keys(actor=Actor.system("check_keys"), mark_destroyed=options["mark_destroyed"])
        except ControlPlaneError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{found.open} keys open; {found.destroyed} have a destroyed share but are not marked in the database"
            f"{' (marked now)' if found.marked else ''}; {found.outdated} wait to be re-wrapped under newer keys"
        )
        if found.lost:
            raise CommandError(
                f"{len(found.lost)} keys are lost: {', '.join(found.lost[:5])}. Restore the key shares from their copy"
                " (`threedance manage key_shares restore FOLDER`). If the database was restored from a backup older than a"
                " retired generation of keys, restore a newer backup. These keys were not changed."
            )
        if found.destroyed and not found.marked:
            raise CommandError(
                "The database is older than the key shares: some recordings in it have been destroyed for good."
                " Run `threedance manage check_keys --mark-destroyed` to mark them."
            )
