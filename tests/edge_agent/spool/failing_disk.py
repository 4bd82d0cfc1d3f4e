"""A disk that refuses what a test has it refuse."""

import errno
from pathlib import Path

from edge_agent.files import Files
from shared.protocol.ids import SegmentId


class FailingDisk(Files):
    """A disk that writes `half` a blob and then refuses, while `error` is set."""

    def __init__(self) -> None:
        self.error: int | None = None
        self.free: int | None = None
        self.refused = 0
        self.no_cuts = False
        self.no_names: int | None = None
        """With what it refuses to make a file or a folder."""
        self.bad: SegmentId | None = None
        """A segment whose object cannot be renamed."""

    def make_folder(self, folder: Path) -> None:
        self._name()
        super().make_folder(folder)

    def open_append(self, path: Path, *, mode: int = 0o600) -> int:
        self._name()
        return super().open_append(path, mode=mode)

    def _name(self) -> None:
        if self.no_names is not None:
            raise OSError(self.no_names, "the disk says no")

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        if self.no_cuts:
            raise OSError(errno.EIO, "the disk says no")
        super().truncate(descriptor, size_bytes)

    def free_bytes(self, folder: Path) -> int:
        return super().free_bytes(folder) if self.free is None else self.free

    def append(self, descriptor: int, data: memoryview) -> None:
        if self.error is not None:
            self.refused += 1
            super().append(descriptor, data[: len(data) // 2])
            raise OSError(self.error, "the disk says no")
        super().append(descriptor, data)

    def rename(self, old: Path, new: Path) -> None:
        if self.error is not None or (self.bad and str(self.bad) in old.name):
            raise OSError(self.error or errno.EIO, "the disk says no")
        super().rename(old, new)
