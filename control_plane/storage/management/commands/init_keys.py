"""`manage init_keys`: creates the root key, the key share store and the platform's seed if they are missing."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from control_plane.common.errors import ControlPlaneError
from control_plane.keys.configured import key_share_store, root_key
from control_plane.keys.platform_secret import create_seed
from control_plane.keys.roots.file import create_root_key
from control_plane.storage.configured import require_separate_key_shares


class Command(BaseCommand):
    """Creates missing keys; existing ones are never changed."""

    help = "Create the root key's file (mode 0600), the key share store and the platform's seed if they are missing."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: one of them cannot be created; the message gives the reason.
        """
        path = settings.ROOT_KEY_FILE
        try:
            if not settings.ROOT_KEY_URL:
                made = create_root_key(path)
                self.stdout.write(
                    f"{path}: {'created; keep a copy apart from the footage' if made else 'exists, unchanged'}"
                )
            require_separate_key_shares()
            key_share_store().prepare()
            self.stdout.write(
                f"{key_share_store()!r}: ready; exclude it from the backups of database and footage"
            )
            if root_key().current.seed() is None:
                self.stdout.write(
                    f"the platform's seed: {'created' if create_seed() else 'exists, unchanged'}"
                )
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}") from error
        except (ControlPlaneError, ValueError) as error:
            raise CommandError(str(error)) from error
