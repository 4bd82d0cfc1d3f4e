"""One process at a time on a state folder, whatever becomes of the one before."""

import fcntl
import os
from pathlib import Path
from typing import IO

from edge_agent.errors import SpoolBusy


def take_lock(path: Path) -> IO[str]:
    """Returns the file that holds the lock for as long as it is open; a process that is killed lets go of it.

    Raises:
        SpoolBusy: another process has it.
        OSError: the file cannot be made.
    """
    file = open(path, "w", encoding="ascii")  # noqa: SIM115  # held open for the life of the spool
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise SpoolBusy("another agent runs on this state folder") from None
    os.fchmod(file.fileno(), 0o600)
    return file
