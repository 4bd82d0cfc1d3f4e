"""All file changes: one seam, so that tests can fill, break and power-cut the disk under the real code.

Callers may rely on POSIX guarantees alone: written bytes survive a power cut once `sync` returns, names once `sync_folder`
returns for their folder, and a rename is atomic.
"""

import contextlib
import os
from pathlib import Path


class Files:
    """The file system. Every method raises the system's `OSError`; any thread may call any method."""

    # One system call each.

    def free_bytes(self, folder: Path) -> int:
        """Returns the bytes that an unprivileged user may still write."""
        stat = os.statvfs(folder)
        return stat.f_bavail * stat.f_frsize

    def make_folder(self, folder: Path) -> None:
        """Creates a folder that only this user can read. Its name is durable once its parent is synced.

        Raises:
            FileExistsError: there is one.
        """
        folder.mkdir(mode=0o700)

    def open_append(self, path: Path, *, mode: int = 0o600) -> int:
        """Opens or creates a file for appending, and returns its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, mode)

    def append(self, descriptor: int, data: memoryview) -> None:
        """Appends all of `data`. After an error a part of it may be written."""
        while data:
            data = data[os.write(descriptor, data) :]

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        """Truncates an open file."""
        os.ftruncate(descriptor, size_bytes)

    def sync(self, descriptor: int) -> None:
        """Makes the content of an open file durable."""
        os.fdatasync(descriptor)

    def close(self, descriptor: int) -> None:
        """Closes a descriptor of `open_append`."""
        os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """Renames within one folder, replacing an existing file."""
        os.replace(old, new)

    def remove(self, path: Path) -> None:
        """Removes a file.

        Raises:
            FileNotFoundError: there is none.
        """
        path.unlink()

    def sync_folder(self, folder: Path) -> None:
        """Makes new names, renames and removals in `folder` durable."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    # Built on these.

    def ensure_folder(self, folder: Path) -> None:
        """Creates a folder and its parents if they are missing; durable when this returns."""
        if not folder.is_dir():
            self.ensure_folder(folder.parent)
            with contextlib.suppress(FileExistsError):
                self.make_folder(folder)
        # Also for an existing folder: its creator may have been killed before the name was durable.
        with contextlib.suppress(PermissionError):
            self.sync_folder(folder.parent)

    def write(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        """Replaces the content of `path` atomically; durable when this returns."""
        beside = path.with_name(f".{path.name}{BESIDE}")
        with contextlib.suppress(FileNotFoundError):
            self.remove(beside)
        try:
            descriptor = self.open_append(beside, mode=mode)
            try:
                self.append(descriptor, memoryview(data))
                self.sync(descriptor)
            finally:
                self.close(descriptor)
            self.rename(beside, path)
        except OSError:
            with contextlib.suppress(OSError):
                self.remove(beside)
            raise
        self.sync_folder(path.parent)

    def discard(self, path: Path) -> None:
        """Removes a file if it exists; durable when this returns."""
        with contextlib.suppress(FileNotFoundError):
            self.remove(path)
            self.sync_folder(path.parent)


BESIDE = ".new"
"""Suffix of the temporary files of `write`, whose names start with a dot. A crash may leave one."""
FILES = Files()
"""The file system itself."""
