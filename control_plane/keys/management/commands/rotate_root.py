"""`manage rotate_root`: re-wraps every studio's keys under the current root key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict, ControlPlaneError
from control_plane.keys.configured import root_key
from control_plane.keys.roots.file import FileRootKey, add_root_key, drop_older_keys
from control_plane.keys.services.root_rotation import rewrap_under_root


class Command(BaseCommand):
    """Re-wraps rows, never footage. Can be interrupted and run again."""

    help = (
        "Re-wrap every studio's keys under the current root key, and check that each opens. Old and new root key both"
        " work meanwhile. An interrupted run continues where it stopped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the options for a root key in a file."""
        parser.add_argument(
            "--new-key",
            action="store_true",
            help="First add a new current key to the root key file.",
        )
        parser.add_argument(
            "--drop-old",
            action="store_true",
            help="Remove the older keys from the root key file. Works only in a later run that finds nothing left to"
            " re-wrap. Database backups from before this run then need a copy of the old file.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: a key does not open, or the root key is unavailable; the message says what to do.
        """
        current = root_key().current
        in_file = current if isinstance(current, FileRootKey) else None
        if in_file is None and (options["new_key"] or options["drop_old"]):
            raise CommandError(
                "The root key is not in a file. Make a new version in its holder (`bao write -f transit/keys/NAME/rotate`,"
                " or another KMS key in THREEDANCE_ROOT_KEY), then run this without --new-key and --drop-old."
            )
        try:
            if in_file and options["new_key"]:
                self.stdout.write(f"new root key {add_root_key(in_file.path)}; keep a copy of the file")
            done = rewrap_under_root(actor=Actor.system("rotate_root"), on_studio=self._print_progress)
            self.stdout.write(
                f"{done.rewrapped} re-wrapped under {done.root_key_id}; all {done.checked} studio keys open under it"
            )
            if in_file and options["drop_old"]:
                if done.rewrapped:
                    # A transaction that is still open may insert a row wrapped under an old key; this run cannot see it.
                    raise Conflict("The old keys stay until a run finds nothing to re-wrap")
                dropped = drop_older_keys(in_file.path)
                self.stdout.write(f"removed from the file: {', '.join(dropped) or 'nothing'}")
        except (ControlPlaneError, OSError) as error:
            raise CommandError(f"{error}. What was done stays; fix this and run it again.") from error

    def _print_progress(self, done: int, of: int) -> None:
        if done == of or done % 50 == 0:
            self.stdout.write(f"{done} of {of} studios")
