"""Everything that changes a file: one seam, so that tests fill, break and power-cut the disk under the real code.

What a caller may rely on is what POSIX promises and no more: written bytes survive a power cut once `sync` returns,
names once `sync_folder` returns for their folder, and a rename is there or not there, never half.
"""

import contextlib
import os
from pathlib import Path


class Files:
    """The file system. Every method raises `OSError` as the system says; any thread may call any of them."""

    # One call of the system each.

    def free_bytes(self, folder: Path) -> int:
        """Returns what an ordinary user may still write."""
        stat = os.statvfs(folder)
        return stat.f_bavail * stat.f_frsize

    def make_folder(self, folder: Path) -> None:
        """Makes a folder, readable by this user only. Its name survives once its parent is synced.

        Raises:
            FileExistsError: there is one.
        """
        folder.mkdir(mode=0o700)

    def open_append(self, path: Path, *, mode: int = 0o600) -> int:
        """Opens a file for writing at its end, made where there is none, and returns its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, mode)

    def append(self, descriptor: int, data: memoryview) -> None:
        """Writes all of `data` at the end. After an error part of it may be written."""
        while data:
            data = data[os.write(descriptor, data) :]

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        """Cuts an open file."""
        os.ftruncate(descriptor, size_bytes)

    def sync(self, descriptor: int) -> None:
        """Makes what was written to an open file survive a power cut."""
        os.fdatasync(descriptor)

    def close(self, descriptor: int) -> None:
        """Closes a descriptor of `open_append`."""
        os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """Renames within one folder; what had the name is replaced."""
        os.replace(old, new)

    def remove(self, path: Path) -> None:
        """Removes a file.

        Raises:
            FileNotFoundError: there is none.
        """
        path.unlink()

    def sync_folder(self, folder: Path) -> None:
        """Makes new names, renames and removals in `folder` survive a power cut."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    # Made of these.

    def ensure_folder(self, folder: Path) -> None:
        """Makes a folder where there is none, its parents too; durable when this returns."""
        if not folder.is_dir():
            self.ensure_folder(folder.parent)
            with contextlib.suppress(FileExistsError):
                self.make_folder(folder)
        # Also where it is there: whoever made it may have been killed before its name was durable.
        with contextlib.suppress(PermissionError):
            self.sync_folder(folder.parent)

    def write(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        """Replaces `path` by `data`; durable when this returns. A crash leaves the old content or the new, never half."""
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
        """Removes a file where there is one; durable when this returns."""
        with contextlib.suppress(FileNotFoundError):
            self.remove(path)
            self.sync_folder(path.parent)


BESIDE = ".new"
"""How the name of a file that `write` has not finished ends; it begins with a dot. A crash may leave one."""
FILES = Files()
"""The file system itself."""
