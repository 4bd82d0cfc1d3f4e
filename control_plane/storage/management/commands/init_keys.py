"""`manage init_keys`: makes the root key where there is none."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from control_plane.storage.roots.file import create_root_key


class Command(BaseCommand):
    """Makes the root key file; an existing one is never touched."""

    help = "Make the root key file (mode 0600) where there is none. Keep a copy of it apart from the footage."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: the file cannot be written.
        """
        path = settings.ROOT_KEY_FILE
        try:
            made = create_root_key(path)
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}") from error
        self.stdout.write(
            f"{path}: {'made; keep a copy apart from the footage' if made else 'kept as it is'}"
        )
