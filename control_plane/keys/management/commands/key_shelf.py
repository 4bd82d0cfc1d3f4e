"""`manage key_shelf`: keeps one copy of the key shelf, and brings back from it what was lost."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from control_plane.common.errors import ControlPlaneError
from control_plane.keys.configured import key_shelf
from control_plane.keys.shelf.folder import FolderShelf
from control_plane.keys.shelf.shelf import copy_shelf


class Command(BaseCommand):
    """Copies in one direction or the other; what was destroyed on either side stays so."""

    help = (
        "copy FOLDER: make FOLDER the newest and only copy of the key shelf, destroying there what was destroyed here."
        " restore FOLDER: bring back what the shelf has lost; what was destroyed stays destroyed,"
        " and what lives stays alive."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds direction and folder."""
        parser.add_argument("what", choices=("copy", "restore"))
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--destroy",
            action="store_true",
            help="restore: also destroy for good what lives here and was destroyed in the copy.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: one of the two cannot be used.
        """
        folder: Path = options["folder"].absolute()
        if options["what"] == "restore" and not folder.is_dir():
            raise CommandError(f"{folder} is no folder: it holds no copy of a key shelf")
        here, there = key_shelf(), FolderShelf(folder)
        source, target = (here, there) if options["what"] == "copy" else (there, here)
        try:
            target.prepare()
            done = copy_shelf(source, target, destroying=options["what"] == "copy" or options["destroy"])
        except ControlPlaneError as error:
            raise CommandError(f"{error}. What was copied stays; run it again.") from error
        self.stdout.write(f"{done.kept} entries; {done.destroyed} destroyed there that lived")
        if options["what"] == "restore":
            self.stdout.write(
                "now run `check_keys`: it destroys again what was destroyed since the copy was made"
            )
        if done.spared:
            raise CommandError(
                f"{done.spared} entries live here that were destroyed in the copy; they were left alive. `check_keys`"
                " destroys what this database knows of. Is it this installation's copy, and were they destroyed on"
                " purpose? Then run this again with --destroy: nothing brings them back."
            )
