"""`manage init_keys`: makes the root key, the key shelf and the platform's seed where there are none."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from control_plane.common.errors import ControlPlaneError
from control_plane.keys.configured import key_shelf, root_key
from control_plane.keys.platform_secret import create_seed
from control_plane.keys.roots.file import create_root_key
from control_plane.storage.configured import require_shelf_apart


class Command(BaseCommand):
    """Makes what is not there; what is there is never touched."""

    help = "Make the root key's file (mode 0600), the key shelf and the platform's seed where there are none."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: one of them cannot be made; it says why.
        """
        path = settings.ROOT_KEY_FILE
        try:
            if not settings.ROOT_KEY_URL:
                made = create_root_key(path)
                self.stdout.write(
                    f"{path}: {'made; keep a copy apart from the footage' if made else 'kept as it is'}"
                )
            require_shelf_apart()
            key_shelf().prepare()
            self.stdout.write(f"{key_shelf()!r}: there; keep it out of the backups of database and footage")
            if root_key().current.seed() is None:
                self.stdout.write(f"the platform's seed: {'made' if create_seed() else 'kept as it is'}")
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}") from error
        except (ControlPlaneError, ValueError) as error:
            raise CommandError(str(error)) from error
