"""How much space a disk has left, and from when on footage is not taken any more, so that the database never lacks any."""

import os
from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1 << 20
LOW_SHARE = 20
"""Below the 20th part of a disk its space is low,"""
LEAST_LOW_BYTES, MOST_LOW_BYTES = 64 * MEBIBYTE, 2048 * MEBIBYTE
"""but not above the second and always below the first: the write-ahead log alone comes in files of 16 MiB."""
LOW_INODES_SHARE, MOST_LOW_INODES = 100, 5_000
EXHAUSTED_BYTES = 48 * MEBIBYTE
"""Below this the database may fail at its next file."""


@dataclass(frozen=True)
class DiskSpace:
    """The space of the disk that a folder is on, as an unprivileged process may use it."""

    total_bytes: int
    free_bytes: int
    total_inodes: int
    """0 where the file system has no fixed number of them."""
    free_inodes: int
    is_read_only: bool = False

    @classmethod
    def of(cls, folder: Path) -> "DiskSpace":
        """Returns the space of the disk that holds `folder`, or would hold it where it is not there yet.

        Raises:
            OSError: the disk does not answer.
        """
        folder = folder.absolute()
        there = next(path for path in (folder, *folder.parents) if path.exists())
        told = os.statvfs(there)
        return cls(
            total_bytes=told.f_blocks * told.f_frsize,
            free_bytes=told.f_bavail * told.f_frsize,
            total_inodes=told.f_files,
            free_inodes=told.f_favail,
            is_read_only=bool(told.f_flag & os.ST_RDONLY),
        )

    @property
    def low_bytes(self) -> int:
        """Below so much free space no footage is taken."""
        return max(LEAST_LOW_BYTES, min(MOST_LOW_BYTES, self.total_bytes // LOW_SHARE))

    @property
    def is_low(self) -> bool:
        """Whether no footage is taken any more."""
        low_inodes = min(MOST_LOW_INODES, self.total_inodes // LOW_INODES_SHARE)
        lacks_inodes = self.total_inodes > 0 and self.free_inodes < low_inodes
        return self.is_read_only or lacks_inodes or self.free_bytes < self.low_bytes

    @property
    def is_exhausted(self) -> bool:
        """Whether the database itself is in danger."""
        return self.is_read_only or self.free_bytes < EXHAUSTED_BYTES

    def __str__(self) -> str:
        if self.is_read_only:
            return "read-only"
        inodes = f", {self.free_inodes} inodes" if self.total_inodes else ""
        return f"{self.free_bytes / 1e9:.1f} GB of {self.total_bytes / 1e9:.1f} GB free{inodes}"
