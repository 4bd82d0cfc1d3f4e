"""The log files of the processes: no longer than a bound, and never a reason for a process not to run."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

LONGEST_LOG_BYTES = 20_000_000
OLDER = ".1"
"""What stands behind the name of the part of a log before the present one."""


@contextlib.contextmanager
def log_output(path: Path) -> Iterator[IO[bytes]]:
    """Gives a file for the output of a process that is started in the block: its log, or nothing where there can be none.

    A full or read-only disk must not keep a process from running.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open_log(path))
        except OSError:
            file = stack.enter_context(Path(os.devnull).open("ab"))
        yield file


def open_log(path: Path) -> IO[bytes]:
    """Opens a log, readable by its owner alone, to append to it. One that an older version left readable is closed.

    Raises:
        OSError: it cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab")
    with contextlib.suppress(PermissionError):  # a file of another account, which may decide itself
        os.fchmod(file.fileno(), 0o600)
    return file


def bound_logs(folder: Path) -> None:
    """Sets aside as `NAME.1` each log of a folder that has grown over `LONGEST_LOG_BYTES`, in place of the one before.

    Processes write on into the file that they were started with, so its content is copied and cut off: what is written
    between the two is lost, a line at most. Where there is no space for the copy, the content goes.
    """
    for path in folder.glob("*.log"):
        with contextlib.suppress(OSError):
            if path.stat().st_size <= LONGEST_LOG_BYTES:
                continue
            older = path.with_name(path.name + OLDER)
            try:
                older.unlink(missing_ok=True)
                with path.open("rb") as now, open_log(older) as kept:
                    shutil.copyfileobj(now, kept)
            except OSError:
                older.unlink(missing_ok=True)
            os.truncate(path, 0)
