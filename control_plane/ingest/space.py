"""No footage is taken while a disk of the server is nearly full: the database needs the rest more."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings

from control_plane.common.disk import DiskSpace
from control_plane.common.errors import Unavailable

RETRY_AFTER_S = 30


def require_space() -> None:
    """Passes where the disks of the database and of the platform's own object folder have space for footage.

    Raises:
        Unavailable: one has not; agents keep what they have and come again.
    """
    folders = [settings.STATE_DIR]
    store = urlsplit(settings.OBJECT_STORE_URL)
    if store.scheme == "file":
        folders.append(Path(unquote(store.path)))
    if any(DiskSpace.of(folder).is_low for folder in folders):
        raise Unavailable(
            "The server's disk is full: it takes no footage until there is space. The agent keeps what it has.",
            retry_after_s=RETRY_AFTER_S,
        )
