"""`manage prepare_store`: creates the bucket of an S3 store and allows portal pages to read from it."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from control_plane.storage.configured import object_store
from control_plane.storage.errors import StoreRefused, StoreUnavailable
from control_plane.storage.s3 import S3Store


class Command(BaseCommand):
    """Prepares an S3 store for the first class; a local folder needs no preparation."""

    help = "Create the bucket of THREEDANCE_OBJECT_STORE if it is missing, and allow THREEDANCE_PUBLIC_URL to read it."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: the store does not answer or refuses the request.
        """
        store = object_store()
        if not isinstance(store, S3Store):
            self.stdout.write("the store is a local folder: nothing to prepare")
            return
        try:
            store.ensure_bucket()
            store.allow_cors(settings.PUBLIC_URL)
        except (StoreRefused, StoreUnavailable) as error:
            raise CommandError(error.detail) from error
        self.stdout.write(f"bucket {store.bucket} is ready, and {settings.PUBLIC_URL} may read from it")
