"""Refuse footage while a disk of the server is nearly full: the database needs the rest."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings

from control_plane.common.errors import Unavailable
from shared.kernel.disk import DiskSpace

RETRY_AFTER_S = 30


def low_disks() -> list[DiskSpace]:
    """Returns the disks of the database and of the platform's own object folder that have no space for footage.

    Raises:
        OSError: a disk does not answer.
    """
    folders = [settings.STATE_DIR]
    store = urlsplit(settings.OBJECT_STORE_URL)
    if store.scheme == "file":
        folders.append(Path(unquote(store.path)))
    return [space for folder in folders if (space := DiskSpace.of(folder)).is_low]


def require_space() -> None:
    """Require disk space for footage.

    Raises:
        Unavailable: a disk is nearly full; agents keep their footage and retry.
    """
    if low_disks():
        raise Unavailable(
            "The server's disk is full. The agent keeps its footage and retries.",
            retry_after_s=RETRY_AFTER_S,
        )
