"""`manage audit_key`: prints the public key that checkpoints and exports are signed with."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from control_plane.compliance.signing import SigningKeyRefused, public_key


class Command(BaseCommand):
    """Prints one line. Keep a copy of it: with it, signatures can be checked without trusting this machine."""

    help = "Print the public key of checkpoints and exports."

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: there is no usable key.
        """
        try:
            self.stdout.write(public_key())
        except SigningKeyRefused as error:
            raise CommandError(error.detail) from error
