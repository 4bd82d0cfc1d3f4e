"""`manage audit_checkpoint`: takes the hourly checkpoint now if it is due, and copies all checkpoints to their sinks."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from control_plane.compliance.checkpointing import checkpoint_status, copy_to_sinks, take_checkpoint_when_due
from control_plane.compliance.signing import SigningKeyRefused


class Command(BaseCommand):
    """Does what the periodic task does, and prints the state of the checkpoints."""

    help = "Take a checkpoint of the audit chains if one is due, and copy all checkpoints to their sinks."

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: there is no signing key, or copies are late.
        """
        try:
            number = take_checkpoint_when_due()
        except SigningKeyRefused as error:
            raise CommandError(error.detail) from error
        made, now = copy_to_sinks(), checkpoint_status()
        self.stdout.write(f"taken: {number if number else 'none was due'}; copies made: {made}")
        self.stdout.write(
            f"the last is number {now.number}; sinks: {', '.join(now.sinks) or 'none'}"
            + ("" if now.leaves else " (none of them is off this machine)")
        )
        if now.copy_is_late:
            raise CommandError(
                "copies of checkpoints are late: the log names the sink that does not accept them"
            )
