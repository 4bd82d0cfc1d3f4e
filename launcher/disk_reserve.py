"""A file that keeps space for the database: removed when the disk is full, made again when there is space."""

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from control_plane.common.disk import MEBIBYTE, DiskSpace
from shared.kernel.logs import FailureLog

log = logging.getLogger(__name__)

RESERVE_SHARE = 100
LEAST_RESERVE_BYTES, MOST_RESERVE_BYTES = 64 * MEBIBYTE, 256 * MEBIBYTE
"""A hundredth of the disk, within these. PostgreSQL needs a file of 16 MiB or two to start on a full disk; its log is kept
below the second (`max_wal_size`)."""
NAME = "disk-reserve"


class Reserve:
    """The reserve of one state folder. Used by one thread.

    It lies on the disk of the database. What fills the disk takes all but the reserve; the database fails, or is about to;
    the reserve is removed, and the database goes on while somebody makes space.
    """

    def __init__(self, state: Path, space_of: Callable[[Path], DiskSpace] = DiskSpace.of) -> None:
        self.path = state / NAME
        self._state = state
        self._space_of = space_of
        self._low = FailureLog(
            log, "the disk is nearly full: uploads are refused, the agents keep their footage"
        )
        self._before = (False, False)
        """Whether space was low, and whether it was exhausted, at the last look."""

    def tick(self) -> bool:
        """Looks at the disk, and removes or makes the reserve. Returns True where the disk has space again just now."""
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
            self._make(space)
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

    def _make(self, space: DiskSpace) -> None:
        size_bytes = min(max(space.total_bytes // RESERVE_SHARE, LEAST_RESERVE_BYTES), MOST_RESERVE_BYTES)
        # Only out of what is plenty: else it would be what makes the disk low, and go and come with each look.
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
