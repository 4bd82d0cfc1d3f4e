"""`manage repeat_erasures`: deletes erased dancers that a restored backup brought back."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from control_plane.common.errors import ControlPlaneError
from control_plane.common.scoping import studio_scope
from control_plane.data_requests.erasure import repeat_erasures
from control_plane.tenancy.selectors import studio_ids


class Command(BaseCommand):
    """Repeats the erasures that the key share store remembers."""

    help = (
        "Delete again each dancer that was erased after the backup was made. Run it after"
        " a restore, before people sign in; it also runs every night."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: the key share store cannot be read.
        """
        erased = 0
        try:
            for studio_id in studio_ids("repeat_erasures"):
                with studio_scope(studio_id):
                    erased += repeat_erasures()
        except ControlPlaneError as error:
            raise CommandError(f"{error} {erased} dancers were erased again before that.") from error
        self.stdout.write(f"{erased} dancers erased again")
