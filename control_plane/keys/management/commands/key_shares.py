"""`manage key_shares`: maintains one copy of the key share store, and restores lost shares from it."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from control_plane.common.errors import ControlPlaneError
from control_plane.keys.configured import key_share_store
from control_plane.keys.shares.folder import FolderShareStore
from control_plane.keys.shares.store import copy_shares


class Command(BaseCommand):
    """Copies shares in either direction. A share that was destroyed on either side stays destroyed."""

    help = (
        "copy FOLDER: make FOLDER the newest and only copy of the key shares; shares destroyed here are destroyed there."
        " restore FOLDER: bring back lost shares from the copy; destroyed shares stay destroyed, live ones stay alive."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the direction and the folder."""
        parser.add_argument("what", choices=("copy", "restore"))
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--destroy",
            action="store_true",
            help="restore: also destroy live shares here that were destroyed in the copy. Cannot be undone.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: the share store or the folder cannot be used.
        """
        folder: Path = options["folder"].absolute()
        if options["what"] == "restore" and not folder.is_dir():
            raise CommandError(f"{folder} is not a folder, so it holds no copy of the key shares")
        here, there = key_share_store(), FolderShareStore(folder)
        source, target = (here, there) if options["what"] == "copy" else (there, here)
        try:
            target.prepare()
            done = copy_shares(source, target, destroying=options["what"] == "copy" or options["destroy"])
        except ControlPlaneError as error:
            raise CommandError(f"{error}. What was copied stays; run the command again.") from error
        self.stdout.write(f"{done.kept} shares copied; {done.destroyed} live shares destroyed at the target")
        if options["what"] == "restore":
            self.stdout.write(
                "now run `check_keys`: it destroys again what was destroyed after the copy was made"
            )
        if done.spared:
            raise CommandError(
                f"{done.spared} shares are alive here but destroyed in the copy; they were not touched. `check_keys`"
                " destroys those that this database has tombstones for. If the copy belongs to this installation and"
                " they were destroyed on purpose, run this again with --destroy. That cannot be undone."
            )
