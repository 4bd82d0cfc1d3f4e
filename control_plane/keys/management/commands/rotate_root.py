"""`manage rotate_root`: puts every studio's keys under the root key that is current now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict, ControlPlaneError
from control_plane.keys.configured import root_key
from control_plane.keys.roots.file import FileRootKey, add_root_key, drop_older_keys
from control_plane.keys.services.root_rotation import rewrap_under_root


class Command(BaseCommand):
    """Re-wraps rows, never footage; may be stopped and run again."""

    help = (
        "Put every studio's keys under the current root key, and check that each opens. Old and new key both work"
        " meanwhile. Stopped half-way, it goes on where it was."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds what may be done to a root key in a file."""
        parser.add_argument(
            "--new-key",
            action="store_true",
            help="First put a new key in front of those of the root key's file.",
        )
        parser.add_argument(
            "--drop-old",
            action="store_true",
            help="In a later run that finds nothing to move and all well: remove the older keys from the file."
            " Backups of the database from"
            " before this run then need a copy of the old file.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: something does not open or answer; it says what to do.
        """
        current = root_key().current
        in_file = current if isinstance(current, FileRootKey) else None
        if in_file is None and (options["new_key"] or options["drop_old"]):
            raise CommandError(
                "The root key is not in a file: make a new version where it is (`bao write -f transit/keys/NAME/rotate`,"
                " or another key of the KMS in THREEDANCE_ROOT_KEY), then run this without --new-key and --drop-old."
            )
        try:
            if in_file and options["new_key"]:
                self.stdout.write(f"new root key {add_root_key(in_file.path)}; keep a copy of the file")
            done = rewrap_under_root(actor=Actor.system("rotate_root"), on_studio=self._tell)
            self.stdout.write(
                f"{done.moved} put under {done.root_key_id}; all {done.checked} keys of studios open under it"
            )
            if in_file and options["drop_old"]:
                if done.moved:
                    # What is being made at this moment may be under an old one, in rows that nobody sees yet.
                    raise Conflict("The old keys stay until a run finds nothing to move")
                dropped = drop_older_keys(in_file.path)
                self.stdout.write(f"removed from the file: {', '.join(dropped) or 'nothing'}")
        except (ControlPlaneError, OSError) as error:
            raise CommandError(f"{error}. What was done stays; mend this and run it again.") from error

    def _tell(self, done: int, of: int) -> None:
        if done == of or done % 50 == 0:
            self.stdout.write(f"{done} of {of} studios")
