"""The log files of the processes: bounded in size, and never a reason for a process not to run."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

MAX_LOG_BYTES = 20_000_000
ROTATED_SUFFIX = ".1"


@contextlib.contextmanager
def log_or_devnull(path: Path) -> Iterator[IO[bytes]]:
    """Opens the log of a process that the block starts; the null device where the log cannot be opened.

    A full or read-only disk must not keep a process from running.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open_log(path))
        except OSError:
            file = stack.enter_context(Path(os.devnull).open("ab"))
        yield file


def open_log(path: Path) -> IO[bytes]:
    """Opens a log to append to it, readable by its owner alone; also one that an older version left readable.

    Raises:
        OSError: it cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab")
    with contextlib.suppress(PermissionError):  # another account owns the file and decides itself
        os.fchmod(file.fileno(), 0o600)
    return file


def rotate_logs(folder: Path) -> None:
    """Moves the content of each log that is larger than `MAX_LOG_BYTES` to `NAME.1`, replacing the one before.

    Processes keep writing to the file they were started with, so its content is copied and then truncated. A line that
    is written between the two is lost. Where there is no space for the copy, the content is discarded.
    """
    for path in folder.glob("*.log"):
        with contextlib.suppress(OSError):
            if path.stat().st_size <= MAX_LOG_BYTES:
                continue
            older = path.with_name(path.name + ROTATED_SUFFIX)
            try:
                older.unlink(missing_ok=True)
                with path.open("rb") as current, open_log(older) as copy:
                    shutil.copyfileobj(current, copy)
            except OSError:
                older.unlink(missing_ok=True)
            os.truncate(path, 0)
