"""A file that reserves disk space for the database: deleted when the disk is full, created again when there is space."""

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from shared.kernel.disk import MEBIBYTE, DiskSpace
from shared.kernel.logs import FailureLog

log = logging.getLogger(__name__)

RESERVE_SHARE = 100
MIN_RESERVE_BYTES, MAX_RESERVE_BYTES = 64 * MEBIBYTE, 256 * MEBIBYTE
"""The reserve is a hundredth of the disk within these limits. PostgreSQL needs one or two files of 16 MiB to start on a full
disk; `max_wal_size` keeps its log below the second."""
NAME = "disk-reserve"


class DiskReserve:
    """The reserve of one state folder. Used by one thread.

    It is on the disk of the database. Whatever fills the disk takes everything but the reserve. When the database is about
    to fail, the reserve is deleted, and the database runs on while somebody frees space.
    """

    def __init__(self, state: Path, space_of: Callable[[Path], DiskSpace] = DiskSpace.of) -> None:
        self.path = state / NAME
        self._state = state
        self._space_of = space_of
        self._low = FailureLog(
            log, "the disk is nearly full: uploads are refused, the agents keep their footage"
        )
        self._before = (False, False)
        """Whether space was low, and whether it was exhausted, at the last check."""

    def tick(self) -> bool:
        """Checks the disk, and deletes or creates the reserve. Returns whether the disk has just got space again."""
        try:
            space = self._space_of(self._state)
        except OSError as error:
            self._low.failed(error=str(error))
            return False
        if space.is_low:
            self._low.failed(disk=str(space), path=str(self._state))
        else:
            self._low.recovered(disk=str(space))
        before, self._before = self._before, (space.is_low, space.is_exhausted)
        if not self.path.exists():
            self._create(space)
        elif space.is_exhausted:
            self._release()
            return True
        return any(was and not now for was, now in zip(before, self._before, strict=True))

    def _release(self) -> None:
        with contextlib.suppress(OSError):  # a read-only disk
            self.path.unlink()
            log.error(
                "the disk is full: the reserve of the database was released", extra={"path": str(self.path)}
            )

    def _create(self, space: DiskSpace) -> None:
        size_bytes = min(max(space.total_bytes // RESERVE_SHARE, MIN_RESERVE_BYTES), MAX_RESERVE_BYTES)
        # Only where space is plenty. Otherwise the reserve itself would make the disk low, and alternate with each check.
        if space.is_low or space.free_bytes < space.low_bytes + 2 * size_bytes:
            return
        part = self.path.with_name(NAME + ".part")
        try:
            with part.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size_bytes)
            part.rename(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
