"""Free space of a disk, and the limit below which footage is refused so that the database never runs out."""

import os
from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1 << 20
LOW_SHARE = 20
"""Space is low below the 20th part of a disk,"""
LEAST_LOW_BYTES, MOST_LOW_BYTES = 64 * MEBIBYTE, 2048 * MEBIBYTE
"""but always below the first of these and never above the second: PostgreSQL alone writes its log in files of 16 MiB."""
LOW_INODES_SHARE, MOST_LOW_INODES = 100, 5_000
EXHAUSTED_BYTES = 48 * MEBIBYTE
"""Below this the database may fail to create its next file."""


@dataclass(frozen=True)
class DiskSpace:
    """Space on the disk of a folder that an unprivileged process may use."""

    total_bytes: int
    free_bytes: int
    total_inodes: int
    """0 where the file system has no fixed number."""
    free_inodes: int
    is_read_only: bool = False

    @classmethod
    def of(cls, folder: Path) -> "DiskSpace":
        """Returns the space of the disk of `folder`, or of its nearest parent that exists.

        Raises:
            OSError: the disk does not answer.
        """
        folder = folder.absolute()
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        stat = os.statvfs(existing)
        return cls(
            total_bytes=stat.f_blocks * stat.f_frsize,
            free_bytes=stat.f_bavail * stat.f_frsize,
            total_inodes=stat.f_files,
            free_inodes=stat.f_favail,
            is_read_only=bool(stat.f_flag & os.ST_RDONLY),
        )

    @property
    def low_bytes(self) -> int:
        """The limit of free space below which footage is refused."""
        return max(LEAST_LOW_BYTES, min(MOST_LOW_BYTES, self.total_bytes // LOW_SHARE))

    @property
    def is_low(self) -> bool:
        """Whether footage is refused."""
        low_inodes = min(MOST_LOW_INODES, self.total_inodes // LOW_INODES_SHARE)
        lacks_inodes = self.total_inodes > 0 and self.free_inodes < low_inodes
        return self.is_read_only or lacks_inodes or self.free_bytes < self.low_bytes

    @property
    def is_exhausted(self) -> bool:
        """Whether the database itself may fail."""
        return self.is_read_only or self.free_bytes < EXHAUSTED_BYTES

    def __str__(self) -> str:
        if self.is_read_only:
            return "read-only"
        inodes = f", {self.free_inodes} inodes" if self.total_inodes else ""
        return f"{self.free_bytes / 1e9:.1f} GB of {self.total_bytes / 1e9:.1f} GB free{inodes}"
