"""The few things the spool asks of a disk: one seam, so that tests can fill it and break it."""

import errno
import os
from pathlib import Path

from edge_agent.durable import sync_folder
from edge_agent.errors import SpoolBroken, SpoolError, SpoolFull

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Disk:
    """The file system that holds the spool."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def free_bytes(self) -> int:
        """Returns what an ordinary user may still write."""
        stat = os.statvfs(self._folder)
        return stat.f_bavail * stat.f_frsize

    def append(self, descriptor: int, data: memoryview) -> None:
        """Writes all of `data` at the end of an open file. Raises `OSError`; part of it may be written then."""
        while data:
            data = data[os.write(descriptor, data) :]

    def sync(self, descriptor: int) -> None:
        """Makes what was written to an open file survive a power cut. Raises `OSError`."""
        os.fdatasync(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """Renames within one folder, and makes the new name survive a power cut. Raises `OSError`."""
        os.rename(old, new)
        sync_folder(new.parent)


def spool_error(error: OSError) -> SpoolError:
    """Returns our error for what the disk answered."""
    text = error.strerror or str(error)
    return (
        SpoolFull(f"no room: {text}")
        if error.errno in _FULL
        else SpoolBroken(f"the disk refuses a write: {text}")
    )
