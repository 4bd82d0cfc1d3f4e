"""`manage probe_store`: does the object store take, give back and forget an object?"""

import hashlib
import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from control_plane.common.errors import ControlPlaneError
from control_plane.storage.configured import object_store

PROBE_PREFIX = "probe"


class Command(BaseCommand):
    """Writes, reads and deletes one small object."""

    help = "Try the object store with a write, a read and a delete."

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs the command.

        Raises:
            CommandError: a step failed; the message names it.
        """
        store = object_store()
        body = secrets.token_bytes(1024)
        digest = hashlib.sha256(body).hexdigest()
        key = f"{PROBE_PREFIX}/{secrets.token_hex(8)}"
        step = "write"
        try:
            store.put(key, [body], size_bytes=len(body), sha256=digest)
            step = "read"
            if store.sha256(key) != digest:
                raise CommandError("the object store gave back other bytes than it took")
            step = "delete"
            store.delete(key)
        except ControlPlaneError as error:
            raise CommandError(f"the object store failed at {step}: {error}") from error
        self.stdout.write("the object store takes, gives back and forgets")
