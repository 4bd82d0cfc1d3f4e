"""Small files that are whole or not there, whatever happens: written beside, synced, renamed, folder synced."""

import contextlib
import os
from pathlib import Path


def write_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replaces `path` by `data`; on disk when this returns. A crash leaves the old content or the new, never half.

    Raises:
        OSError: as the system says; the old content is still there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with open(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    sync_folder(path.parent)


def remove_file(path: Path) -> None:
    """Removes `path` for good, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes renames and removals in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
